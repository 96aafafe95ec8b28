"""Paths, queries and headers that make no sense."""

from __future__ import annotations

from urllib.parse import unquote_to_bytes

import pytest

from tests.integration.api.conftest import Api
from tests.integration.api.refusals import NUMBERS, fields_of, refused

PATHS = [
    # ids that are none
    ("GET", "/tasks/not-an-id", 404),
    ("GET", "/tasks/123", 404),
    ("GET", "/tasks/" + "a" * 5000, 404),
    ("GET", "/tasks/00000000-0000-0000-0000-00000000000g", 404),
    ("GET", "/tasks/00000000-0000-0000-0000-000000000000", 404),
    ("GET", "/tasks/00000000-0000-0000-0000-000000000000/occurrences", 404),
    ("DELETE", "/tasks/00000000-0000-0000-0000-000000000000", 404),
    ("GET", "/runs/not-an-id", 404),
    ("GET", "/runs/" + "9" * 5000, 404),
    ("GET", "/runs/x/steps", 404),
    ("GET", "/runs/x/logs", 404),
    ("GET", "/runs/x/stream", 404),
    ("GET", "/runs/x/wait", 404),
    ("POST", "/runs/x/cancel", 404),
    ("GET", "/runs/task/x/latest", 404),
    ("GET", "/runs/task/x/stats", 404),
    ("GET", "/tools/no.such", 404),
    ("GET", "/tools/" + "a." * 2000, 404),
    ("GET", "/problems/no_such", 404),
    ("GET", "/docs/../../etc/passwd", 404),
    ("GET", "/docs/..%2f..%2fetc%2fpasswd", 404),
    ("GET", "/tasks/", 404),
    ("GET", "/TASKS", 404),
    ("GET", "/.env", 404),
    # bytes that make no text
    ("GET", "/tasks/%00", 400),
    ("GET", "/tasks/%0d%0aSet-Cookie:%20a=b", 400),
    ("GET", "/tasks/%ff%fe", 400),
    ("GET", "/runs/%00", 400),
    ("GET", "/runs/%c3%28", 400),
    ("GET", "/runs/a%1fb/steps", 400),
    ("GET", "/tools/%00", 400),
    ("GET", "/problems/%80", 400),
    ("POST", "/runs/%00/cancel", 400),
    ("GET", "/%00", 400),
    ("GET", "/tasks?q=%00", 400),
    ("GET", "/tasks?%00=1", 400),
    # methods
    ("PUT", "/tasks", 405),
    ("DELETE", "/tasks", 405),
    ("PATCH", "/runs", 405),
    ("POST", "/runs/x", 405),
    ("TRACE", "/tasks", 405),
    ("POST", "/health", 405),
    ("POST", "/openapi.json", 405),
    ("BREW", "/tasks", 405),
]


@pytest.mark.parametrize(("method", "path", "status"), PATHS)
def test_paths(lasting: Api, method: str, path: str, status: int) -> None:
    # As a server hands it on: the test client would mend the path first.
    plain, _, query = path.partition("?")
    environ = {"PATH_INFO": unquote_to_bytes(plain).decode("latin-1")}
    refused(lasting, method, f"/?{query}" if query else "/", status=status, environ_overrides=environ)


QUERIES = [
    # twice, and unknown
    ("/tasks?limit=1&limit=2", "limit"),
    ("/tasks?q=a&q=a", "q"),
    ("/tasks?colour=red", "colour"),
    ("/runs?colour=red", "colour"),
    ("/tools?colour=red", "colour"),
    ("/health?colour=red", "colour"),
    ("/openapi.json?colour=red", "colour"),
    ("/runs/x?colour=red", "colour"),
    # limits and offsets
    ("/tasks?limit=0", "limit"),
    ("/tasks?limit=201", "limit"),
    ("/tasks?limit=-1", "limit"),
    ("/tasks?limit=", "limit"),
    ("/tasks?limit=1e2", "limit"),
    ("/tasks?limit=0x10", "limit"),
    ("/tasks?limit=true", "limit"),
    ("/tasks?limit=1.5", "limit"),
    (f"/tasks?limit={NUMBERS}", "limit"),
    ("/tasks?offset=-1", "offset"),
    ("/tasks?offset=1000001", "offset"),
    (f"/tasks?offset={NUMBERS}", "offset"),
    ("/runs?limit=201", "limit"),
    ("/runs?offset=99999999999999999999", "offset"),
    ("/tools?limit=201", "limit"),
    # words and times
    ("/tasks?status=asleep", "status.0"),
    ("/tasks?status=active,asleep", "status.1"),
    ("/tasks?status=", "status.0"),
    ("/tasks?schedule_kind=weekly", "schedule_kind"),
    ("/tasks?q=", "q"),
    ("/tasks?tag=" + "x" * 51, "tag"),
    ("/tasks?preview=true", "preview"),
    ("/runs?status=asleep", "status.0"),
    ("/runs?success=maybe", "success"),
    ("/runs?trigger=fate", "trigger"),
    ("/runs?start_time=yesterday", "start_time"),
    ("/runs?start_time=2026-02-30T00:00:00Z", "start_time"),
    ("/runs?end_time=99999999999", "end_time"),
    ("/runs?task_id=" + "x" * 101, "task_id"),
    ("/runs/x/wait?timeout=51", "timeout"),
    ("/runs/x/wait?timeout=nan", "timeout"),
    ("/runs/x/wait?timeout=inf", "timeout"),
    ("/runs/x/wait?timeout=-1", "timeout"),
    ("/runs/x/stream?last_event_id=x", "last_event_id"),
    ("/runs/x/stream?last_event_id=-1", "last_event_id"),
    ("/runs/x/logs?limit=999", "limit"),
    ("/runs/stats/summary?days=0", "days"),
    ("/runs/stats/summary?days=366", "days"),
    ("/runs/stats/summary?days=1.5", "days"),
    ("/tasks/ID/why", "at"),
    ("/tasks/ID/why?at=now", "at"),
    ("/tasks/ID/why?at=0000-01-01T00:00:00Z", "at"),
    ("/tasks/ID/occurrences?limit=0", "limit"),
    ("/tasks?limit=%F0%9F%98%80", "limit"),
]


@pytest.mark.parametrize(("path", "field"), QUERIES)
def test_queries(lasting: Api, task_id: str, path: str, field: str) -> None:
    assert fields_of(refused(lasting, "GET", path.replace("ID", task_id))) == {field}


@pytest.mark.parametrize("header", ["x", "-1", "1.5", "\u0661", "9" * 11, "1 or 1=1"])
def test_last_event_id(lasting: Api, header: str) -> None:
    headers = {"Last-Event-ID": header.encode().decode("latin-1")}
    assert fields_of(refused(lasting, "GET", "/runs/x/stream", headers=headers)) == {"Last-Event-ID"}


@pytest.mark.parametrize(
    "tag", ['"999"', "999", '"x"', 'W/"1"', "nonsense", '"-1"', '"' + "9" * 4000 + '"', "", ",,,", '"\u0661"']
)
def test_if_match_of_another_version(lasting: Api, task_id: str, tag: str) -> None:
    headers = {"If-Match": tag.encode().decode("latin-1")}
    for method, path, body in (
        ("PATCH", "", {"title": "B"}),
        ("PUT", "", {"title": "B", "schedule_kind": "manual"}),
        ("DELETE", "", None),
        ("POST", "/pause", {}),
    ):
        refused(lasting, method, f"/tasks/{task_id}{path}", status=412, json=body, headers=headers)
    assert lasting.get(f"/tasks/{task_id}")["version"] == 1

"""Bodies that cannot be read, hold what cannot be kept, or are of another kind, and actions that cannot be done."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

from tests.integration.api.conftest import Api
from tests.integration.api.refusals import CRON, NUMBERS, SET, fields_of, nested, refused

TEXTS = ["title", "description", "schedule_expr", "timezone", "created_by"]
STRANGE = {
    "nul": "a\u0000b",
    "escape": "a\u001bb",
    "lone surrogate": "a\ud800b",
}


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("strange", STRANGE)
def test_strange_characters(lasting: Api, task_id: str, name: str, strange: str) -> None:
    # Written as escapes: these bodies are ASCII.
    data = json.dumps({**CRON, name: STRANGE[strange]})
    body = refused(lasting, "POST", "/tasks", data=data, content_type="application/json")
    assert fields_of(body) == {name}
    refused(
        lasting,
        "PATCH",
        f"/tasks/{task_id}",
        data=json.dumps({name: STRANGE[strange]}),
        content_type="application/json",
    )


@pytest.mark.parametrize("strange", ["nul", "lone surrogate"])
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/tasks", {**CRON, "tags": ["?"]}),
        ("/tasks", {**CRON, "payload": {"params": {"a": "?"}, "pipeline": []}}),
        ("/tasks", {**CRON, "payload": {"params": {"?": 1}, "pipeline": []}}),
        ("/tasks", {**CRON, "payload": {"pipeline": [{"uses": "?"}]}}),
        ("/tasks", {**CRON, "payload": {"pipeline": [{"id": "?", **SET}]}}),
        ("/tasks", {**CRON, "payload": {"pipeline": [{"uses": "data.set", "with": {"value": "?"}}]}}),
        ("/tasks", {**CRON, "payload": {"pipeline": [{"uses": "data.set", "with": {"value": 1, "?": 1}}]}}),
        ("/tasks", {**CRON, "?": 1}),
        ("/tasks/ID/run_now", {"params": {"a": "?"}}),
        ("/tasks/ID/run_now", {"params": {"?": "a"}}),
        ("/tasks/ID/run_now", {"idempotency_key": "?"}),
        ("/tasks/ID/snooze", {"delay_seconds": 5, "reason": "?"}),
        ("/schedules/preview", {"schedule_kind": "cron", "schedule_expr": "?"}),
        ("/schedules/preview", {"schedule_kind": "cron", "schedule_expr": "* * * * *", "timezone": "?"}),
        ("/tools/log.write/invoke", {"arguments": {"message": "x", "?": 1}}),
    ],
)
def test_strange_characters_anywhere(lasting: Api, task_id: str, path: str, body: Any, strange: str) -> None:
    data = json.dumps(body).replace("?", json.dumps(STRANGE[strange])[1:-1])
    refused(lasting, "POST", path.replace("ID", task_id), data=data, content_type="application/json")


BODIES = [
    (b"", 415),
    (b"{", 400),
    (b"null", 400),
    (b"[]", 400),
    (b'"text"', 400),
    (b"5", 400),
    (b"\xff\xfe{}", 400),
    (b'{"title": "\xff"}', 400),
    (b"\xef\xbb\xbf{}", 400),
    (b'{"title": "a", "title": "b"}', 400),
    (b'{"priority": NaN}', 400),
    (b'{"priority": Infinity}', 400),
    (b'{"priority": -Infinity}', 400),
    (b'{"priority": 1e999}', 400),
    (b'{"priority": ' + NUMBERS.encode() + b"}", 400),
    (b'{"priority": -' + NUMBERS.encode() + b"}", 400),
    (b'{"payload": {"params": {"n": ' + NUMBERS.encode() + b"}}}", 400),
    (b'{"payload": {"params": {"n": 1e400}}}', 400),
    (nested(100_000, "[", "]"), 400),
    (nested(100_000, '{"a":', "}"), 400),
    (b'{"payload":' + nested(100_000, "[", "]") + b"}", 400),
    (b'{"a":' * 65 + b"1" + b"}" * 65, 400),
    (b"{" + b",".join(b'"k%d":1' % n for n in range(10_001)) + b"}", 400),
    (b"[" * 100_000, 400),
    (b'{"title": "a"} x', 400),
    (b'{"title": "a",}', 400),
    (b"{'title': 'a'}", 400),
    (b'{"title": "' + b"x" * 1_048_576 + b'"}', 413),
]


@pytest.mark.parametrize(("data", "status"), BODIES, ids=[str(n) for n in range(len(BODIES))])
@pytest.mark.parametrize("path", ["/tasks", "/pipelines/validate", "/schedules/preview"])
def test_bodies(lasting: Api, path: str, data: bytes, status: int) -> None:
    refused(lasting, "POST", path, status=status, data=data, content_type="application/json" if data else None)


@pytest.mark.parametrize("data", [body for body, status in BODIES if status == 400])
@pytest.mark.parametrize("action", ["run_now", "snooze", "pause", "resume", "cancel"])
def test_bodies_of_actions(lasting: Api, task_id: str, action: str, data: bytes) -> None:
    refused(lasting, "POST", f"/tasks/{task_id}/{action}", data=data, content_type="application/json")


@pytest.mark.parametrize(
    ("kind", "headers"),
    [
        ("text/plain", {}),
        ("application/x-www-form-urlencoded", {}),
        ("multipart/form-data; boundary=x", {}),
        ("application/xml", {}),
        ("nonsense", {}),
        ("application/json", {"Content-Encoding": "gzip"}),
        ("application/json", {"Content-Encoding": "deflate, gzip"}),
    ],
)
def test_kinds_of_bodies(lasting: Api, kind: str, headers: dict[str, str]) -> None:
    data = json.dumps(CRON).encode()
    data = gzip.compress(data) if headers else data
    refused(lasting, "POST", "/tasks", status=415, data=data, content_type=kind, headers=headers)


ACTIONS = [
    ("run_now", {"params": []}, "params"),
    ("run_now", {"params": {"a": "x" * 300_000}}, "params"),
    ("run_now", {"idempotency_key": ""}, "idempotency_key"),
    ("run_now", {"idempotency_key": "x" * 201}, "idempotency_key"),
    ("run_now", {"idempotency_key": 5}, "idempotency_key"),
    ("run_now", {"when": "now"}, "when"),
    ("snooze", {}, "delay_seconds"),
    ("snooze", {"delay_seconds": 0}, "delay_seconds"),
    ("snooze", {"delay_seconds": 604_801}, "delay_seconds"),
    ("snooze", {"delay_seconds": True}, "delay_seconds"),
    ("snooze", {"delay_seconds": 10**30}, "delay_seconds"),
    ("snooze", {"until": "2020-01-01T00:00:00Z"}, "until"),
    ("snooze", {"until": "8999-01-01T00:00:00Z"}, "until"),
    ("snooze", {"delay_seconds": 5, "until": "2027-01-01T00:00:00Z"}, "delay_seconds"),
    ("snooze", {"delay_seconds": 5, "reason": "x" * 501}, "reason"),
    ("pause", {"for": 5}, "for"),
    ("resume", {"for": 5}, "for"),
    ("cancel", {"for": 5}, "for"),
]


@pytest.mark.parametrize(("action", "body", "field"), ACTIONS)
def test_actions(lasting: Api, action: str, body: Any, field: str) -> None:
    task = lasting.task(schedule_kind="cron", schedule_expr="0 9 * * *")
    assert fields_of(refused(lasting, "POST", f"/tasks/{task['id']}/{action}", json=body)) == {field}
    assert lasting.get(f"/tasks/{task['id']}")["version"] == 1


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"schedule_kind": "cron", "schedule_expr": "* * * * *", "count": 0}, "count"),
        ({"schedule_kind": "cron", "schedule_expr": "* * * * *", "count": 101}, "count"),
        ({"schedule_kind": "cron", "schedule_expr": "* * * * *", "count": True}, "count"),
        ({"schedule_kind": "cron", "schedule_expr": "* * * * *", "from": "now"}, "from"),
        ({"schedule_kind": "cron", "schedule_expr": "* * * * *", "from_": "2027-01-01T00:00:00Z"}, "from_"),
        ({"schedule_kind": "cron"}, "schedule_expr"),
        ({"schedule_expr": "* * * * *"}, "schedule_kind"),
    ],
)
def test_previews(lasting: Api, body: Any, field: str) -> None:
    assert fields_of(refused(lasting, "POST", "/schedules/preview", json=body)) == {field}


@pytest.mark.parametrize(
    ("name", "body", "field"),
    [
        ("data.set", {}, "arguments.value"),
        ("data.set", {"arguments": []}, "arguments"),
        ("data.set", {"arguments": {"value": 1, "x": 2}}, "arguments.x"),
        ("data.set", {"arguments": {"value": "x" * 300_000}}, "arguments"),
        ("data.set", {"arguments": {"value": 1}, "timeout_seconds": 0}, "timeout_seconds"),
        ("data.set", {"arguments": {"value": 1}, "timeout_seconds": 26}, "timeout_seconds"),
        ("data.set", {"arguments": {"value": 1}, "timeout_seconds": True}, "timeout_seconds"),
        ("http.request", {"arguments": {"url": 5}}, "arguments.url"),
        ("http.request", {"arguments": {"url": "http://a.example/", "method": "BREW"}}, "arguments.method"),
        ("log.write", {"arguments": {"message": 5}}, "arguments.message"),
    ],
)
def test_invocations(lasting: Api, name: str, body: Any, field: str) -> None:
    assert field in fields_of(refused(lasting, "POST", f"/tools/{name}/invoke", json=body))


@pytest.mark.parametrize(
    "expression",
    [
        "[@,@]" + "|[@,@]" * 29,
        "to_string([@,@])" + "|to_string([@,@])" * 40,
        "join(',', map(&to_string(@), [@,@,@,@,@,@,@,@]))" + "|[@,@]" * 20,
    ],
)
def test_expressions_that_grow_are_stopped(lasting: Api, expression: str) -> None:
    arguments = {"expression": expression, "data": {"a": "x" * 100}}
    body = refused(lasting, "POST", "/tools/data.transform/invoke", status=422, json={"arguments": arguments})
    assert body["details"]["type"]


@pytest.mark.parametrize(
    "url",
    [
        *(
            "http://127.0.0.1/",
            "http://0/",
            "http://0x7f000001/",
            "http://2130706433/",
            "http://127.1/",
            "http://[::1]/",
        ),
        *("http://[::ffff:169.254.169.254]/", "http://169.254.169.254/", "http://[fd00::1]/", "http://100.64.0.1/"),
        *("http://localhost/", "http://a@127.0.0.1/", "http://127.0.0.1:22/", "http://10.0.0.1/"),
    ],
)
def test_addresses_inside_are_out_of_reach(lasting: Api, url: str) -> None:
    answer = lasting.send("POST", "/tools/http.request/invoke", json={"arguments": {"url": url}})
    assert answer.status_code in (400, 422), answer.get_data(as_text=True)

"""Every way to fail, and the one shape all of them have."""

from __future__ import annotations

import io
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.fakes.http_app import FakeSettings, World, make_app
from tests.fakes.http_runs import FakeRuns

JSON = {"content_type": "application/json"}
DEEP = b'{"payload": {"a": ' + b"[" * 3000 + b"]" * 3000 + b'}, "title": "x"}'

WAYS: list[tuple[str, str, dict[str, Any], int, str]] = [
    # an address nobody knows
    ("GET", "/nowhere", {}, 404, "not_found"),
    # a trailing slash makes it another address
    ("GET", "/health/", {}, 404, "not_found"),
    ("GET", "/health//live", {}, 404, "not_found"),
    # a run that is not there
    ("GET", "/runs/none", {}, 404, "not_found"),
    ("GET", "/runs/none/stream", {}, 404, "not_found"),
    ("GET", "/runs/task/none/latest", {}, 404, "not_found"),
    ("POST", "/runs/none/cancel", {}, 404, "not_found"),
    # an address that does not know the method
    ("DELETE", "/health", {}, 405, "method_not_allowed"),
    ("TRACE", "/runs", {}, 405, "method_not_allowed"),
    # a body that is no JSON by its type, or compressed
    ("POST", "/probes/body", {"data": b"title=x"}, 415, "unsupported_media_type"),
    (
        "POST",
        "/probes/body",
        {"json": {"title": "x"}, "headers": {"Content-Encoding": "gzip"}},
        415,
        "unsupported_media_type",
    ),
    # a body over the limit
    ("POST", "/probes/body", {"data": b" " * 5000, **JSON}, 413, "payload_too_large"),
    ("POST", "/probes/body", {"data": b" " * 4097, **JSON}, 413, "payload_too_large"),
    (
        "POST",
        "/probes/body",
        {
            "input_stream": io.BytesIO(b" " * 5000),
            "environ_overrides": {"wsgi.input_terminated": True},
            **JSON,
        },
        413,
        "payload_too_large",
    ),
    # bodies that are no JSON by their content
    ("POST", "/probes/body", {"data": b'{"title": ', **JSON}, 400, "bad_request"),
    ("POST", "/probes/body", {"data": b"", **JSON}, 400, "bad_request"),
    ("POST", "/probes/body", {"data": b'{"title": "x", "ratio": NaN}', **JSON}, 400, "bad_request"),
    ("POST", "/probes/body", {"data": DEEP[:4000], **JSON}, 400, "bad_request"),
    ("POST", "/probes/body", {"data": '{"title": "x"}'.encode("utf-16"), **JSON}, 400, "bad_request"),
    ("POST", "/probes/body", {"data": b'{"title": "a\\u0000b"}', **JSON}, 400, "bad_request"),
    # JSON of the wrong shape
    ("POST", "/probes/body", {"json": [1]}, 400, "bad_request"),
    ("POST", "/probes/body", {"json": {}}, 400, "bad_request"),
    ("POST", "/probes/body", {"json": {"title": 5}}, 400, "bad_request"),
    ("POST", "/probes/body", {"json": {"title": "x", "count": True}}, 400, "bad_request"),
    ("POST", "/probes/body", {"json": {"title": "x", "count": 2.0}}, 400, "bad_request"),
    ("POST", "/probes/body", {"json": {"title": "x", "count": "2"}}, 400, "bad_request"),
    ("POST", "/probes/body", {"json": {"title": "x", "id": "y"}}, 400, "bad_request"),
    # queries: unknown, twice, of the wrong type
    ("GET", "/runs?colour=red", {}, 400, "bad_request"),
    ("GET", "/runs/none?colour=red", {}, 400, "bad_request"),
    ("GET", "/runs?limit=1&limit=2", {}, 400, "bad_request"),
    ("GET", "/runs?limit=many", {}, 400, "bad_request"),
    ("GET", "/runs?limit=201", {}, 400, "bad_request"),
    ("GET", "/runs?offset=1000001", {}, 400, "bad_request"),
    ("GET", "/runs?status=done", {}, 400, "bad_request"),
    ("GET", "/runs?start_time=1700000000", {}, 400, "bad_request"),
    ("GET", "/runs?start_time=2026-11-24T08:30:00", {}, 400, "bad_request"),
    ("GET", "/runs/none/wait?timeout=51", {}, 400, "bad_request"),
    ("GET", "/runs/none/wait?timeout=nan", {}, 400, "bad_request"),
    ("GET", "/runs/none/stream", {"headers": {"Last-Event-ID": "soon"}}, 400, "bad_request"),
    # addresses with bytes no text has
    ("GET", "/runs/a%00b", {}, 400, "bad_request"),
    ("GET", "/runs/a%0d%0ab", {}, 400, "bad_request"),
    ("GET", "/runs/x", {"environ_overrides": {"PATH_INFO": "/runs/\xff\xfe"}}, 400, "bad_request"),
    ("GET", "/runs?task_id=%00", {}, 400, "bad_request"),
    # refusals of the domain
    ("GET", "/probes/fail/conflict", {}, 409, "conflict"),
    ("GET", "/probes/fail/precondition", {}, 412, "precondition_failed"),
    ("GET", "/probes/fail/invalid", {}, 400, "bad_request"),
    ("GET", "/probes/fail/away", {}, 503, "unavailable"),
    # refusals of Werkzeug without a code of ours
    ("GET", "/probes/fail/teapot", {}, 418, "bad_request"),
    ("GET", "/probes/undecorated", {}, 418, "bad_request"),
    # a defect
    ("GET", "/probes/fail/defect", {}, 500, "internal_error"),
    # a write that another site's page made the browser send
    ("POST", "/runs/none/cancel", {"headers": {"Origin": "http://evil.example"}}, 403, "forbidden"),
    ("POST", "/runs/none/cancel", {"headers": {"Sec-Fetch-Site": "cross-site"}}, 403, "forbidden"),
    # another program on this machine is the same site, but not the same origin
    ("POST", "/runs/none/cancel", {"headers": {"Sec-Fetch-Site": "same-site"}}, 403, "forbidden"),
]


@pytest.fixture
def client() -> FlaskClient:
    return make_app().test_client()


def checked(answer: TestResponse, status: int, code: str) -> dict[str, Any]:
    """The details of an error body, once it has the shape."""
    assert answer.status_code == status
    assert answer.content_type == "application/json"
    body: dict[str, Any] = answer.get_json()
    assert set(body) == {
        *("error", "message", "details", "request_id"),
        *("type", "title", "status", "instance"),
    }
    assert body["error"] == code
    assert body["message"]
    assert body["status"] == status
    assert body["type"] == f"/problems/{code}"
    assert body["request_id"] == answer.headers["X-Request-ID"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    details: dict[str, Any] = body["details"]
    return details


@pytest.mark.parametrize(("method", "path", "sent", "status", "code"), WAYS)
def test_every_refusal_has_the_one_shape(
    client: FlaskClient, method: str, path: str, sent: dict[str, Any], status: int, code: str
) -> None:
    checked(client.open(path, method=method, **sent), status, code)


def test_the_first_problem_stands_out_and_all_are_listed(client: FlaskClient) -> None:
    details = checked(client.get("/probes/fail/invalid"), 400, "bad_request")
    assert (details["field"], details["issue"]) == ("a/b.0", "is odd")
    assert details["errors"] == [
        {"field": "a/b.0", "pointer": "/a~1b/0", "issue": "is odd", "hint": "try 2"},
        {"field": "c", "pointer": "/c", "issue": "is even", "hint": ""},
    ]


def test_the_type_of_a_refusal_can_be_looked_up(client: FlaskClient) -> None:
    kind = client.get(client.get("/nowhere").get_json()["type"]).get_json()
    assert kind == {"error": "not_found", "status": 404, "title": "Not found"}
    assert client.get("/problems/nothing").status_code == 404


def test_a_405_names_the_methods_there_are(client: FlaskClient) -> None:
    answer = client.put("/runs")
    assert answer.headers["Allow"] == "GET, HEAD, OPTIONS"


def test_a_503_says_when_to_come_back(client: FlaskClient) -> None:
    assert client.get("/probes/fail/away").headers["Retry-After"] == "2"


def test_a_database_that_is_away_is_a_503() -> None:
    runs = FakeRuns()
    runs.away = True
    checked(make_app(World(runs=runs)).test_client().get("/runs"), 503, "unavailable")


def test_problem_json_goes_to_those_who_ask_for_it(client: FlaskClient) -> None:
    answer = client.get("/nowhere", headers={"Accept": "application/problem+json"})
    assert answer.content_type == "application/problem+json"
    assert client.get("/nowhere", headers={"Accept": "*/*"}).content_type == "application/json"


def test_a_rate_limit_answers_as_the_founding_document_prints_it() -> None:
    client = make_app(World(settings=FakeSettings(rate_limit="2/minute"))).test_client()
    for _ in range(2):
        assert client.get("/runs").status_code == 200
    answer = client.get("/runs")
    details = checked(answer, 429, "rate_limit_exceeded")
    assert details.keys() == {"limit", "window", "reset_at"}
    assert (details["limit"], details["window"]) == (2, "60s")
    assert details["reset_at"].endswith("Z")
    assert 0 < int(answer.headers["Retry-After"]) <= 61


class TestDefects:
    """What a 500 tells, and whom."""

    def test_production_shows_an_id_and_nothing_else(self, client: FlaskClient) -> None:
        answer = client.get("/probes/fail/defect")
        details = checked(answer, 500, "internal_error")
        assert details["error_id"]
        assert details["traceback"] == "..."
        for secret in ("SELECT", "passwd", ".py", "line "):
            assert secret not in answer.text

    @pytest.mark.parametrize(
        ("peer", "headers", "shown"),
        [
            ("127.0.0.1", {}, True),
            ("::1", {}, True),
            # another machine
            ("192.0.2.7", {}, False),
            # a proxy on this machine speaks for somebody
            ("127.0.0.1", {"X-Forwarded-For": "192.0.2.7"}, False),
        ],
    )
    def test_development_shows_the_traceback_on_loopback_only(
        self, peer: str, headers: dict[str, str], shown: bool
    ) -> None:
        client = make_app(World(settings=FakeSettings(production=False))).test_client()
        environ = {"REMOTE_ADDR": peer}
        answer = client.get("/probes/fail/defect", headers=headers, environ_overrides=environ)
        assert ("RuntimeError: SELECT" in answer.get_json()["details"]["traceback"]) is shown

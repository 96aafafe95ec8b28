"""What is read from a request, and the sentences about what cannot be."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.fakes.http_app import FakeSettings, World, make_app


@pytest.fixture
def client() -> FlaskClient:
    return make_app().test_client()


@pytest.mark.parametrize(
    ("query", "read"),
    [
        ("", {"limit": 50, "status": [], "since": None}),
        ("limit=7", {"limit": 7, "status": [], "since": None}),
        # lists: repeated, joined, or both
        ("status=a&status=b", {"limit": 50, "status": ["a", "b"], "since": None}),
        ("status=a,b&status=c", {"limit": 50, "status": ["a", "b", "c"], "since": None}),
        # any offset comes in, Z goes out
        (
            "since=2026-11-24T10:30:00%2B02:00",
            {"limit": 50, "status": [], "since": "2026-11-24T08:30:00Z"},
        ),
    ],
)
def test_queries_are_read_from_text(client: FlaskClient, query: str, read: dict[str, Any]) -> None:
    assert client.get(f"/probes/query?{query}").get_json() == {"read": read}


def test_a_body_is_read_strictly_with_moments_from_text(client: FlaskClient) -> None:
    answer = client.post("/probes/body", json={"title": "ș", "due": "2026-11-24T08:30:00.5+00:00"})
    assert answer.status_code == 201
    assert answer.get_json()["due"] == "2026-11-24T08:30:00.500000Z"
    assert "ș" in answer.text


@pytest.mark.parametrize(
    ("body", "field", "issue", "hint"),
    [
        ({}, "title", "'title' is required", ""),
        ({"title": 5}, "title", "'title' must be a string", ""),
        ({"title": "x", "count": "5"}, "count", "'count' must be a whole number", ""),
        ({"title": "x", "count": True}, "count", "'count' must be a whole number", ""),
        ({"title": "x", "active": 1}, "active", "'active' must be true or false", ""),
        ({"title": "x", "payload": []}, "payload", "'payload' must be an object", ""),
        ({"title": "x", "tite": 1}, "tite", "'tite' is not a known field", "Did you mean 'title'?"),
        ([], "body", "The body must be an object", ""),
    ],
)
def test_problems_are_sentences_that_name_the_field(
    client: FlaskClient, body: Any, field: str, issue: str, hint: str
) -> None:
    details = client.post("/probes/body", json=body).get_json()["details"]
    assert (details["field"], details["issue"]) == (field, issue)
    assert details["errors"][0]["hint"] == hint


def test_a_moment_without_a_time_zone_is_refused_in_words(client: FlaskClient) -> None:
    details = client.get("/probes/query?since=2026-11-24T08:30:00").get_json()["details"]
    assert details["issue"].startswith("'since' is not acceptable: it must be an RFC 3339 time with an offset")


def test_values_that_were_sent_are_not_repeated(client: FlaskClient) -> None:
    assert "canary" not in client.post("/probes/body", json={"title": "x", "count": "canary"}).text


def test_unknown_parameters_are_all_named(client: FlaskClient) -> None:
    errors = client.get("/health/live?a=1&b=2").get_json()["details"]["errors"]
    assert [error["field"] for error in errors] == ["a", "b"]


@pytest.mark.parametrize(
    ("offered", "kept"),
    [
        ("abc-123", True),
        ("a" * 128, True),
        # too long, empty, or able to forge a log line
        ("a" * 129, False),
        ("", False),
        ("a b", False),
    ],
)
def test_a_request_id_is_taken_when_it_is_safe(client: FlaskClient, offered: str, kept: bool) -> None:
    answer = client.get("/health/live", headers={"X-Request-ID": offered})
    assert (answer.headers["X-Request-ID"] == offered) is kept
    assert answer.headers["X-Request-ID"]


def test_a_read_with_the_known_entity_tag_is_a_304(client: FlaskClient) -> None:
    assert client.get("/probes/tagged").headers["Cache-Control"] == "private, no-cache"
    answer = client.get("/probes/tagged", headers={"If-None-Match": '"7"'})
    assert (answer.status_code, answer.data) == (304, b"")


@pytest.mark.parametrize(
    "headers",
    [
        # a page of ours, in a browser old or new
        {"Origin": "http://localhost", "Sec-Fetch-Site": "same-origin"},
        # behind a proxy that changes Host
        {"Origin": "https://tasks.example", "Sec-Fetch-Site": "same-origin"},
        {"Origin": "http://localhost"},
        # a program
        {},
        # a page elsewhere that holds a token
        {"Origin": "http://app.example", "Authorization": "Bearer x"},
    ],
)
def test_writes_from_here_are_let_through(client: FlaskClient, headers: dict[str, str]) -> None:
    assert client.post("/probes/body", json={"title": "x"}, headers=headers).status_code == 201


def test_a_body_may_be_as_long_as_the_limit_says(client: FlaskClient) -> None:
    body = b'{"title": "x"}'.ljust(4096)
    assert client.post("/probes/body", data=body, content_type="application/json").status_code == 201


@pytest.mark.parametrize(
    ("host", "peer", "status"),
    [
        ("localhost:8080", "127.0.0.1", 201),
        ("127.0.0.1", "127.0.0.1", 201),
        ("[::1]:8080", "::1", 201),
        ("ordinaut.localhost", "127.0.0.1", 201),
        # a page whose name was made to point here
        ("pages.example", "127.0.0.1", 403),
        ("localhost.pages.example:8080", "127.0.0.1", 403),
        ("10.0.0.7", "::1", 403),
        # another machine, which the operator lets in on purpose
        ("tasks.lan", "10.0.0.8", 201),
    ],
)
def test_without_tokens_a_browser_here_must_call_this_machine_its_own(host: str, peer: str, status: int) -> None:
    client = make_app(World(settings=FakeSettings(production=False))).test_client()
    sent = {"headers": {"Host": host, "Origin": f"http://{host}"}, "environ_base": {"REMOTE_ADDR": peer}}
    assert client.post("/probes/body", json={"title": "x"}, **sent).status_code == status
    assert client.get("/health/live", **sent).status_code == 200


@pytest.mark.parametrize("settings", [{"production": True}, {"production": False, "proxy_hops": 1}])
def test_behind_a_proxy_and_in_production_any_name_will_do(settings: dict[str, Any]) -> None:
    client = make_app(World(settings=FakeSettings(**settings))).test_client()
    assert client.post("/probes/body", json={"title": "x"}, headers={"Host": "pages.example"}).status_code == 201

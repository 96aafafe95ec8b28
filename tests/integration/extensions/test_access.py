"""Who may use an extension's routes, and that a caller's scopes go with what the extension does for them."""

from __future__ import annotations

import pytest

from tests.integration.extensions.conftest import LAB, Serve

SCOPE = "ext:lab:routes"
HEADERS = [
    # each row: what X-Scopes says, the status, and a fact of the refusal
    (None, 401, {"required_scopes": [SCOPE]}),
    ("", 401, {"required_scopes": [SCOPE]}),
    ("tasks:read", 403, {"required_scopes": [SCOPE], "granted_scopes": ["tasks:read"]}),
    ("ext:lab:*", 403, {"required_scopes": [SCOPE], "granted_scopes": ["ext:lab:*"]}),
    ("EXT:LAB:ROUTES", 403, {"required_scopes": [SCOPE], "granted_scopes": ["EXT:LAB:ROUTES"]}),
    (SCOPE, 200, None),
    (f"tasks:read, {SCOPE}", 200, None),
]


@pytest.mark.parametrize(("scopes", "status", "details"), HEADERS)
def test_scopes_are_required_where_the_operator_says_so(
    serve: Serve, scopes: str | None, status: int, details: dict[str, list[str]] | None
) -> None:
    api = serve(LAB, ORDINAUT_REQUIRE_SCOPES="true")
    headers = {} if scopes is None else {"X-Scopes": scopes}
    body = api.get("/ext/lab/who", expect=status, headers=headers)
    assert details is None or body["details"] == details
    assert api.get("/ext/lab/nothing", expect=404 if status == 200 else status, headers=headers)


def test_the_header_is_nothing_while_scopes_are_not_required(serve: Serve) -> None:
    assert "admin" in serve(LAB).get("/ext/lab/who", headers={"X-Scopes": "tasks:read"})["scopes"]


@pytest.mark.parametrize(
    "path",
    # each row: an address that tells of an extension or touches it
    ["/ext/lab/static/page.css", "/ext/lab/health", "/ext/lab/boom", "/ext/lab/ticks"],
)
def test_files_health_and_defects_are_no_way_around(serve: Serve, path: str) -> None:
    serve(LAB, ORDINAUT_REQUIRE_SCOPES="true").get(path, expect=401)


def test_the_status_is_open_to_all(serve: Serve) -> None:
    serve(LAB, ORDINAUT_REQUIRE_SCOPES="true").get("/ext/status")


def test_a_tool_is_called_with_the_scopes_of_who_asks(serve: Serve) -> None:
    api = serve(LAB, ORDINAUT_REQUIRE_SCOPES="true")
    refused = api.get("/ext/lab/tool/ext.lab.shout", expect=403, headers={"X-Scopes": SCOPE})
    assert refused["details"]["required_scopes"] == ["tools:invoke"]
    api.get("/ext/lab/tool/ext.lab.shout", headers={"X-Scopes": f"{SCOPE},tools:invoke"})


def test_without_a_token_nothing_is_served(serve: Serve) -> None:
    api = serve(LAB, ORDINAUT_AUTH="jwt")
    body = api.get("/ext/lab/", expect=401)
    assert (body["error"], body["details"]) == ("unauthorized", {"required_scopes": [SCOPE]})
    api.get("/ext/lab/", expect=401, headers={"Authorization": "Bearer nonsense"})


def test_limits_are_those_of_the_core(serve: Serve) -> None:
    api = serve(LAB, ORDINAUT_RATE_LIMIT="3/minute")
    for _ in range(3):
        api.get("/ext/lab/")
    answer = api.send("GET", "/ext/lab/", expect=429)
    assert answer.get_json()["details"]["limit"] == 3
    assert answer.headers["Retry-After"]

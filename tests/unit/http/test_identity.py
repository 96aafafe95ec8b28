"""Who is asking: the three meanings of `X-Scopes`, public routes, and what a peer may claim."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from flask import Flask

from app.domain.errors import Unauthorized, Unavailable
from app.domain.scopes import HEADER_LIMIT
from app.http.identity import (
    AccessRules,
    configure_identity,
    identity,
    is_public,
    require,
    require_extension_scope,
    still_valid,
)
from config.access import PUBLIC_ROUTES
from ordinaut import Caller
from tests.fakes.http_app import FakeSettings, World, make_app

TOKENS = {
    "admin": Caller("root", frozenset({"admin"})),
    "shop": Caller("ana", frozenset({"ext:shop:routes", "tasks:read"})),
    "poor": Caller("bob", frozenset({"tasks:read"})),
}


class FakeBearers:
    """Knows three tokens, and one that takes a database which is away."""

    def caller(self, bearer: str, addresses: Sequence[str] = ()) -> Caller:
        if bearer == "away":
            raise Unavailable
        if bearer not in TOKENS:
            raise Unauthorized
        return TOKENS[bearer]

    def agent(self, agent_id: str) -> Caller:
        return next(one for one in TOKENS.values() if one.agent_id == agent_id)

    def ticket_caller(self, ticket: str) -> Caller:
        return self.caller(ticket)


def app_with(*, jwt: bool, require_scopes: bool, **rules: Any) -> Flask:
    """An application whose `/ext/shop/…` is an extension's view, and `/core` one of ours."""
    app = make_app(World(settings=FakeSettings(require_scopes=require_scopes, **rules)))
    if jwt:
        settings = AccessRules(
            bearers=FakeBearers(),
            require_scopes=require_scopes,
            protected=frozenset(rules.get("protected_routes", ())),
        )
        configure_identity(app, settings)

    def extension(rest: str) -> dict[str, Any]:
        return _told(require_extension_scope("shop"))

    app.add_url_rule("/probe/shop/<path:rest>", view_func=extension)
    app.add_url_rule("/core", endpoint="core", view_func=lambda: _told(require("tasks:read")))
    app.add_url_rule("/who", endpoint="who", view_func=lambda: _told(identity()))
    return app


def _told(caller: Caller) -> dict[str, Any]:
    return {"agent": caller.agent_id, "scopes": sorted(caller.scopes)}


NEEDED = "ext:shop:routes"
NEAR, FAR = "127.0.0.1", "198.51.100.7"


@pytest.mark.parametrize(
    ("require_scopes", "headers", "peer", "status"),
    [
        # (a) off: the header is ignored, and everybody is the local admin
        (False, {}, FAR, 200),
        (False, {"X-Scopes": "nonsense"}, FAR, 200),
        # (c) on, without tokens: the header is the claim, believed from loopback
        (True, {"X-Scopes": NEEDED}, NEAR, 200),
        (True, {"X-Scopes": f" tasks:read , {NEEDED} "}, NEAR, 200),
        (True, {"X-Scopes": "admin"}, NEAR, 200),
        (True, {}, NEAR, 401),
        (True, {"X-Scopes": ""}, NEAR, 401),
        (True, {"X-Scopes": "tasks:read"}, NEAR, 403),
        # (d) exact, case-sensitive, no wildcards, at most 4 KB
        (True, {"X-Scopes": "EXT:shop:routes"}, NEAR, 403),
        (True, {"X-Scopes": "ext:*:routes"}, NEAR, 403),
        (True, {"X-Scopes": "ext:shop:*"}, NEAR, 403),
        (True, {"X-Scopes": "ext:shop:routes2"}, NEAR, 403),
        (True, {"X-Scopes": NEEDED + "," * HEADER_LIMIT}, NEAR, 401),
        # from elsewhere nobody is believed, whatever they say of where they are
        (True, {"X-Scopes": NEEDED}, FAR, 401),
        (True, {"X-Scopes": NEEDED, "X-Forwarded-For": NEAR}, FAR, 401),
        (True, {"X-Scopes": NEEDED}, "not an address", 401),
    ],
)
def test_without_tokens(require_scopes: bool, headers: dict[str, str], peer: str, status: int) -> None:
    client = app_with(jwt=False, require_scopes=require_scopes).test_client()
    answer = client.get("/probe/shop/x", headers=headers, environ_overrides={"REMOTE_ADDR": peer})
    body: Any = answer.json
    assert answer.status_code == status, body
    if status == 401:
        assert body["details"] == {"required_scopes": [NEEDED]}
    if status == 403:
        assert body["details"]["required_scopes"] == [NEEDED]


def test_a_proxy_that_is_believed_for_addresses_is_not_believed_for_scopes() -> None:
    client = app_with(jwt=False, require_scopes=True, proxy_hops=1).test_client()
    headers = {"X-Scopes": NEEDED, "X-Forwarded-For": NEAR}
    assert client.get("/probe/shop/x", headers=headers, environ_overrides={"REMOTE_ADDR": FAR}).status_code == 401
    named = app_with(jwt=False, require_scopes=True, proxy_hops=1, trusted_proxies=(f"{FAR}/32",)).test_client()
    headers["X-Forwarded-For"] = "203.0.113.9"
    assert named.get("/probe/shop/x", headers=headers, environ_overrides={"REMOTE_ADDR": FAR}).status_code == 200


@pytest.mark.parametrize(
    ("require_scopes", "token", "narrowed", "path", "status"),
    [
        # off: an extension takes what the core takes, a caller who is known
        (False, None, None, "/probe/shop/x", 401),
        (False, "poor", None, "/probe/shop/x", 200),
        (False, "forged", None, "/probe/shop/x", 401),
        (False, "shop", "nothing", "/core", 200),
        # (b) on: the token's scopes, and the header can only narrow them
        (True, None, NEEDED, "/probe/shop/x", 401),
        (True, "poor", None, "/probe/shop/x", 403),
        (True, "poor", NEEDED, "/probe/shop/x", 403),
        (True, "shop", None, "/probe/shop/x", 200),
        (True, "shop", NEEDED, "/probe/shop/x", 200),
        (True, "shop", "tasks:read", "/probe/shop/x", 403),
        (True, "shop", NEEDED, "/core", 403),
        (True, "admin", NEEDED, "/probe/shop/x", 200),
        (True, "admin", NEEDED, "/core", 403),
    ],
)
def test_with_tokens(require_scopes: bool, token: str | None, narrowed: str | None, path: str, status: int) -> None:
    client = app_with(jwt=True, require_scopes=require_scopes).test_client()
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    if narrowed:
        headers["X-Scopes"] = narrowed
    assert client.get(path, headers=headers).status_code == status


def test_without_a_database_nobody_is_let_in_and_nobody_is_called_a_liar() -> None:
    client = app_with(jwt=True, require_scopes=False, rate_limit="3/minute").test_client()
    headers = {"Authorization": "Bearer away"}
    assert [client.get("/core", headers=headers).status_code for _ in range(4)] == [503] * 3 + [429]
    assert client.get("/health/live", headers=headers).status_code == 200


def test_claims_make_a_local_caller_with_no_more_than_them() -> None:
    client = app_with(jwt=False, require_scopes=True).test_client()
    told = client.get("/who", headers={"X-Scopes": "tasks:read"}).json
    assert told == {"agent": "local", "scopes": ["tasks:read"]}
    assert client.get("/who").json == {"agent": "local", "scopes": ["admin"]}


PUBLIC = [
    "/health",
    "/health/live",
    "/docs",
    "/openapi.json",
    "/",
    "/problems/conflict",
    "/ext/status",
    "/ext/observability/metrics",
    "/ext/mcp_http/meta",
    "/ext/webui/",
    "/ext/webui/static/page.js",
]


@pytest.mark.parametrize("path", PUBLIC)
def test_public_addresses_are_public_until_they_are_protected(path: str) -> None:
    with app_with(jwt=True, require_scopes=True).test_request_context(path):
        assert is_public(path)
    with app_with(jwt=True, require_scopes=True, protected_routes=PUBLIC_ROUTES).test_request_context(path):
        assert not is_public(path)


@pytest.mark.parametrize(
    "path",
    [
        "/tasks",
        "/healthy",
        "/ext/statuses",
        "/ext/status/x",
        "/ext/webui/api/tasks",
        "/ext/webui/staticx",
        "/ext/observability/metrics/x",
        "/ext/mcp_http/tools",
    ],
)
def test_nothing_beside_them_is(path: str) -> None:
    with app_with(jwt=True, require_scopes=False).test_request_context(path):
        assert not is_public(path)


def test_a_protected_route_takes_a_caller_and_no_scope() -> None:
    client = app_with(jwt=True, require_scopes=False, protected_routes=("/health",)).test_client()
    assert client.get("/health/live").status_code == 401
    assert client.get("/health/live", headers={"Authorization": "Bearer poor"}).status_code == 200


def test_outside_of_a_request_one_is_local() -> None:
    assert identity() == Caller("local", frozenset({"admin"}))


@pytest.mark.parametrize(
    ("scopes", "stays"),
    [
        ({"ext:shop:routes", "tasks:read"}, True),
        ({"ext:shop:routes", "tasks:read", "runs:read"}, True),
        ({"admin"}, True),
        # one of those it came with was taken away
        ({"ext:shop:routes"}, False),
        (set(), False),
    ],
)
@pytest.mark.parametrize("how", ["token", "ticket"])
def test_a_stream_ends_when_a_scope_is_lost(
    monkeypatch: pytest.MonkeyPatch, scopes: set[str], stays: bool, how: str
) -> None:
    monkeypatch.setattr("app.http.identity.LOOK_SECONDS", 0.0)
    asked = {"headers": {"Authorization": "Bearer shop"}} if how == "token" else {"query_string": {"ticket": "shop"}}
    with app_with(jwt=True, require_scopes=False).test_request_context("/probe/shop/x", **asked):
        welcome = still_valid()
    monkeypatch.setitem(TOKENS, "shop", Caller("ana", frozenset(scopes)))
    assert welcome() is stays

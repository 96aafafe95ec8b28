"""Every route and every way to be nobody: the bodies that the founding document prints."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from werkzeug.routing import Rule

from app.domain.scopes import OF_EXTENSION, PUBLIC, SIGNED_IN, known
from app.http.key_ring import KeyRing
from app.http.openapi import declared_routes
from app.http.tokens import LEEWAY_SECONDS
from app.services.auth import REMEMBER_SECONDS
from tests.integration.access.conftest import KEY, OLD_KEY, Guarded, bearer
from tests.servers import wait_for

NOBODY = "019ab7d2-3c4e-7f10-8a2b-5d6e7f809a1b"
UNTOUCHED = ("/ext/",)


def part(value: dict[str, Any]) -> bytes:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=")


def signed(header: dict[str, Any], claims: dict[str, Any], key: str) -> str:
    body = part(header) + b"." + part(claims)
    seal = hmac.new(key.encode(), body, hashlib.sha256).digest()
    return (body + b"." + base64.urlsafe_b64encode(seal).rstrip(b"=")).decode()


def read(token: str, number: int) -> dict[str, Any]:
    text = token.split(".")[number]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    return found


@pytest.fixture(scope="module")
def good(lasting: Guarded) -> str:
    """The access token of an admin."""
    lasting.agent("admin of refusals", "admin")
    return str(lasting.login("admin of refusals")["access_token"])


def routes(guarded: Guarded) -> list[tuple[str, str, str]]:
    """`(method, path, scope)` of every route, path parameters filled in."""
    found = [
        (method, filled(route.rule), route.operation.scope)
        for route in declared_routes(guarded.api.app)
        for method in route.methods
    ]
    return [one for one in found if not one[1].startswith(UNTOUCHED)]


def filled(rule: Rule) -> str:
    return "".join(NOBODY if converter else text for converter, text in rule._trace if text != "|")


def refused(guarded: Guarded, method: str, path: str, headers: dict[str, str]) -> Any:
    return guarded.api.send(method, path, headers=headers)


def test_every_route_names_a_scope_that_exists(lasting: Guarded) -> None:
    strange = [
        (route.rule.rule, route.operation.scope)
        for route in declared_routes(lasting.api.app)
        if route.operation.scope not in (PUBLIC, SIGNED_IN, OF_EXTENSION) and not known(route.operation.scope)
    ]
    assert not strange


def test_only_these_are_public(lasting: Guarded) -> None:
    public = {path for _, path, scope in routes(lasting) if scope == PUBLIC}
    assert public == {
        "/",
        "/docs",
        f"/docs/{NOBODY}",
        "/openapi.json",
        f"/problems/{NOBODY}",
        "/health",
        "/health/live",
        "/health/ready",
        "/agents/auth/session",
        "/agents/auth/token",
        "/agents/auth/refresh",
        f"/hooks/{NOBODY}",
        "/schemas/extension.json",
        "/approvals/link",
        "/approvals/link/form",
        "/.well-known/oauth-authorization-server",
        "/.well-known/oauth-protected-resource",
        f"/.well-known/oauth-protected-resource/{NOBODY}",
        "/authorize",
        "/authorize/sign-in",
        "/register",
        "/revoke",
        "/token",
    }


FORGERIES: dict[str, Callable[[str], str]] = {
    # RFC 8725, 2.1: no signature at all
    "alg none": lambda good: (part({**read(good, 0), "alg": "none"}) + b"." + part(read(good, 1)) + b".").decode(),
    # another key under the right kid
    "another key": lambda good: signed(read(good, 0), read(good, 1), OLD_KEY),
    # the right key under a kid that is not ours
    "another kid": lambda good: signed({**read(good, 0), "kid": "x"}, read(good, 1), KEY),
    "no kid": lambda good: signed({"alg": "HS256", "typ": "at+jwt"}, read(good, 1), KEY),
    "expired": lambda good: signed(read(good, 0), {**read(good, 1), "exp": int(time.time()) - 60}, KEY),
    "not yet valid": lambda good: signed(read(good, 0), {**read(good, 1), "nbf": int(time.time()) + 600}, KEY),
    "another issuer": lambda good: signed(read(good, 0), {**read(good, 1), "iss": "x"}, KEY),
    "another audience": lambda good: signed(read(good, 0), {**read(good, 1), "aud": "x"}, KEY),
    "no expiry": lambda good: signed(
        read(good, 0), {name: value for name, value in read(good, 1).items() if name != "exp"}, KEY
    ),
    "a session that is not there": lambda good: signed(read(good, 0), {**read(good, 1), "sid": NOBODY}, KEY),
    "another agent": lambda good: signed(read(good, 0), {**read(good, 1), "sub": NOBODY}, KEY),
    "an older version": lambda good: signed(read(good, 0), {**read(good, 1), "ver": 0}, KEY),
    "a claim of another type": lambda good: signed(read(good, 0), {**read(good, 1), "sid": ["x"]}, KEY),
    "a refresh token by its type": lambda good: signed(read(good, 0), {**read(good, 1), "type": "refresh"}, KEY),
    "a header of another type": lambda good: signed({**read(good, 0), "typ": "JWT"}, read(good, 1), KEY),
    "cut": lambda good: good[:-4],
    "no token at all": lambda good: "x",
    "empty": lambda good: "",
    "the bare id of the agent": lambda good: str(read(good, 1)["sub"]),
    "an unknown API key": lambda good: "oat_" + "a" * 43,
    "very long": lambda good: "a" * 8000,
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_forged_token_is_refused_with_the_printed_body(lasting: Guarded, good: str, forgery: str) -> None:
    assert lasting.api.get("/tasks", headers=bearer(good))["total"] == 0
    answer = lasting.api.send("GET", "/tasks", headers=bearer(FORGERIES[forgery](good)), expect=401)
    body = answer.get_json()
    assert (body["error"], body["message"]) == ("unauthorized", "Authentication required")
    assert body["details"] == {"required_scopes": ["tasks:read"]}
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="ordinaut", error="invalid_token"'


def test_a_token_that_was_good_runs_out_all_the_same(lasting: Guarded, good: str) -> None:
    last_moments = {**read(good, 1), "exp": int(time.time()) - LEEWAY_SECONDS + 2}
    headers = bearer(signed(read(good, 0), last_moments, KEY))
    lasting.api.get("/tasks", headers=headers)
    wait_for(lambda: lasting.api.send("GET", "/tasks", headers=headers).status_code == 401, what="the token to run out")


@pytest.mark.parametrize("header", ["Basic YTpi", "Token x", "Bearer", "bearer  "])
def test_other_schemes_are_no_tokens(lasting: Guarded, header: str) -> None:
    lasting.api.send("GET", "/tasks", headers={"Authorization": header}, expect=401)


def test_every_route_refuses_nobody_forged_and_too_narrow_callers(lasting: Guarded, good: str) -> None:
    narrow = lasting.new("narrow", "ext:nothing:routes")
    forged = bearer(FORGERIES["another key"](good))
    for method, path, scope in routes(lasting):
        if path in (f"/hooks/{NOBODY}", "/revoke"):
            continue  # open to all who sign what they send, or show which program they are
        if scope == PUBLIC:
            with lasting.api.send(method, path) as answer:
                assert answer.status_code not in (401, 403), (method, path)
            continue
        required = [] if scope == SIGNED_IN else [scope]
        for headers in ({}, forged):
            answer = refused(lasting, method, path, headers)
            assert answer.status_code == 401, (method, path)
            assert answer.get_json()["details"] == {"required_scopes": required}
        if scope != SIGNED_IN:
            answer = refused(lasting, method, path, narrow)
            assert answer.status_code == 403, (method, path)
            granted = ["ext:nothing:routes"]
            assert answer.get_json()["details"] == {"required_scopes": required, "granted_scopes": granted}


def test_romanian_bodies_are_the_founding_document_s(lasting: Guarded) -> None:
    nobody = lasting.api.send("GET", "/tasks", headers={"Accept-Language": "ro"}, expect=401).get_json()
    assert (nobody["error"], nobody["message"]) == ("unauthorized", "Autentificare necesară")
    headers = {**lasting.new("ro", "tasks:read"), "Accept-Language": "ro"}
    narrow = lasting.api.send("GET", "/runs", headers=headers, expect=403).get_json()
    assert (narrow["error"], narrow["message"]) == ("forbidden", "Permisiuni insuficiente")


def test_a_public_route_does_not_mind_a_bad_token(lasting: Guarded) -> None:
    lasting.api.send("GET", "/health/live", headers=bearer("x"), expect=200)


def test_answers_are_believed_for_less_than_five_seconds() -> None:
    assert REMEMBER_SECONDS < 5


def test_hs256_with_the_public_key_of_es256_is_refused() -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from jwt import InvalidTokenError

    pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    ring = KeyRing.of("ES256", [pem.decode()])
    assert ring.verifying({"alg": "ES256", "kid": ring.newest.kid}) == ring.newest.verifying
    for header in ({"alg": "HS256", "kid": ring.newest.kid}, {"alg": "none", "kid": ring.newest.kid}, {}):
        with pytest.raises(InvalidTokenError):
            ring.verifying(header)

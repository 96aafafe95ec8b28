"""Tokens on the wire (RFC 7519, RFC 8725): made and read by Flask-JWT-Extended, judged by `app.services.auth`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, cast

import jwt
from flask import Flask, current_app
from flask_jwt_extended import JWTManager, create_access_token, create_refresh_token, decode_token
from flask_jwt_extended.exceptions import JWTExtendedException

from app.domain.errors import Unauthorized
from app.http.key_ring import KeyRing
from app.http.services import services
from app.services.agent_secrets import KEY_PREFIX
from app.services.auth import Granted, TokenClaims
from ordinaut import Caller

ISSUER = "ordinaut"
ACCESS, REFRESH = "access", "refresh"
LONGEST = 4096
"""Characters of a token that are read."""
PAGE_SECONDS = 43_200
"""How long somebody stays signed in to a page."""
LEEWAY_SECONDS = 5
"""Clocks of machines differ by moments."""
_REMEMBERED = 1024
_TYPES = {ACCESS: "at+jwt", REFRESH: "rt+jwt"}
_KEY = "ordinaut.tokens"


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a login answers."""

    access: str
    refresh: str
    expires_in: int
    scopes: list[str]


@dataclass(frozen=True, slots=True)
class _Desk:
    access_seconds: int
    verified: Callable[[str, tuple[str, ...]], TokenClaims]


def configure_tokens(app: Flask, ring: KeyRing, *, access_seconds: int) -> None:
    """Sign with the newest key of the ring, and take no other algorithm than its own."""
    app.config.update(
        JWT_ALGORITHM=ring.algorithm,
        JWT_DECODE_ALGORITHMS=[ring.algorithm],
        JWT_TOKEN_LOCATION=["headers"],
        JWT_COOKIE_CSRF_PROTECT=False,
        JWT_ENCODE_ISSUER=ISSUER,
        JWT_DECODE_ISSUER=ISSUER,
        JWT_ENCODE_AUDIENCE=ISSUER,
        # Whom a token is for depends on the address that is asked: `read` looks.
        JWT_DECODE_AUDIENCE=None,
        JWT_DECODE_LEEWAY=LEEWAY_SECONDS,
        JWT_ACCESS_TOKEN_EXPIRES=timedelta(seconds=access_seconds),
    )
    manager = JWTManager(app)
    manager.encode_key_loader(lambda _identity: ring.newest.signing)
    manager.additional_headers_loader(lambda _identity: {"kid": ring.newest.kid})
    manager.decode_key_loader(lambda header, _payload: ring.verifying(header))
    # A signature that was good stays good; what ends a token before its time is asked anew by `app.services.auth`.
    app.extensions[_KEY] = _Desk(access_seconds, lru_cache(_REMEMBERED)(_verified))


def issue(granted: Granted) -> Tokens:
    """A pair of tokens for a session."""
    agent, session = granted.agent, granted.session
    claims = {"sid": session.id, "ver": agent.token_version}
    scopes = granted.scopes
    access = create_access_token(
        agent.id, additional_claims={**claims, "scope": " ".join(scopes)}, additional_headers={"typ": _TYPES[ACCESS]}
    )
    refresh = create_refresh_token(
        agent.id,
        expires_delta=session.expires_at - datetime.now(UTC),
        additional_claims={**claims, "jti": session.refresh_jti},
        additional_headers={"typ": _TYPES[REFRESH]},
    )
    return Tokens(access, refresh, _desk().access_seconds, scopes)


def issue_for_page(granted: Granted, audience: str = ISSUER) -> Tokens:
    """One token for a session in a browser: it lasts a working day, and ends with the session it is of."""
    agent, session = granted.agent, granted.session
    claims = {"sid": session.id, "ver": agent.token_version, "aud": audience}
    access = create_access_token(
        agent.id,
        expires_delta=timedelta(seconds=PAGE_SECONDS),
        additional_claims={**claims, "scope": " ".join(granted.scopes)},
        additional_headers={"typ": _TYPES[ACCESS]},
    )
    return Tokens(access, "", PAGE_SECONDS, granted.scopes)


def issue_for_program(granted: Granted, scopes: Sequence[str] | None = None) -> Tokens:
    """A pair of tokens for a session of a program: for its one address (RFC 8707), and with these scopes alone."""
    agent, session = granted.agent, granted.session
    claims = {"sid": session.id, "ver": agent.token_version, "aud": session.audience, "client_id": session.client_id}
    held = [scope for scope in granted.scopes if scopes is None or scope in scopes]
    access = create_access_token(
        agent.id, additional_claims={**claims, "scope": " ".join(held)}, additional_headers={"typ": _TYPES[ACCESS]}
    )
    refresh = create_refresh_token(
        agent.id,
        expires_delta=session.expires_at - datetime.now(UTC),
        additional_claims={**claims, "jti": session.refresh_jti},
        additional_headers={"typ": _TYPES[REFRESH]},
    )
    return Tokens(access, refresh, _desk().access_seconds, held)


def access_lifetime() -> int:
    """Seconds that an access token is good for."""
    return _desk().access_seconds


def read(token: str, *kinds: str, of_program: bool | None = False) -> TokenClaims:
    """What a token of one of these kinds says.

    Args:
        of_program: Whether it has to be one that a program was given (OAuth), or an agent's own; None for either.

    Raises:
        Unauthorized: It is forged, has run out, or is not of these kinds; nobody learns which.
    """
    if not token or len(token) > LONGEST:
        raise Unauthorized
    claims = _desk().verified(token, kinds)
    if claims.expires_at + timedelta(seconds=LEEWAY_SECONDS) <= datetime.now(UTC):
        raise Unauthorized
    if of_program is not None and of_program is (claims.audience == ISSUER):
        raise Unauthorized
    return claims


def _verified(token: str, kinds: tuple[str, ...]) -> TokenClaims:
    try:
        typ = jwt.get_unverified_header(token).get("typ")
        return _claims(decode_token(token), typ, kinds)
    except (jwt.PyJWTError, JWTExtendedException, KeyError, TypeError, ValueError, OverflowError) as error:
        raise Unauthorized from error


def _desk() -> _Desk:
    return cast(_Desk, current_app.extensions[_KEY])


def _claims(claims: dict[str, Any], typ: object, kinds: tuple[str, ...]) -> TokenClaims:
    kind = claims["type"]
    if kind not in kinds or typ != _TYPES[kind]:
        raise ValueError(kind)
    read = TokenClaims(
        agent_id=claims["sub"],
        session_id=claims["sid"],
        jti=claims["jti"],
        version=claims["ver"],
        expires_at=datetime.fromtimestamp(claims["exp"], UTC),
        audience=claims["aud"],
        scopes=None if claims["aud"] == ISSUER or kind == REFRESH else tuple(claims["scope"].split()),
    )
    texts = (read.agent_id, read.session_id, read.jti, read.audience)
    if not all(isinstance(text, str) for text in texts) or "iat" not in claims:
        raise ValueError(kind)
    return read


class ServiceBearers:
    """See `app.http.identity.Bearers`; the services are those of the current application."""

    def caller(self, bearer: str, addresses: Sequence[str] = ()) -> Caller:
        """Of an API key or an access token."""
        if bearer.startswith(KEY_PREFIX) and len(bearer) <= LONGEST:
            return services().auth.key_caller(bearer)
        claims = read(bearer, ACCESS, of_program=None)
        if claims.audience != ISSUER and claims.audience not in addresses:
            raise Unauthorized
        return services().auth.token_caller(claims)

    def agent(self, agent_id: str) -> Caller:
        """The agent with the scopes it holds today."""
        return services().auth.agent_caller(agent_id)

    def ticket_caller(self, ticket: str) -> Caller:
        """Of a ticket, which is used up."""
        return services().auth.ticket_caller(ticket)

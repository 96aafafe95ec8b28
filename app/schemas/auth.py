"""Logins, tokens and tickets on the wire."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from app.domain.access import Session
from app.schemas.fields import Body, Name
from app.schemas.shown import Shown, UtcTime
from app.services.agent_secrets import SECRET_LIMIT

Scope = Annotated[str, Field(min_length=1, max_length=140, pattern=r"^[\x21-\x7e]+$", examples=["tasks:read"])]
Scopes = Annotated[list[Scope], Field(max_length=200)]


class LoginIn(Body):
    """An agent and its secret."""

    agent_id: Annotated[Name, Field(description="Its id, or its name")]
    agent_secret: Annotated[str, Field(min_length=1, max_length=SECRET_LIMIT)]
    scopes: Annotated[Scopes | None, Field(description="Only these of the agent's scopes")] = None


class SessionIn(Body):
    """An agent and its secret, or an API key alone."""

    agent_id: Annotated[Name, Field(description="Its id, or its name")] | None = None
    secret: Annotated[str, Field(min_length=1, max_length=SECRET_LIMIT)]


class SessionOut(Shown):
    """What a page keeps in the cookie `ordinaut_session`."""

    token: str
    expires_in: int = Field(description="Seconds")
    scopes: list[str]


class HeldSessionOut(Shown):
    """A session that still counts."""

    id: str
    client_id: str | None = Field(description="Of the program that holds it (OAuth); null for the agent itself")
    program: str | None = Field(description="What that program calls itself")
    scopes: list[str] | None = Field(description="All that it may hold; null for whatever the agent holds")
    created_at: UtcTime
    expires_at: UtcTime


class HeldSessionsOut(Shown):
    """An agent's sessions, newest first."""

    items: list[HeldSessionOut]


def held_session_out(session: Session, program: str | None) -> HeldSessionOut:
    """A session as it is shown."""
    return HeldSessionOut(
        id=session.id,
        client_id=session.client_id,
        program=program,
        scopes=None if session.scopes is None else list(session.scopes),
        created_at=session.created_at,
        expires_at=session.expires_at,
    )


class RefreshIn(Body):
    """A refresh token."""

    refresh_token: Annotated[str, Field(min_length=1, max_length=4096)]


class RevokeIn(Body):
    """Which token is to count no more."""

    token: Annotated[
        str | None,
        Field(min_length=1, max_length=4096, description="A token of the same agent; the request's own when left out"),
    ] = None


class TokensOut(Shown):
    """A pair of tokens (RFC 6749, section 5.1)."""

    access_token: str
    refresh_token: str
    token_type: Literal["Bearer"]
    expires_in: int = Field(description="Seconds until the access token runs out")
    scopes: list[str]


class RevokedOut(Shown):
    """What was done."""

    success: bool
    message: str


class TicketOut(Shown):
    """A ticket for one stream: `?ticket=…`."""

    ticket: str
    expires_in: int

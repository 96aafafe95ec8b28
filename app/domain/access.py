"""Agents, their sessions and keys, what they own, and the record of what they changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol

from app.domain.errors import Forbidden, NotFound
from app.domain.paging import Page
from app.domain.scopes import READ_ALL
from app.domain.texts import t
from ordinaut.callers import ADMIN, Caller

LOCAL = Caller("local", frozenset({ADMIN}))
"""Everybody, while `ORDINAUT_AUTH=off`."""
COMMAND_LINE = Caller("cli", frozenset({ADMIN}))
"""Whoever works on the command line of the machine itself."""
NOBODY = Caller("anonymous", frozenset())
"""A caller on a public route who has not said who they are."""


def extension_caller(extension_id: str) -> Caller:
    """An extension that acts for itself: it may call tools that take no scope of their own, and nothing else."""
    return Caller(f"ext:{extension_id}", frozenset({"tools:invoke"}))


AgentStatus = Literal["active", "disabled"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """A person, program or assistant that may call.

    Attributes:
        name: Unique; it may be used in place of the id to log in.
        secret_hash: argon2id, PHC format.
        token_version: Rises with new credentials; tokens of an older version are refused.
    """

    id: str
    name: str
    description: str
    scopes: tuple[str, ...]
    status: AgentStatus
    secret_hash: str = field(repr=False)
    token_version: int
    created_at: datetime
    updated_at: datetime

    def caller(self, narrowed: Sequence[str] | None = None) -> Caller:
        """The agent as a caller; `narrowed` names the only scopes it is to have of its own."""
        held = frozenset(self.scopes) if self.status == "active" else frozenset()
        return limited(Caller(self.id, held), narrowed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A family of tokens: one login and all that was refreshed from it.

    Attributes:
        refresh_jti: The one refresh token that still counts; any other of the family means theft.
        scopes: What the login asked for; None for all that the agent has.
        client_id: The program that somebody let act for the agent (OAuth); None for the agent itself.
        audience: The one address that such a program's tokens are good for.
    """

    id: str
    agent_id: str
    refresh_jti: str
    scopes: tuple[str, ...] | None
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None = None
    client_id: str | None = None
    audience: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A long-lived key `oat_…` of an agent, kept as a SHA-256 of its 256 random bits."""

    id: str
    agent_id: str
    name: str
    key_hash: str = field(repr=False)
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """Opens one stream, once, within seconds; kept as a SHA-256."""

    ticket_hash: str = field(repr=False)
    agent_id: str
    scopes: tuple[str, ...]
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """Who did what to which thing; `before` and `after` hold what differs."""

    at: datetime
    actor: str
    action: str
    kind: str
    target: str
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None
    request_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRow:
    """An entry as it stands in the chain; `hash` covers the row and the hash before it."""

    number: int
    entry: AuditEntry
    key_id: str
    previous: str
    hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFilter:
    """What `GET /audit` may be narrowed by; None leaves a member out."""

    actor: str | None = None
    action: str | None = None
    kind: str | None = None
    target: str | None = None


def narrowed_to(caller: Caller, scopes: Sequence[str] | frozenset[str]) -> frozenset[str]:
    """Those of `scopes` that the caller holds: naming scopes only ever takes some away."""
    return frozenset(scope for scope in scopes if caller.may(scope))


def limited(caller: Caller, scopes: Sequence[str] | frozenset[str] | None) -> Caller:
    """The caller with these of its scopes only; None limits nothing."""
    if scopes is None:
        return caller
    left = narrowed_to(caller, scopes)
    return Caller(caller.agent_id, left, narrowed=caller.narrowed or left != caller.scopes)


def limit_of(caller: Caller) -> list[str] | None:
    """What the pipelines that a caller writes may hold at most; None for all that their agent holds when they run.

    Without it a narrow key would buy a wide one: its pipelines act in the name of the agent.
    """
    return sorted(caller.scopes) if caller.narrowed and ADMIN not in caller.scopes else None


def sees_all(caller: Caller) -> bool:
    """Whether the tasks and runs of others are shown."""
    return caller.may(READ_ALL)


def owner_filter(caller: Caller) -> str | None:
    """Whose tasks and runs a list may show; None for everybody's."""
    return None if sees_all(caller) else caller.agent_id


def check_seen(caller: Caller, owner: str, missing: str, **ids: str) -> None:
    """Let the owner and whoever sees everything pass.

    Args:
        missing: What to say to others, e.g. "Task not found".

    Raises:
        NotFound: as if it were not there.
    """
    if caller.agent_id != owner and not sees_all(caller):
        raise NotFound(missing, **ids)


def check_changed(caller: Caller, owner: str, missing: str, **ids: str) -> None:
    """Let the owner and an admin pass.

    Raises:
        NotFound: The caller may not even see it.
        Forbidden: It is another agent's.
    """
    if caller.agent_id == owner or caller.may(ADMIN):
        return
    check_seen(caller, owner, missing, **ids)
    raise Forbidden(t("This belongs to another agent"), required_scopes=[ADMIN], granted_scopes=sorted(caller.scopes))


class AgentStore(Protocol):
    """Agents with their sessions, keys and tickets, inside a unit of work."""

    def add(self, agent: Agent) -> None:
        """Store a new agent; Conflict when the name is taken."""

    def get(self, agent_id: str, *, lock: bool = False) -> Agent:
        """The agent, or NotFound."""

    def find(self, name_or_id: str) -> Agent | None: ...

    def save(self, agent: Agent) -> None:
        """Store a changed agent; Conflict when the name is taken."""

    def delete(self, agent_id: str) -> None:
        """Remove it with its sessions and keys, or NotFound."""

    def page(self, *, limit: int, offset: int) -> Page[Agent]:
        """By name."""

    def add_session(self, session: Session) -> None: ...

    def session(self, session_id: str, *, lock: bool = False) -> Session | None: ...

    def save_session(self, session: Session) -> None: ...

    def sessions(self, agent_id: str, now: datetime) -> Sequence[tuple[Session, str | None]]:
        """Those that still count, newest first, with the name of the program that holds each."""

    def revoke_sessions(self, agent_id: str, now: datetime) -> int:
        """End all sessions of an agent; how many."""

    def revoke_token(self, jti: str, expires_at: datetime) -> None:
        """Refuse one token from now on."""

    def is_revoked(self, jti: str) -> bool: ...

    def add_key(self, key: ApiKey) -> None: ...

    def key(self, key_id: str) -> ApiKey:
        """The key, or NotFound."""

    def key_by_hash(self, key_hash: str) -> ApiKey | None: ...

    def save_key(self, key: ApiKey) -> None: ...

    def keys(self, agent_id: str) -> Sequence[ApiKey]:
        """Newest first."""

    def add_ticket(self, ticket: Ticket) -> None: ...

    def take_ticket(self, ticket_hash: str) -> Ticket | None:
        """Remove the ticket and return it; the second who asks gets None."""

    def forget(self, before: datetime) -> None:
        """Delete sessions, revocations and tickets that ran out before then."""


class AuditStore(Protocol):
    """The chain of changes, inside the unit of work that makes them."""

    def add(self, entry: AuditEntry) -> None:
        """Append; it stands when the change stands."""

    def page(self, where: AuditFilter, *, limit: int, offset: int) -> Page[AuditRow]:
        """Newest first."""

    def rows(self, after: int, limit: int) -> Sequence[AuditRow]:
        """In order, for verification."""

    def head(self) -> tuple[int, str]:
        """Number and hash of the last row; `(0, "")` for an empty chain."""


class SecretStore(Protocol):
    """Secrets as they are encrypted, inside a unit of work."""

    def put(self, name: str, sealed: str, now: datetime, by: str) -> bool:
        """Store or replace; whether it was new."""

    def delete(self, name: str) -> None:
        """Remove, or NotFound."""

    def page(self, *, limit: int, offset: int) -> Page[SecretName]:
        """By name."""

    def sealed(self, names: Sequence[str]) -> Mapping[str, str]:
        """The encrypted values of those that exist."""

    def reseal(self, name: str, sealed: str) -> None:
        """Store the same value under another key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretName:
    """All that is ever shown of a secret."""

    name: str
    created_at: datetime
    updated_at: datetime
    updated_by: str

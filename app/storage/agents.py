"""Agents with their sessions, keys and tickets in SQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import bindparam, delete, func, insert, or_, select, update
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from app.domain.access import Agent, ApiKey, Session, Ticket
from app.domain.errors import Conflict, NotFound
from app.domain.paging import Page
from app.domain.texts import t
from app.storage.inserts import insert_into
from app.storage.oauth import forget_unused
from app.storage.tables_access import (
    agents,
    api_keys,
    oauth_clients,
    oauth_codes,
    revoked_tokens,
    sessions,
    stream_tickets,
)

T = TypeVar("T", Agent, ApiKey, Session, Ticket)

_agent = select(agents).where(agents.c.id == bindparam("key"))
_session = select(sessions).where(sessions.c.id == bindparam("key"))
_key_by_hash = select(api_keys).where(api_keys.c.key_hash == bindparam("key"))
_revoked = select(revoked_tokens.c.jti).where(revoked_tokens.c.jti == bindparam("key"))


class SqlAgentStore:
    """See `app.domain.access.AgentStore`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, agent: Agent) -> None:
        """Store a new agent."""
        if self._taken(agent):
            raise _name_taken(agent)
        try:
            self._connection.execute(insert(agents), _values(agent))
        except IntegrityError:
            raise _name_taken(agent) from None

    def get(self, agent_id: str, *, lock: bool = False) -> Agent:
        """The agent, or NotFound."""
        row = self._row(_agent.with_for_update() if lock else _agent, agent_id)
        if row is None:
            raise NotFound(t("Agent not found"), agent_id=agent_id)
        return _made(Agent, row)

    def find(self, name_or_id: str) -> Agent | None:
        """By id, else by name."""
        query = select(agents).where(or_(agents.c.id == name_or_id, agents.c.name == name_or_id))
        rows = self._connection.execute(query).mappings().all()
        found = sorted((_made(Agent, row) for row in rows), key=lambda agent: agent.id != name_or_id)
        return found[0] if found else None

    def save(self, agent: Agent) -> None:
        """Store a changed agent."""
        if self._taken(agent):
            raise _name_taken(agent)
        try:
            self._connection.execute(update(agents).where(agents.c.id == agent.id).values(_values(agent)))
        except IntegrityError:
            raise _name_taken(agent) from None

    def delete(self, agent_id: str) -> None:
        """Remove it; its sessions and keys go with it."""
        if self._connection.execute(delete(agents).where(agents.c.id == agent_id)).rowcount != 1:
            raise NotFound(t("Agent not found"), agent_id=agent_id)

    def page(self, *, limit: int, offset: int) -> Page[Agent]:
        """By name."""
        total = self._connection.execute(select(func.count()).select_from(agents)).scalar_one()
        query = select(agents).order_by(agents.c.name).limit(limit).offset(offset)
        rows = self._connection.execute(query).mappings()
        return Page(tuple(_made(Agent, row) for row in rows), total, limit, offset)

    def add_session(self, session: Session) -> None:
        """Begin a family of tokens."""
        self._connection.execute(insert(sessions), _values(session))

    def session(self, session_id: str, *, lock: bool = False) -> Session | None:
        """The family of that id."""
        row = self._row(_session.with_for_update() if lock else _session, session_id)
        return None if row is None else _made(Session, row)

    def save_session(self, session: Session) -> None:
        """Store a changed family."""
        self._connection.execute(update(sessions).where(sessions.c.id == session.id).values(_values(session)))

    def sessions(self, agent_id: str, now: datetime) -> Sequence[tuple[Session, str | None]]:
        """Those that still count, newest first, with the name of the program that holds each."""
        mine = (sessions.c.agent_id == agent_id) & sessions.c.revoked_at.is_(None) & (sessions.c.expires_at > now)
        programs = sessions.outerjoin(oauth_clients, oauth_clients.c.id == sessions.c.client_id)
        query = select(sessions, oauth_clients.c.name.label("program")).select_from(programs).where(mine)
        rows = [dict(row) for row in self._connection.execute(query.order_by(sessions.c.id.desc())).mappings()]
        return [(_made(Session, row), program) for row in rows for program in (row.pop("program"),)]

    def revoke_sessions(self, agent_id: str, now: datetime) -> int:
        """End all sessions of an agent."""
        mine = (sessions.c.agent_id == agent_id) & sessions.c.revoked_at.is_(None)
        return self._connection.execute(update(sessions).where(mine).values(revoked_at=now)).rowcount

    def revoke_token(self, jti: str, expires_at: datetime) -> None:
        """Refuse one token; once is enough."""
        values = {"jti": jti, "expires_at": expires_at}
        statement = insert_into(revoked_tokens, self._connection.dialect.name)
        self._connection.execute(statement.on_conflict_do_nothing(index_elements=["jti"]), values)

    def is_revoked(self, jti: str) -> bool:
        """Whether a token was refused by itself."""
        return self._row(_revoked, jti) is not None

    def add_key(self, key: ApiKey) -> None:
        """Store a new key."""
        self._connection.execute(insert(api_keys), _values(key))

    def key(self, key_id: str) -> ApiKey:
        """The key, or NotFound."""
        row = self._row(select(api_keys).where(api_keys.c.id == bindparam("key")), key_id)
        if row is None:
            raise NotFound(t("API key not found"), key_id=key_id)
        return _made(ApiKey, row)

    def key_by_hash(self, key_hash: str) -> ApiKey | None:
        """The key with that hash."""
        row = self._row(_key_by_hash, key_hash)
        return None if row is None else _made(ApiKey, row)

    def save_key(self, key: ApiKey) -> None:
        """Store a changed key."""
        self._connection.execute(update(api_keys).where(api_keys.c.id == key.id).values(_values(key)))

    def keys(self, agent_id: str) -> Sequence[ApiKey]:
        """Newest first."""
        query = select(api_keys).where(api_keys.c.agent_id == agent_id).order_by(api_keys.c.id.desc())
        return [_made(ApiKey, row) for row in self._connection.execute(query).mappings()]

    def add_ticket(self, ticket: Ticket) -> None:
        """Store a new ticket."""
        self._connection.execute(insert(stream_tickets), _values(ticket))

    def take_ticket(self, ticket_hash: str) -> Ticket | None:
        """Remove and return it; of two who ask at once one gets it."""
        mine = delete(stream_tickets).where(stream_tickets.c.ticket_hash == ticket_hash)
        row = self._connection.execute(mine.returning(*stream_tickets.c)).mappings().first()
        return None if row is None else _made(Ticket, row)

    def forget(self, before: datetime) -> None:
        """Delete what ran out before then, codes and unused programs of OAuth with it."""
        for table in (sessions, revoked_tokens, stream_tickets, oauth_codes):
            self._connection.execute(delete(table).where(table.c.expires_at < before))
        forget_unused(self._connection, before)

    def _row(self, query: Any, key: str) -> Mapping[Any, Any] | None:
        row = self._connection.execute(query, {"key": key}).mappings().first()
        return None if row is None else dict(row)

    def _taken(self, agent: Agent) -> bool:
        """Asked before, since PostgreSQL would not go on with a transaction in which something failed."""
        other = select(agents.c.id).where(agents.c.name == agent.name, agents.c.id != agent.id)
        return self._connection.execute(other).first() is not None


def _values(value: Agent | Session | ApiKey | Ticket) -> dict[str, Any]:
    return {f.name: getattr(value, f.name) for f in fields(value)}


def _made(kind: type[T], row: Mapping[Any, Any]) -> T:
    known: dict[str, Any] = dict(row)
    if known["scopes"] is not None:
        known["scopes"] = tuple(known["scopes"])
    return kind(**known)


def _name_taken(agent: Agent) -> Conflict:
    return Conflict(t("There is already an agent with this name"), name=agent.name)

"""Access in memory, and services called in somebody's name."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from app.domain.access import (
    LOCAL,
    Agent,
    ApiKey,
    AuditEntry,
    AuditFilter,
    AuditRow,
    SecretName,
    Session,
    Ticket,
)
from app.domain.audit_chain import Seal
from app.domain.errors import Conflict, NotFound
from app.domain.paging import Page
from ordinaut import Caller
from tests.fakes.turns import MemoryTurnStore, TurnRows

ANA = Caller("ana", frozenset({"admin"}))
SEAL = Seal((b"key",))
"""What seals the audit log of tests."""


class Calling:
    """A service whose methods are called by `caller` unless they are told otherwise."""

    def __init__(self, service: Any, caller: Caller = LOCAL) -> None:
        self._service = service
        self._caller = caller

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._service, name)
        if not callable(method) or "caller" not in inspect.signature(method).parameters:
            return method
        return lambda *given, **named: method(*given, **{"caller": self._caller, **named})


@dataclass
class AccessRows:
    """What the tables of access hold."""

    agents: dict[str, Agent] = field(default_factory=dict)
    sessions: dict[str, Session] = field(default_factory=dict)
    revoked: dict[str, datetime] = field(default_factory=dict)
    keys: dict[str, ApiKey] = field(default_factory=dict)
    tickets: dict[str, Ticket] = field(default_factory=dict)
    audit: list[AuditRow] = field(default_factory=list)
    secrets: dict[str, tuple[SecretName, str]] = field(default_factory=dict)
    turns: TurnRows = field(default_factory=TurnRows)

    def copied(self) -> AccessRows:
        """The same rows in containers of their own."""
        return AccessRows(
            agents=dict(self.agents),
            sessions=dict(self.sessions),
            revoked=dict(self.revoked),
            keys=dict(self.keys),
            tickets=dict(self.tickets),
            audit=list(self.audit),
            secrets=dict(self.secrets),
            turns=self.turns.copied(),
        )


class MemoryAgentStore:
    """See `app.domain.access.AgentStore`."""

    def __init__(self, rows: AccessRows) -> None:
        self._rows = rows

    def add(self, agent: Agent) -> None:
        self._refuse_taken(agent)
        self._rows.agents[agent.id] = agent

    def get(self, agent_id: str, *, lock: bool = False) -> Agent:
        if agent_id not in self._rows.agents:
            raise NotFound("Agent not found", agent_id=agent_id)
        return self._rows.agents[agent_id]

    def find(self, name_or_id: str) -> Agent | None:
        by_name = (agent for agent in self._rows.agents.values() if agent.name == name_or_id)
        return self._rows.agents.get(name_or_id) or next(by_name, None)

    def save(self, agent: Agent) -> None:
        self._refuse_taken(agent)
        self._rows.agents[agent.id] = agent

    def delete(self, agent_id: str) -> None:
        self.get(agent_id)
        rows = self._rows
        del rows.agents[agent_id]
        rows.sessions = {key: one for key, one in rows.sessions.items() if one.agent_id != agent_id}
        rows.keys = {key: one for key, one in rows.keys.items() if one.agent_id != agent_id}

    def page(self, *, limit: int, offset: int) -> Page[Agent]:
        found = sorted(self._rows.agents.values(), key=lambda agent: agent.name)
        return Page(tuple(found[offset : offset + limit]), len(found), limit, offset)

    def add_session(self, session: Session) -> None:
        self._rows.sessions[session.id] = session

    def session(self, session_id: str, *, lock: bool = False) -> Session | None:
        return self._rows.sessions.get(session_id)

    def save_session(self, session: Session) -> None:
        self._rows.sessions[session.id] = session

    def sessions(self, agent_id: str, now: datetime) -> Sequence[tuple[Session, str | None]]:
        """See AgentStore; no program has a name here."""
        mine = (one for one in self._rows.sessions.values() if one.agent_id == agent_id and one.revoked_at is None)
        return [(one, None) for one in sorted(mine, key=lambda one: one.id, reverse=True) if one.expires_at > now]

    def revoke_sessions(self, agent_id: str, now: datetime) -> int:
        live = [s for s in self._rows.sessions.values() if s.agent_id == agent_id and s.revoked_at is None]
        self._rows.sessions.update({one.id: replace(one, revoked_at=now) for one in live})
        return len(live)

    def revoke_token(self, jti: str, expires_at: datetime) -> None:
        self._rows.revoked.setdefault(jti, expires_at)

    def is_revoked(self, jti: str) -> bool:
        return jti in self._rows.revoked

    def add_key(self, key: ApiKey) -> None:
        self._rows.keys[key.id] = key

    def key(self, key_id: str) -> ApiKey:
        if key_id not in self._rows.keys:
            raise NotFound("API key not found", key_id=key_id)
        return self._rows.keys[key_id]

    def key_by_hash(self, key_hash: str) -> ApiKey | None:
        return next((key for key in self._rows.keys.values() if key.key_hash == key_hash), None)

    def save_key(self, key: ApiKey) -> None:
        self._rows.keys[key.id] = key

    def keys(self, agent_id: str) -> Sequence[ApiKey]:
        mine = (key for key in self._rows.keys.values() if key.agent_id == agent_id)
        return sorted(mine, key=lambda key: key.id, reverse=True)

    def add_ticket(self, ticket: Ticket) -> None:
        self._rows.tickets[ticket.ticket_hash] = ticket

    def take_ticket(self, ticket_hash: str) -> Ticket | None:
        return self._rows.tickets.pop(ticket_hash, None)

    def forget(self, before: datetime) -> None:
        rows = self._rows
        rows.sessions = {key: one for key, one in rows.sessions.items() if one.expires_at >= before}
        rows.revoked = {jti: until for jti, until in rows.revoked.items() if until >= before}
        rows.tickets = {key: one for key, one in rows.tickets.items() if one.expires_at >= before}

    def _refuse_taken(self, agent: Agent) -> None:
        if any(one.name == agent.name and one.id != agent.id for one in self._rows.agents.values()):
            raise Conflict("There is already an agent with this name", name=agent.name)


class MemoryAuditStore:
    """See `app.domain.access.AuditStore`."""

    def __init__(self, rows: AccessRows) -> None:
        self._rows = rows

    def add(self, entry: AuditEntry) -> None:
        number, previous = self.head()
        self._rows.audit.append(SEAL.row(number + 1, entry, previous))

    def page(self, where: AuditFilter, *, limit: int, offset: int) -> Page[AuditRow]:
        names = ("actor", "action", "kind", "target")
        wanted = {name: value for name in names if (value := getattr(where, name)) is not None}
        found = [
            row
            for row in reversed(self._rows.audit)
            if all(getattr(row.entry, name) == value for name, value in wanted.items())
        ]
        return Page(tuple(found[offset : offset + limit]), len(found), limit, offset)

    def rows(self, after: int, limit: int) -> Sequence[AuditRow]:
        return [row for row in self._rows.audit if row.number > after][:limit]

    def head(self) -> tuple[int, str]:
        last = self._rows.audit[-1] if self._rows.audit else None
        return (0, "") if last is None else (last.number, last.hash)


class MemorySecretStore:
    """See `app.domain.access.SecretStore`."""

    def __init__(self, rows: AccessRows) -> None:
        self._rows = rows

    def put(self, name: str, sealed: str, now: datetime, by: str) -> bool:
        known = self._rows.secrets.get(name)
        created = now if known is None else known[0].created_at
        told = SecretName(name=name, created_at=created, updated_at=now, updated_by=by)
        self._rows.secrets[name] = (told, sealed)
        return known is None

    def delete(self, name: str) -> None:
        if self._rows.secrets.pop(name, None) is None:
            raise NotFound("Secret not found", name=name)

    def page(self, *, limit: int, offset: int) -> Page[SecretName]:
        found = [told for told, _ in sorted(self._rows.secrets.values(), key=lambda row: row[0].name)]
        return Page(tuple(found[offset : offset + limit]), len(found), limit, offset)

    def sealed(self, names: Sequence[str]) -> Mapping[str, str]:
        return {name: self._rows.secrets[name][1] for name in names if name in self._rows.secrets}

    def reseal(self, name: str, sealed: str) -> None:
        self._rows.secrets[name] = (self._rows.secrets[name][0], sealed)


class AccessUnit:
    """The part of a unit of work that is about agents, and whose turn it is."""

    def __init__(self, rows: AccessRows) -> None:
        self.agents = MemoryAgentStore(rows)
        self.audit = MemoryAuditStore(rows)
        self.secrets = MemorySecretStore(rows)
        self.tool_turns = MemoryTurnStore(rows.turns)

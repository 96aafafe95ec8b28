"""Agents and their API keys: who may call, and what each holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from app.domain.access import COMMAND_LINE, LOCAL, NOBODY, Agent, ApiKey
from app.domain.clock import Clock, rfc3339
from app.domain.errors import Conflict, Forbidden, InvalidInput, NotFound
from app.domain.ids import new_id
from app.domain.paging import Page
from app.domain.ports import UnitOfWork, UnitsOfWork
from app.domain.scopes import checked
from app.domain.texts import t
from app.services.agent_secrets import AgentSecrets, digest, make_key
from app.services.audit_trail import SYSTEM, Difference, entry
from ordinaut import Caller

RESERVED = frozenset(one.agent_id for one in (LOCAL, NOBODY, COMMAND_LINE, SYSTEM))
KEYS_LIMIT = 100
"""API keys that one agent may have, those that count no more included."""


class AgentService:
    """The use cases of agents. Nobody hands out, or takes over, scopes that they do not hold."""

    def __init__(
        self, *, units: UnitsOfWork, clock: Clock, agent_secrets: AgentSecrets, changed: Callable[[], None]
    ) -> None:
        self._units = units
        self._clock = clock
        self._secrets = agent_secrets
        self._changed = changed

    def create(self, name: str, *, scopes: Sequence[str], description: str, caller: Caller) -> tuple[Agent, str]:
        """A new agent and its secret, which is never shown again.

        Raises:
            InvalidInput: The name is reserved, or a scope does not exist.
            Forbidden: The caller does not hold a scope that it gives away.
            Conflict: The name is taken.
        """
        _check_name(name)
        held = checked(scopes)
        _check_held(caller, held)
        secret, hashed = self._secrets.make()
        now = self._clock.now()
        agent = Agent(
            id=new_id(),
            name=name,
            description=description,
            scopes=tuple(sorted(held)),
            status="active",
            secret_hash=hashed,
            token_version=1,
            created_at=now,
            updated_at=now,
        )
        with self._units() as unit:
            unit.agents.add(agent)
            unit.audit.add(entry(now, caller, "agent.created", agent.id, Difference(after=_facts(agent))))
        return agent, secret

    def get(self, agent_id: str) -> Agent:
        """The agent, or NotFound."""
        with self._units(read_only=True) as unit:
            return unit.agents.get(agent_id)

    def named(self, name_or_id: str) -> Agent:
        """The agent with that id, else with that name; NotFound."""
        with self._units(read_only=True) as unit:
            found = unit.agents.find(name_or_id)
        if found is None:
            raise NotFound(t("Agent not found"), agent_id=name_or_id)
        return found

    def page(self, *, limit: int, offset: int) -> Page[Agent]:
        """By name."""
        with self._units(read_only=True) as unit:
            return unit.agents.page(limit=limit, offset=offset)

    def change(self, agent_id: str, fields: Mapping[str, Any], *, caller: Caller) -> Agent:
        """Give `name`, `description`, `scopes` or `status` another value.

        Raises:
            NotFound, InvalidInput, Conflict.
            Forbidden: The agent holds, or is to hold, a scope that the caller lacks.
        """
        values = dict(fields)
        if "name" in values:
            _check_name(values["name"])
        if "scopes" in values:
            values["scopes"] = tuple(sorted(checked(values["scopes"])))
        now = self._clock.now()
        with self._units() as unit:
            before = unit.agents.get(agent_id, lock=True)
            _check_held(caller, (*before.scopes, *values.get("scopes", ())))
            after = replace(before, **values)
            if after == before:
                return before
            after = replace(after, updated_at=now)
            unit.agents.save(after)
            old, new = _difference(before, after)
            unit.audit.add(entry(now, caller, "agent.updated", agent_id, Difference(old, new)))
        self._changed()
        return after

    def delete(self, agent_id: str, *, caller: Caller) -> None:
        """Remove it with its keys and sessions; its tasks stay, and an admin can change them.

        Raises:
            NotFound, Forbidden; Conflict for the caller itself.
        """
        if caller.agent_id == agent_id:
            raise Conflict(t("An agent cannot delete itself"), agent_id=agent_id)
        now = self._clock.now()
        with self._units() as unit:
            agent = self._reachable(unit, agent_id, caller)
            unit.agents.delete(agent_id)
            unit.audit.add(entry(now, caller, "agent.deleted", agent_id, Difference(_facts(agent))))
        self._changed()

    def renew_secret(self, agent_id: str, *, caller: Caller) -> tuple[Agent, str]:
        """A new secret in place of the old one; every token made before ends with it. API keys stay.

        Raises:
            NotFound; Forbidden where the agent holds more than the caller.
        """
        secret, hashed = self._secrets.make()
        now = self._clock.now()
        with self._units() as unit:
            agent = self._reachable(unit, agent_id, caller)
            agent = replace(agent, secret_hash=hashed, token_version=agent.token_version + 1, updated_at=now)
            unit.agents.save(agent)
            unit.agents.revoke_sessions(agent_id, now)
            unit.audit.add(entry(now, caller, "agent.credentials_renewed", agent_id))
        self._changed()
        return agent, secret

    def keys(self, agent_id: str) -> Sequence[ApiKey]:
        """The agent's API keys, newest first; NotFound."""
        with self._units(read_only=True) as unit:
            unit.agents.get(agent_id)
            return unit.agents.keys(agent_id)

    def create_key(
        self, agent_id: str, name: str, *, scopes: Sequence[str] | None, expires_at: datetime | None, caller: Caller
    ) -> tuple[ApiKey, str]:
        """A new API key, shown this once; without scopes it gets those that the agent has today.

        Raises:
            NotFound, InvalidInput; Forbidden for scopes that agent or caller lack; Conflict for too many keys.
        """
        now = self._clock.now()
        if expires_at is not None and expires_at <= now:
            raise InvalidInput.at("/expires_at", t("'expires_at' must lie in the future"))
        raw = make_key()
        with self._units() as unit:
            agent = self._reachable(unit, agent_id, caller)
            held = checked(agent.scopes if scopes is None else scopes)
            _check_held(agent.caller(), held)
            if len(unit.agents.keys(agent_id)) >= KEYS_LIMIT:
                raise Conflict(t("This agent has too many API keys"), limit=KEYS_LIMIT)
            key = ApiKey(
                id=new_id(),
                agent_id=agent_id,
                name=name,
                key_hash=digest(raw),
                scopes=tuple(sorted(held)),
                created_at=now,
                expires_at=expires_at,
            )
            unit.agents.add_key(key)
            until = None if expires_at is None else rfc3339(expires_at)
            made = {"key_id": key.id, "name": name, "scopes": list(key.scopes), "expires_at": until}
            unit.audit.add(entry(now, caller, "agent.key_created", agent_id, Difference(after=made)))
        return key, raw

    def revoke_key(self, agent_id: str, key_id: str, *, caller: Caller) -> None:
        """Refuse a key from now on; NotFound, Forbidden."""
        now = self._clock.now()
        with self._units() as unit:
            self._reachable(unit, agent_id, caller)
            key = unit.agents.key(key_id)
            if key.agent_id != agent_id:
                raise NotFound(t("API key not found"), key_id=key_id)
            if key.revoked_at is None:
                unit.agents.save_key(replace(key, revoked_at=now))
                unit.audit.add(entry(now, caller, "agent.key_revoked", agent_id, Difference({"key_id": key_id})))
        self._changed()

    def _reachable(self, unit: UnitOfWork, agent_id: str, caller: Caller) -> Agent:
        """The agent, for somebody who holds all that it does: whoever sets its secret becomes it.

        That is asked of the agent itself too: a narrow key of its own must not buy a wide one.
        """
        agent = unit.agents.get(agent_id, lock=True)
        _check_held(caller, agent.scopes)
        return agent


def _check_name(name: str) -> None:
    if name in RESERVED:
        raise InvalidInput.at("/name", t("This name is reserved"))


def _check_held(caller: Caller, scopes: Sequence[str] | frozenset[str]) -> None:
    lacking = sorted(scope for scope in scopes if not caller.may(scope))
    if lacking:
        raise Forbidden(
            t("Nobody can give away, or take over, scopes that they do not hold"),
            required_scopes=lacking,
            granted_scopes=sorted(caller.scopes),
        )


def _facts(agent: Agent) -> dict[str, Any]:
    return {
        "name": agent.name,
        "description": agent.description,
        "scopes": list(agent.scopes),
        "status": agent.status,
    }


def _difference(before: Agent, after: Agent) -> tuple[dict[str, Any], dict[str, Any]]:
    old, new = _facts(before), _facts(after)
    names = [name for name in old if old[name] != new[name]]
    return {name: old[name] for name in names}, {name: new[name] for name in names}

"""Who a token, a key or a ticket stands for: logins, refreshes, revocations, all of it in SQL."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from app.domain.access import Agent, Session, Ticket, limited
from app.domain.clock import Clock
from app.domain.errors import Forbidden, NotFound, Unauthorized
from app.domain.ids import new_id
from app.domain.ports import UnitOfWork, UnitsOfWork
from app.domain.texts import t
from app.services.agent_secrets import AgentSecrets, digest
from app.services.audit_trail import entry
from app.telemetry import emit
from ordinaut import Caller

REMEMBER_SECONDS = 4.0
"""How long an answer of the database is believed: what is revoked in one process ends in all within 5 s."""
REMEMBERED = 10_000
TICKET_SECONDS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenClaims:
    """What a token says, once its signature has been checked.

    Attributes:
        audience: Whom it is for: the API, or the one address that a program was let use (RFC 8707).
        scopes: The only ones it holds of its session's; None for all of them.
    """

    agent_id: str
    session_id: str
    jti: str
    version: int
    expires_at: datetime
    audience: str
    scopes: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Granted:
    """A session that tokens may be made for."""

    agent: Agent
    session: Session

    @property
    def scopes(self) -> list[str]:
        """What its tokens hold, in order."""
        return sorted(self.agent.caller(self.session.scopes).scopes)


class Memory:
    """Callers by what they showed, for seconds."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[float, Caller | None]] = {}
        self._lock = threading.Lock()

    def ask(self, key: str, look: Callable[[], Caller | None]) -> Caller | None:
        """The caller; `look` is called when nobody has asked lately."""
        known = self._known.get(key)
        now = time.monotonic()
        if known is not None and now < known[0]:
            return known[1]
        found = look()
        with self._lock:
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            self._known[key] = (now + REMEMBER_SECONDS, found)
        return found

    def clear(self) -> None:
        """Forget everybody; the next question of each asks the database."""
        with self._lock:
            self._known.clear()


class AuthService:
    """The use cases of tokens."""

    def __init__(self, *, units: UnitsOfWork, clock: Clock, agent_secrets: AgentSecrets, refresh_seconds: int) -> None:
        self._units = units
        self._clock = clock
        self._secrets = agent_secrets
        self._refresh = timedelta(seconds=refresh_seconds)
        self._memory = Memory()

    def login(
        self,
        agent: str,
        secret: str,
        *,
        scopes: Sequence[str] | None,
        audience: str | None = None,
        seconds: int | None = None,
    ) -> Granted:
        """Begin a session for an agent, by id or name.

        Args:
            audience: The one address that its tokens are to be good for; None for the API.
            seconds: How long it lasts; None for as long as it may be refreshed.

        Raises:
            Unauthorized: Unknown agent, wrong secret, disabled: nobody learns which.
            Forbidden: It does not hold a scope that it asks for.
        """
        with self._units(read_only=True) as unit:
            found = unit.agents.find(agent)
        if not self._secrets.matches(found.secret_hash if found else None, secret) or found is None:
            emit("auth.refused", reason="wrong secret" if found else "unknown agent")
            raise Unauthorized(t("The agent or its secret is wrong"))
        if found.status != "active":
            emit("auth.refused", reason="disabled agent", agent_id=found.id)
            raise Unauthorized(t("The agent or its secret is wrong"))
        lacking = [scope for scope in scopes or () if not found.caller().may(scope)]
        if lacking:
            raise Forbidden(required_scopes=lacking, granted_scopes=sorted(found.scopes))
        now = self._clock.now()
        session = self.session(found, scopes, now)
        if audience is not None:
            session = replace(session, client_id=found.id, audience=audience)
        if seconds is not None:
            session = replace(session, expires_at=now + timedelta(seconds=seconds))
        with self._units() as unit:
            unit.agents.add_session(session)
            unit.audit.add(entry(now, Caller(found.id, frozenset()), "session.started", session.id))
        return Granted(found, session)

    def session(self, agent: Agent, scopes: Sequence[str] | None, now: datetime) -> Session:
        """A family of tokens that is not stored yet."""
        return Session(
            id=new_id(),
            agent_id=agent.id,
            refresh_jti=new_id(),
            scopes=None if scopes is None else tuple(scopes),
            created_at=now,
            expires_at=now + self._refresh,
        )

    def refresh(self, claims: TokenClaims) -> Granted:
        """Another pair of tokens for the session; the refresh token shown is used up.

        Raises:
            Unauthorized: It has run out, was revoked or was used before: then the whole session ends.
        """
        now = self._clock.now()
        with self._units() as unit:
            agent, session = _live(unit, claims, now, lock=True)
            if session is None or agent is None:
                raise Unauthorized
            stolen = session.refresh_jti != claims.jti
            changed = replace(session, revoked_at=now) if stolen else replace(session, refresh_jti=new_id())
            unit.agents.save_session(changed)
            if stolen:
                unit.audit.add(entry(now, Caller(agent.id, frozenset()), "session.revoked_by_reuse", session.id))
        if stolen:
            self._memory.clear()
            emit("auth.refresh_reused", agent_id=agent.id, session_id=session.id)
            raise Unauthorized
        return Granted(agent, changed)

    def revoke(self, claims: TokenClaims) -> None:
        """Refuse a token from now on, and end its session."""
        now = self._clock.now()
        with self._units() as unit:
            unit.agents.revoke_token(claims.jti, claims.expires_at)
            session = unit.agents.session(claims.session_id, lock=True)
            if session is not None and session.revoked_at is None:
                unit.agents.save_session(replace(session, revoked_at=now))
            unit.audit.add(entry(now, Caller(claims.agent_id, frozenset()), "session.revoked", claims.session_id))
        self._memory.clear()

    def sessions(self, agent_id: str, *, caller: Caller) -> Sequence[tuple[Session, str | None]]:
        """The agent's sessions that still count, newest first, with the name of the program that holds each.

        Raises:
            NotFound; Forbidden for another agent's without `agents:read`.
        """
        _check_mine(agent_id, caller, "agents:read")
        with self._units(read_only=True) as unit:
            unit.agents.get(agent_id)
            return unit.agents.sessions(agent_id, self._clock.now())

    def end(self, agent_id: str, session_id: str, *, caller: Caller) -> None:
        """End a session: nothing that was made for it counts any more.

        Raises:
            NotFound; Forbidden for another agent's without `agents:update`.
        """
        _check_mine(agent_id, caller, "agents:update")
        now = self._clock.now()
        with self._units() as unit:
            session = unit.agents.session(session_id, lock=True)
            if session is None or session.agent_id != agent_id:
                raise NotFound(t("Session not found"), session_id=session_id)
            if session.revoked_at is None:
                unit.agents.save_session(replace(session, revoked_at=now))
                unit.audit.add(entry(now, caller, "session.revoked", session_id))
        self._memory.clear()

    def token_caller(self, claims: TokenClaims) -> Caller:
        """Whom an access token stands for, with the scopes they hold today; Unauthorized when it counts no more."""
        shown = f"token:{claims.jti} {claims.session_id} {claims.agent_id} {claims.version}"
        found = self._memory.ask(shown, lambda: self._of_token(claims))
        if found is None:
            raise Unauthorized
        return found

    def key_caller(self, key: str) -> Caller:
        """Whom an API key stands for; Unauthorized when it counts no more."""
        hashed = digest(key)
        found = self._memory.ask(f"key:{hashed}", lambda: self._of_key(hashed))
        if found is None:
            raise Unauthorized
        return found

    def agent_caller(self, agent_id: str) -> Caller:
        """An agent by its id, for what is done in its name: with no scopes when it is gone or disabled."""
        found = self._memory.ask(f"agent:{agent_id}", lambda: self._of_agent(agent_id))
        return found or Caller(agent_id, frozenset())

    def ticket(self, caller: Caller) -> str:
        """A ticket that opens one stream in the caller's name, once, within 30 s."""
        ticket = secrets.token_urlsafe(32)
        now = self._clock.now()
        kept = Ticket(
            ticket_hash=digest(ticket),
            agent_id=caller.agent_id,
            scopes=tuple(sorted(caller.scopes)),
            expires_at=now + timedelta(seconds=TICKET_SECONDS),
        )
        with self._units() as unit:
            unit.agents.add_ticket(kept)
        return ticket

    def ticket_caller(self, ticket: str) -> Caller:
        """Whom a ticket stands for; it is used up. Unauthorized the second time, and after 30 s."""
        with self._units() as unit:
            found = unit.agents.take_ticket(digest(ticket))
        if found is None or found.expires_at <= self._clock.now():
            raise Unauthorized
        agent = self.agent_caller(found.agent_id)
        return limited(agent, found.scopes)

    def forget(self) -> None:
        """Believe nothing from before: somebody's rights have changed in this process."""
        self._memory.clear()

    def _of_token(self, claims: TokenClaims) -> Caller | None:
        with self._units(read_only=True) as unit:
            if unit.agents.is_revoked(claims.jti):
                return None
            agent, session = _live(unit, claims, self._clock.now())
        if agent is None or session is None:
            return None
        one = limited(agent.caller(session.scopes), claims.scopes)
        # What a program writes may never do more than it was let do, whatever its agent comes to hold.
        return replace(one, narrowed=True) if session.client_id not in (None, agent.id) else one

    def _of_key(self, hashed: str) -> Caller | None:
        with self._units(read_only=True) as unit:
            key = unit.agents.key_by_hash(hashed)
            if key is None or key.revoked_at is not None:
                return None
            agent = unit.agents.get(key.agent_id)
        if agent.status != "active" or (key.expires_at is not None and key.expires_at <= self._clock.now()):
            return None
        return agent.caller(key.scopes)

    def _of_agent(self, agent_id: str) -> Caller | None:
        with self._units(read_only=True) as unit:
            try:
                return unit.agents.get(agent_id).caller()
            except NotFound:
                return None


def _check_mine(agent_id: str, caller: Caller, scope: str) -> None:
    if caller.agent_id != agent_id and not caller.may(scope):
        raise Forbidden(required_scopes=[scope], granted_scopes=sorted(caller.scopes))


def _live(
    unit: UnitOfWork, claims: TokenClaims, now: datetime, *, lock: bool = False
) -> tuple[Agent | None, Session | None]:
    """The agent and the session of a token, where both still count."""
    session = unit.agents.session(claims.session_id, lock=lock)
    if session is None or session.revoked_at is not None or session.expires_at <= now:
        return None, None
    try:
        agent = unit.agents.get(claims.agent_id)
    except NotFound:
        return None, None
    good = agent.status == "active" and agent.token_version == claims.version and session.agent_id == agent.id
    return (agent, session) if good else (None, None)

"""Webhooks in, and the secrets of webhooks in both directions, in SQL: this room has no key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, insert, or_, select, update
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from app.domain.errors import Conflict
from app.domain.hooks import Hook, SigningSecret
from app.domain.paging import Page
from app.domain.signatures import Scheme
from app.domain.texts import t
from app.storage.tables_access import secrets
from app.storage.tables_webhooks import hook_deliveries, hooks, signing_secrets

_own = signing_secrets.c
_scheme = tuple(field.name for field in fields(Scheme))


class SqlHookStore:
    """See `app.domain.hooks.HookStore`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, hook: Hook) -> None:
        """Store a new one; Conflict when the slug is taken."""
        # Asked before, since PostgreSQL would not go on with a transaction in which something failed.
        if self.find(hook.slug) is not None:
            raise _taken(hook)
        try:
            self._connection.execute(insert(hooks), _values(hook))
        except IntegrityError:
            raise _taken(hook) from None

    def find(self, slug: str, *, lock: bool = False) -> Hook | None:
        """By its slug."""
        query = select(hooks).where(hooks.c.slug == slug)
        row = self._connection.execute(query.with_for_update() if lock else query).mappings().first()
        return None if row is None else _made(row)

    def save(self, hook: Hook) -> None:
        """Store a changed one."""
        self._connection.execute(update(hooks).where(hooks.c.id == hook.id).values(_values(hook)))

    def delete(self, hook_id: str) -> None:
        """Remove it; what it remembers goes with it."""
        self._connection.execute(delete(hooks).where(hooks.c.id == hook_id))

    def page(self, owner: str | None, *, limit: int, offset: int) -> Page[Hook]:
        """By slug: everybody's, or one agent's."""
        mine = [] if owner is None else [hooks.c.created_by == owner]
        total = self._connection.execute(select(func.count()).select_from(hooks).where(*mine)).scalar_one()
        query = select(hooks).where(*mine).order_by(hooks.c.slug).limit(limit).offset(offset)
        rows = self._connection.execute(query).mappings()
        return Page(tuple(_made(row) for row in rows), total, limit, offset)

    def earlier(self, hook_id: str, delivery_id: str) -> str | None:
        """Id of the event that this delivery has become."""
        columns = hook_deliveries.c
        query = select(columns.event_id).where(columns.hook_id == hook_id, columns.delivery_id == delivery_id)
        found: str | None = self._connection.execute(query).scalar()
        return found

    def remember(self, hook_id: str, delivery_id: str, event_id: str, now: datetime) -> None:
        """The delivery has become this event."""
        values = {"hook_id": hook_id, "delivery_id": delivery_id, "event_id": event_id, "received_at": now}
        self._connection.execute(insert(hook_deliveries), values)

    def forget(self, before: datetime, limit: int) -> int:
        """Delete what was remembered before then, `limit` deliveries at most; how many."""
        columns = hook_deliveries.c
        query = select(columns.received_at).where(columns.received_at < before).order_by(columns.received_at)
        moments = self._connection.execute(query.limit(limit)).scalars().all()
        if not moments:
            return 0
        return self._connection.execute(delete(hook_deliveries).where(columns.received_at <= moments[-1])).rowcount


class SqlSigningSecretStore:
    """See `app.domain.hooks.SigningSecretStore`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, secret: SigningSecret) -> None:
        """Store a new one."""
        self._connection.execute(insert(signing_secrets), asdict(secret))

    def of(self, owner_id: str, now: datetime) -> Sequence[SigningSecret]:
        """Those that count, newest first; named ones with what is stored under their name, in the one query."""
        sealed = func.coalesce(_own.sealed, secrets.c.sealed).label("sealed")
        query = (
            select(_own.id, _own.owner_id, _own.name, sealed, _own.created_at, _own.expires_at)
            .select_from(signing_secrets.outerjoin(secrets, secrets.c.name == _own.name))
            .where(_own.owner_id == owner_id, or_(_own.expires_at.is_(None), _own.expires_at > now))
            .order_by(_own.id.desc())
        )
        return [SigningSecret(**row) for row in self._connection.execute(query).mappings()]

    def retire(self, owner_id: str, at: datetime) -> None:
        """Let the newest count until then, and older ones no more."""
        mine = _own.owner_id == owner_id
        self._connection.execute(delete(signing_secrets).where(mine, _own.expires_at.is_not(None)))
        self._connection.execute(update(signing_secrets).where(mine).values(expires_at=at))

    def drop(self, owner_id: str) -> None:
        """Delete all of one owner."""
        self._connection.execute(delete(signing_secrets).where(_own.owner_id == owner_id))

    def own(self) -> Sequence[SigningSecret]:
        """All that have a value of their own."""
        query = select(signing_secrets).where(_own.sealed.is_not(None)).order_by(_own.id)
        return [SigningSecret(**row) for row in self._connection.execute(query).mappings()]

    def reseal(self, secret_id: str, sealed: str) -> None:
        """Store the same value under another key."""
        self._connection.execute(update(signing_secrets).where(_own.id == secret_id).values(sealed=sealed))


def _values(hook: Hook) -> dict[str, Any]:
    values = asdict(hook)
    scheme = values.pop("scheme")
    return {**values, **scheme}


def _made(row: Mapping[Any, Any]) -> Hook:
    known = dict(row)
    scheme = Scheme(**{name: known.pop(name) for name in _scheme})
    return Hook(**{**known, "enabled": bool(known["enabled"])}, scheme=scheme)


def _taken(hook: Hook) -> Conflict:
    return Conflict(t("There is already a hook with this slug"), slug=hook.slug)

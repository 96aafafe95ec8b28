"""Secrets in SQL, as they are encrypted: this room has no key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.engine import Connection

from app.domain.access import SecretName
from app.domain.errors import NotFound
from app.domain.paging import Page
from app.domain.texts import t
from app.storage.tables_access import secrets

_NAMES = (secrets.c.name, secrets.c.created_at, secrets.c.updated_at, secrets.c.updated_by)


class SqlSecretStore:
    """See `app.domain.access.SecretStore`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def put(self, name: str, sealed: str, now: datetime, by: str) -> bool:
        """Store or replace; whether it was new."""
        values = {"sealed": sealed, "updated_at": now, "updated_by": by}
        changed = self._connection.execute(update(secrets).where(secrets.c.name == name).values(values))
        if changed.rowcount:
            return False
        self._connection.execute(insert(secrets), {"name": name, "created_at": now, **values})
        return True

    def delete(self, name: str) -> None:
        """Remove, or NotFound."""
        if self._connection.execute(delete(secrets).where(secrets.c.name == name)).rowcount != 1:
            raise NotFound(t("Secret not found"), name=name)

    def page(self, *, limit: int, offset: int) -> Page[SecretName]:
        """By name."""
        total = self._connection.execute(select(func.count()).select_from(secrets)).scalar_one()
        rows = self._connection.execute(select(*_NAMES).order_by(secrets.c.name).limit(limit).offset(offset))
        return Page(tuple(SecretName(**row) for row in rows.mappings()), total, limit, offset)

    def sealed(self, names: Sequence[str]) -> Mapping[str, str]:
        """The encrypted values of those that exist."""
        query = select(secrets.c.name, secrets.c.sealed).where(secrets.c.name.in_(names))
        return {row.name: row.sealed for row in self._connection.execute(query)}

    def reseal(self, name: str, sealed: str) -> None:
        """Store the same value under another key."""
        self._connection.execute(update(secrets).where(secrets.c.name == name).values(sealed=sealed))

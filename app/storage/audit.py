"""The audit log in SQL: rows are only ever added, each sealed with the one before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Any

from sqlalchemy import ColumnElement, func, insert, select
from sqlalchemy.engine import Connection

from app.domain.access import AuditEntry, AuditFilter, AuditRow
from app.domain.audit_chain import Seal
from app.domain.paging import Page
from app.storage.engines import driver_errors
from app.storage.tables_access import audit

# Two statements, each with a view of its own, in one message: what counts is how long the lock is held.
_LOCK_AND_LAST = "SELECT pg_advisory_xact_lock(7022027); SELECT number, hash FROM audit ORDER BY number DESC LIMIT 1"
_last = select(audit.c.number, audit.c.hash).order_by(audit.c.number.desc()).limit(1)
_ENTRY = ("at", "actor", "action", "kind", "target", "before", "after", "request_id")


class SqlAuditStore:
    """See `app.domain.access.AuditStore`."""

    def __init__(self, connection: Connection, seal: Seal) -> None:
        self._connection = connection
        self._seal = seal
        self._waiting: list[AuditEntry] = []

    def add(self, entry: AuditEntry) -> None:
        """Append it when the unit of work commits."""
        self._waiting.append(entry)

    def write(self) -> None:
        """Append what was added. The last thing in a transaction: from here on writers take turns."""
        if not self._waiting:
            return
        number, previous = self._locked_head() if self._connection.dialect.name == "postgresql" else self.head()
        rows = []
        for entry in self._waiting:
            row = self._seal.row(number := number + 1, entry, previous)
            previous = row.hash
            rows.append(_values(row))
        self._connection.execute(insert(audit), rows)
        self._waiting.clear()

    def page(self, where: AuditFilter, *, limit: int, offset: int) -> Page[AuditRow]:
        """Newest first."""
        conditions = _conditions(where)
        total = self._connection.execute(select(func.count()).select_from(audit).where(*conditions)).scalar_one()
        query = select(audit).where(*conditions).order_by(audit.c.number.desc()).limit(limit).offset(offset)
        rows = self._connection.execute(query).mappings()
        return Page(tuple(_row(row) for row in rows), total, limit, offset)

    def rows(self, after: int, limit: int) -> Sequence[AuditRow]:
        """In order, for verification."""
        query = select(audit).where(audit.c.number > after).order_by(audit.c.number).limit(limit)
        return [_row(row) for row in self._connection.execute(query).mappings()]

    def head(self) -> tuple[int, str]:
        """Number and hash of the last row."""
        last = self._connection.execute(_last).first()
        return (0, "") if last is None else (last.number, last.hash)

    def _locked_head(self) -> tuple[int, str]:
        """The head, which nobody else moves until this transaction ends."""
        driver: Any = self._connection.connection
        with driver_errors(self._connection.engine), closing(driver.cursor()) as cursor:
            cursor.execute(_LOCK_AND_LAST, prepare=False)
            cursor.nextset()
            last = cursor.fetchone()
        return (0, "") if last is None else (last[0], last[1])


def _values(row: AuditRow) -> dict[str, Any]:
    entry = {name: getattr(row.entry, name) for name in _ENTRY}
    return {
        "number": row.number,
        **entry,
        "key_id": row.key_id,
        "previous": row.previous,
        "hash": row.hash,
    }


def _row(row: Mapping[Any, Any]) -> AuditRow:
    return AuditRow(
        number=row["number"],
        entry=AuditEntry(**{name: row[name] for name in _ENTRY}),
        key_id=row["key_id"],
        previous=row["previous"],
        hash=row["hash"],
    )


def _conditions(where: AuditFilter) -> list[ColumnElement[bool]]:
    wanted = {name: getattr(where, name) for name in ("actor", "action", "kind", "target")}
    return [audit.c[name] == value for name, value in wanted.items() if value is not None]

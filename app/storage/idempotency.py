"""Keys of requests in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from zlib import crc32

import orjson

from app.domain.clock import from_micros, to_micros
from app.domain.idempotency import KeptAnswer, KeyedRequest, KeyRow
from app.domain.json_text import to_json
from app.storage.statements import Statements

_COLUMNS: Final = "agent, key, target, digest, holder, status, headers, body, created_at, locked_at"
_MINE: Final = "agent = ? AND key = ? AND holder = ? AND status IS NULL"
_CLASS: Final = 7_022_030
"""First half of the numbers of PostgreSQL's advisory locks; any that nothing else in the database uses."""


class SqlKeyStore:
    """See `app.domain.idempotency.KeyStore`."""

    def __init__(self, statements: Statements) -> None:
        self._sql = statements

    def lock(self, request: KeyedRequest) -> bool:
        """Hold the key until the transaction ends; on SQLite everything is held."""
        if not self._sql.postgresql:
            return True
        number = crc32(f"{request.agent}\n{request.key}".encode()) - (1 << 31)
        ((held,),) = self._sql.run("SELECT pg_try_advisory_xact_lock(?, ?)", (_CLASS, number))
        return bool(held)

    def get(self, request: KeyedRequest) -> KeyRow | None:
        """What is known of the key."""
        rows = self._sql.run(
            f"SELECT {_COLUMNS} FROM idempotency_keys WHERE agent = ? AND key = ?", (request.agent, request.key)
        )
        return _row(rows[0]) if rows else None

    def put(self, row: KeyRow) -> None:
        """Store it in place of whatever is known of its key."""
        request, answer = row.request, row.answer
        self._sql.run("DELETE FROM idempotency_keys WHERE agent = ? AND key = ?", (request.agent, request.key))
        self._sql.run(
            f"INSERT INTO idempotency_keys ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(request.agent, request.key, request.target, request.digest, row.holder),
                *_told(answer),
                to_micros(row.created_at),
                None if row.locked_at is None else to_micros(row.locked_at),
            ),
        )

    def answered(self, row: KeyRow) -> bool:
        """Store the answer of the try that holds the key."""
        changed = self._sql.run(
            "UPDATE idempotency_keys SET status = ?, headers = ?, body = ?, locked_at = NULL"
            f" WHERE {_MINE} RETURNING key",
            (*_told(row.answer), row.request.agent, row.request.key, row.holder),
        )
        return bool(changed)

    def release(self, row: KeyRow) -> None:
        """Forget the key, if this try still holds it."""
        self._sql.run(f"DELETE FROM idempotency_keys WHERE {_MINE}", (row.request.agent, row.request.key, row.holder))

    def purge(self, before: datetime, limit: int) -> int:
        """Forget so many keys from before that moment."""
        old = self._sql.run(
            "SELECT agent, key FROM idempotency_keys WHERE created_at <= ? ORDER BY created_at LIMIT ?",
            (to_micros(before), limit),
        )
        # A key that has been used anew meanwhile is not old any more.
        self._sql.many(
            "DELETE FROM idempotency_keys WHERE agent = ? AND key = ? AND created_at <= ?",
            [(agent, key, to_micros(before)) for agent, key in old],
        )
        return len(old)


def _told(answer: KeptAnswer | None) -> tuple[int | None, str | None, str | None]:
    if answer is None:
        return None, None, None
    return answer.status, to_json(dict(answer.headers)).decode(), answer.body


def _row(row: Sequence[Any]) -> KeyRow:
    agent, key, target, digest, holder, status, headers, body, created_at, locked_at = row
    return KeyRow(
        request=KeyedRequest(agent=agent, key=key, target=target, digest=digest),
        holder=holder,
        created_at=from_micros(created_at),
        locked_at=None if locked_at is None else from_micros(locked_at),
        answer=None if status is None else KeptAnswer(status, orjson.loads(headers), body),
    )

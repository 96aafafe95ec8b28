"""Keys of requests in memory: a twin of `app.storage.idempotency`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from app.domain.idempotency import KeyedRequest, KeyRow


class MemoryKeyStore:
    """See `app.domain.idempotency.KeyStore`."""

    def __init__(self, rows: dict[tuple[str, str], KeyRow]) -> None:
        self._rows = rows

    def lock(self, request: KeyedRequest) -> bool:
        return True

    def get(self, request: KeyedRequest) -> KeyRow | None:
        return self._rows.get((request.agent, request.key))

    def put(self, row: KeyRow) -> None:
        self._rows[row.request.agent, row.request.key] = row

    def answered(self, row: KeyRow) -> bool:
        held = self._holds(row)
        if held:
            self.put(row)
        return held

    def release(self, row: KeyRow) -> None:
        if self._holds(row):
            del self._rows[row.request.agent, row.request.key]

    def purge(self, before: datetime, limit: int) -> int:
        old = [key for key, row in self._rows.items() if row.created_at <= before][:limit]
        for key in old:
            del self._rows[key]
        return len(old)

    def _holds(self, row: KeyRow) -> bool:
        known = self.get(row.request)
        return known is not None and known.holder == row.holder and known.answer is None


class MemoryKeyUnits:
    """Units of work that hold nothing but keys; what is carried out meanwhile is no part of them."""

    def __init__(self) -> None:
        self.keys = MemoryKeyStore({})

    @contextmanager
    def __call__(self, *, read_only: bool = False) -> Iterator[MemoryKeyUnits]:
        yield self

    @contextmanager
    def whole(self) -> Iterator[MemoryKeyUnits]:
        yield self

    def abandon(self) -> None:
        """There is nothing to take back."""

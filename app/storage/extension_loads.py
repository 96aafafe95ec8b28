"""What processes have told of the extensions they loaded, in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import orjson
from sqlalchemy import delete, text
from sqlalchemy.engine import Connection

from app.domain.clock import SECOND
from app.domain.extension_loads import Load
from app.storage.tables_extensions import extension_loads

KEPT_SECONDS = 3600
"""How long the row of a process that was killed lies about."""
_NOW = {
    "postgresql": "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint",
    "sqlite": "now_us()",
}
_tell = {
    name: text(
        f"""INSERT INTO extension_loads (process, expires_at, loads) VALUES (:process, {now} + :life, :loads)
        ON CONFLICT (process) DO UPDATE SET expires_at = excluded.expires_at, loads = excluded.loads"""
    )
    for name, now in _NOW.items()
}
_told = {
    name: text(f"SELECT loads FROM extension_loads WHERE expires_at > {now} ORDER BY process")
    for name, now in _NOW.items()
}
_purge = {name: text(f"DELETE FROM extension_loads WHERE expires_at < {now} - :age") for name, now in _NOW.items()}


class SqlLoadStore:
    """See `app.domain.extension_loads.LoadStore`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def tell(self, process: str, loads: Sequence[Load], *, seconds: float) -> None:
        """Replace what this process has told."""
        packed = orjson.dumps([asdict(load) for load in loads]).decode()
        row = {"process": process, "life": int(seconds * SECOND), "loads": packed}
        self._connection.execute(_tell[self._dialect], row)

    def forget(self, process: str) -> None:
        """Delete what it has told, and what has long run out."""
        self._connection.execute(delete(extension_loads).where(extension_loads.c.process == process))
        self._connection.execute(_purge[self._dialect], {"age": KEPT_SECONDS * SECOND})

    def told(self) -> list[Load]:
        """What is believed."""
        rows = self._connection.execute(_told[self._dialect])
        return [_load(one) for (packed,) in rows for one in orjson.loads(packed)]

    @property
    def _dialect(self) -> str:
        return self._connection.dialect.name


def _load(packed: dict[str, object]) -> Load:
    return Load(**{**packed, "grants": tuple(packed["grants"])})  # type: ignore[arg-type]

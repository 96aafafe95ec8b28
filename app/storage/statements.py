"""Plain SQL that is executed alike inside a unit of work and inside the ledger's own transactions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from sqlalchemy.engine import Connection

from app.domain.clock import to_micros
from app.domain.json_text import to_json
from app.storage.engines import driver_errors

NOW = {True: "(extract(epoch from clock_timestamp()) * 1000000)::bigint", False: "now_us()"}
"""Whether it is PostgreSQL -> the database's clock, in microseconds since 1970."""


class Statements(Protocol):
    """Executes SQL of the database's own dialect; `?` stands for each value."""

    @property
    def postgresql(self) -> bool:
        """Which of the two databases it is."""

    def run(self, sql: str, values: Sequence[Any] = ()) -> Sequence[Sequence[Any]]:
        """Execute one statement; the rows it returns, if any."""

    def many(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        """Execute it once for each row."""


def marks(values: Any) -> str:
    """As many `?` as there are values."""
    return ", ".join("?" * len(values))


class ConnectionStatements:
    """On a connection of SQLAlchemy's."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.postgresql = connection.dialect.name == "postgresql"

    def run(self, sql: str, values: Sequence[Any] = ()) -> Sequence[Sequence[Any]]:
        """Execute one statement.

        On SQLite straight by the driver: what SQLAlchemy does around a statement takes longer than the statement.
        """
        if not self.postgresql:
            with driver_errors(self._connection.engine):
                return CursorStatements(self._connection.connection.cursor(), postgresql=False).run(sql, values)
        result = self._connection.exec_driver_sql(_marked(sql, self.postgresql), tuple(values))
        return result.all() if result.returns_rows else ()

    def many(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        """Execute it once for each row."""
        if rows:
            self._connection.exec_driver_sql(_marked(sql, self.postgresql), [tuple(row) for row in rows])


class CursorStatements:
    """On a cursor of the driver's."""

    def __init__(self, cursor: Any, *, postgresql: bool) -> None:
        self._cursor = cursor
        self.postgresql = postgresql

    def run(self, sql: str, values: Sequence[Any] = ()) -> Sequence[Sequence[Any]]:
        """Execute one statement."""
        self._cursor.execute(_marked(sql, self.postgresql), tuple(values))
        return self._cursor.fetchall() if self._cursor.description else ()

    def many(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        """Execute it once for each row."""
        if rows:
            self._cursor.executemany(_marked(sql, self.postgresql), [tuple(row) for row in rows])


def _marked(sql: str, postgresql: bool) -> str:
    return sql.replace("?", "%s") if postgresql else sql


def bound(row: dict[str, Any]) -> dict[str, Any]:
    """The same with moments as integers and documents as text, as the column types would bind them."""
    bound = dict(row)
    for name, value in row.items():
        if hasattr(value, "tzinfo"):
            bound[name] = to_micros(value)
        elif name in ("params", "event", "part") and value is not None:
            bound[name] = to_json(value).decode()
    return bound

"""Plain SQL that is executed alike inside a unit of work and inside the ledger's own transactions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from sqlalchemy.engine import Connection


class Statements(Protocol):
    """Executes SQL of the database's own dialect; `?` stands for each value."""

    @property
    def postgresql(self) -> bool:
        """Which of the two databases it is."""

    def run(self, sql: str, values: Sequence[Any] = ()) -> Sequence[Sequence[Any]]:
        """Execute one statement; the rows it returns, if any."""

    def many(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        """Execute it once for each row."""


class ConnectionStatements:
    """On a connection of SQLAlchemy's."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.postgresql = connection.dialect.name == "postgresql"

    def run(self, sql: str, values: Sequence[Any] = ()) -> Sequence[Sequence[Any]]:
        """Execute one statement."""
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

"""One database as its users see it: units of work, a ledger, and whether it is well."""

from __future__ import annotations

from sqlalchemy import text

from app.domain.audit_chain import Seal
from app.domain.clock import Clock, SystemClock
from app.domain.errors import Unavailable
from app.domain.mcp import Known
from app.storage.clock import DatabaseClock
from app.storage.engines import make_engine, translated
from app.storage.ledger import SqlRunLedger
from app.storage.ledger_postgresql import PostgresqlRunLedger
from app.storage.ledger_sqlite import SqliteRunLedger
from app.storage.mcp import known_servers
from app.storage.unit_of_work import SqlUnitsOfWork

REVISION = "0027"
"""The migration this code was written against; a test compares it with `migrations/`."""


class Database:
    """An engine with everything that is made on it."""

    def __init__(
        self, url: str, *, pool_size: int, sqlite_synchronous: str, lease_seconds: float, seal: Seal | None = None
    ) -> None:
        self._engine = make_engine(url, pool_size=pool_size, sqlite_synchronous=sqlite_synchronous)
        self.units = SqlUnitsOfWork(self._engine, seal=seal)
        shared = self._engine.dialect.name == "postgresql"
        # SQLite is on this very machine: its clock is ours.
        self.clock: Clock = DatabaseClock(self._engine) if shared else SystemClock()
        # On SQLite both use one pool; there is nothing to be saved by a second.
        self._hot = make_engine(url, pool_size=2, autocommit=True) if shared else self._engine
        kind = PostgresqlRunLedger if shared else SqliteRunLedger
        self.ledger: SqlRunLedger = kind(self._hot, lease_seconds=lease_seconds)

    def check(self) -> str | None:
        """None when it answers and has the schema this code needs, else a sentence."""
        try:
            with translated(), self._engine.connect().execution_options(read_only=True) as connection:
                found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
        except Unavailable as error:
            return error.message
        # Migrations only add while older processes run on: a newer schema serves this code as well.
        if found is None or found < REVISION:
            return f"The schema is at {found}, older than {REVISION}: run `ordinaut db upgrade`"
        return None

    def known_mcp_servers(self) -> list[Known]:
        """What is known of servers of the Model Context Protocol, read beside any unit of work."""
        return known_servers(self._engine)

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()
        self._hot.dispose()

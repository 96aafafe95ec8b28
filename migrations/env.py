"""Runs migrations: `ordinaut db …` hands in the address, tests hand in a connection."""

from __future__ import annotations

from typing import Any

from alembic import context
from sqlalchemy import event, text
from sqlalchemy.engine import Connection

from app.storage import (  # noqa: F401 - they fill `metadata`
    tables_access,
    tables_approvals,
    tables_backfills,
    tables_blobs,
    tables_budgets,
    tables_events,
    tables_extensions,
    tables_grants,
    tables_idempotency,
    tables_incidents,
    tables_limits,
    tables_mcp,
    tables_metrics,
    tables_tools,
    tables_waits,
    tables_webhooks,
)
from app.storage.columns import Document, Instant
from app.storage.engines import make_engine
from app.storage.tables import metadata

# Any number that nothing else in the database uses as a lock.
_LOCK = 7_022_026


def _render(kind: str, item: Any, _context: Any) -> str | bool:
    """Migrations name the plain type beneath ours, so that they never import the application."""
    if kind == "type" and isinstance(item, Instant):
        return "sa.BigInteger()"
    if kind == "type" and isinstance(item, Document):
        return "sa.Text()"
    return False


def _migrate(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        # Two releases may start at once: the second waits here and finds nothing left to do.
        connection.execute(text("SET lock_timeout = 0"))
        connection.execute(text("SET statement_timeout = 0"))
        connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
    context.configure(connection=connection, target_metadata=metadata, render_as_batch=True, render_item=_render)
    with context.begin_transaction():
        context.run_migrations()


def _without_foreign_keys(connection: Any, _entry: Any) -> None:
    connection.execute("PRAGMA foreign_keys=OFF")


def _for_postgresql() -> None:
    """See `app.storage.tables.partial`."""
    for index in [index for table in metadata.tables.values() for index in table.indexes if "where" in index.info]:
        index.dialect_kwargs["postgresql_where"] = index.info["where"]


def _main() -> None:
    _for_postgresql()
    engine = make_engine(context.config.get_main_option("sqlalchemy.url") or "", patient=True)
    if engine.dialect.name == "sqlite":
        # A batch migration drops a table and makes it anew: no row that refers to it may go with it.
        event.listen(engine, "connect", _without_foreign_keys)
    with engine.begin() as connection:
        _migrate(connection)
        if engine.dialect.name == "sqlite" and connection.exec_driver_sql("PRAGMA foreign_key_check").first():
            raise RuntimeError("The migration leaves rows that refer to nothing; nothing was changed")
    engine.dispose()


_main()

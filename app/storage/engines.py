"""Engines for both databases, set up so that a wait has an end and a write never deadlocks."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import ConnectionPoolEntry

from app.domain.errors import Unavailable

BUSY_MS = 15_000


def make_engine(
    url: str, *, pool_size: int = 5, sqlite_synchronous: str = "NORMAL", autocommit: bool = False
) -> Engine:
    """An engine for `sqlite:///…` or `postgresql+psycopg://…`.

    With `autocommit` the caller says BEGIN itself, and finds out by itself that a pooled connection has died: each
    visit of the ledger would else cost three more round trips.
    """
    if url.startswith("sqlite"):
        return _sqlite(url, pool_size, sqlite_synchronous)
    return create_engine(
        url,
        pool_size=pool_size,
        max_overflow=pool_size * 4,
        pool_timeout=5,
        pool_pre_ping=not autocommit,
        isolation_level="AUTOCOMMIT" if autocommit else None,
        connect_args={
            "connect_timeout": 5,
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 2,
            "tcp_user_timeout": 10_000,
            "options": "-c statement_timeout=10000 -c lock_timeout=5000 -c idle_in_transaction_session_timeout=60000",
        },
    )


def _sqlite(url: str, pool_size: int, synchronous: str) -> Engine:
    engine = create_engine(
        url,
        pool_size=pool_size,
        max_overflow=pool_size * 4,
        pool_timeout=5,
        connect_args={"timeout": BUSY_MS / 1000, "check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def _connect(dbapi: Any, _entry: ConnectionPoolEntry) -> None:
        # The driver's own BEGIN is deferred, and a deferred transaction that turns to writing fails at once
        # when another has written since: we send BEGIN IMMEDIATE ourselves.
        dbapi.isolation_level = None
        dbapi.create_function("now_us", 0, lambda: time.time_ns() // 1000)
        cursor = dbapi.cursor()
        for pragma in (
            "journal_mode=WAL",
            f"synchronous={synchronous}",
            f"busy_timeout={BUSY_MS}",
            "foreign_keys=ON",
            "cache_size=-16000",
            "temp_store=MEMORY",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        read_only = connection.get_execution_options().get("read_only")
        connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")

    return engine


@contextmanager
def translated() -> Iterator[None]:
    """Turn a database that is away, full or locked into Unavailable; mistakes of ours stay as they are."""
    try:
        yield
    except (OperationalError, InterfaceError, PoolTimeout, ProgrammingError) as error:
        if _lacks_schema(error):
            raise Unavailable("The database has no schema yet: run `ordinaut db upgrade`") from error
        if isinstance(error, ProgrammingError) or _mistaken(error):
            raise
        raise Unavailable("The database does not answer; nothing was stored. Try again shortly") from error
    except DBAPIError as error:
        if not (error.connection_invalidated or _failing_over(error)):
            raise
        raise Unavailable("The database connection was lost; nothing was stored. Try again shortly") from error


def _mistaken(error: Exception) -> bool:
    """Whether SQLite means the statement, not the database, by its OperationalError."""
    return getattr(getattr(error, "orig", None), "sqlite_errorcode", None) == sqlite3.SQLITE_ERROR


def _lacks_schema(error: Exception) -> bool:
    """Whether a table is not there."""
    origin = getattr(error, "orig", None)
    undefined = getattr(origin, "sqlstate", None) == "42P01"
    return undefined or (_mistaken(error) and str(origin).startswith("no such table"))


def _failing_over(error: DBAPIError) -> bool:
    """Whether the server is going away, full, or has become a standby (PostgreSQL, appendix A: error codes)."""
    state = getattr(error.orig, "sqlstate", None) or ""
    return state == "25006" or state.startswith(("08", "53", "57P"))

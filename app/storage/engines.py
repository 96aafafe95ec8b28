"""Engines for both databases, set up so that a wait has an end and a write never deadlocks."""

from __future__ import annotations

import select
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError, InterfaceError, InvalidatePoolError, OperationalError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

from app.domain.errors import Unavailable
from app.domain.texts import t
from app.storage.bounded import bound
from app.storage.turns import Door, Turns, guard

BUSY_MS = 15_000
SQLITE_READERS = 2
"""Threads of one process that read at the same time."""


def make_engine(
    url: str,
    *,
    pool_size: int = 5,
    sqlite_synchronous: str = "NORMAL",
    autocommit: bool = False,
    patient: bool = False,
) -> Engine:
    """An engine for `sqlite:///…` or `postgresql+psycopg://…`.

    With `autocommit` the caller says BEGIN itself: a visit of the ledger that is one statement is one round trip.
    A `patient` one waits for PostgreSQL as long as it takes.
    """
    if url.startswith("sqlite"):
        return _sqlite(url, sqlite_synchronous)
    engine = create_engine(
        url,
        pool_size=pool_size,
        max_overflow=pool_size * 4,
        pool_timeout=5,
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
    guard(engine, Door())
    _notice_hangups(engine)
    if not patient:
        bound(engine)
    return engine


def _notice_hangups(engine: Engine) -> None:
    """See to it that nobody is given a connection which the server has closed, without asking the server each time.

    A server that stops says so, or its socket ends: either way there is something to read where nothing was asked.
    Only then is the connection tried.
    """

    @event.listens_for(engine, "checkout")
    def _checkout(dbapi: Any, _entry: ConnectionPoolEntry, _fairy: PoolProxiedConnection) -> None:
        waiting = select.poll()
        try:
            waiting.register(dbapi.fileno(), select.POLLIN)
            if not waiting.poll(0):
                return
            engine.dialect.do_ping(dbapi)
        except engine.dialect.loaded_dbapi.Error as error:
            raise InvalidatePoolError from error


def _sqlite(url: str, synchronous: str) -> Engine:
    engine = create_engine(
        url,
        pool_size=SQLITE_READERS + 1,
        max_overflow=8,
        pool_timeout=5,
        # The connection given back last has its statements and its pages at hand.
        pool_use_lifo=True,
        connect_args={"timeout": BUSY_MS / 1000, "check_same_thread": False},
    )
    seconds = BUSY_MS / 1000
    guard(engine, Door(reading=Turns(SQLITE_READERS, seconds=seconds), writing=Turns(1, seconds=seconds)))

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
            raise Unavailable(t("The database has no schema yet: run `ordinaut db upgrade`")) from error
        if isinstance(error, ProgrammingError) or _mistaken(error):
            raise
        raise Unavailable(t("The database does not answer; nothing was stored. Try again shortly")) from error
    except DBAPIError as error:
        if not (error.connection_invalidated or _failing_over(error)):
            raise
        raise Unavailable(t("The database connection was lost; nothing was stored. Try again shortly")) from error


@contextmanager
def committing() -> Iterator[None]:
    """Around a COMMIT, inside `translated`: of one whose answer never came nobody can say what became of it."""
    try:
        yield
    except DBAPIError as error:
        if not (error.connection_invalidated or _cut_off(error)):
            raise
        text = t("The database connection was lost while storing; look whether it was stored before you try again")
        raise Unavailable(text) from error


@contextmanager
def driver_errors(engine: Engine) -> Iterator[None]:
    """Give the driver's errors SQLAlchemy's names, so that `translated` knows them."""
    dbapi = engine.dialect.loaded_dbapi
    try:
        yield
    except dbapi.Error as error:
        raise DBAPIError.instance(
            None, None, error, dbapi.Error, connection_invalidated=False, dialect=engine.dialect
        ) from error


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
    return state == "25006" or state.startswith("53") or _cut_off(error)


def _cut_off(error: DBAPIError) -> bool:
    """Whether the server has ended the connection (classes 08 and 57P)."""
    return (getattr(error.orig, "sqlstate", None) or "").startswith(("08", "57P"))

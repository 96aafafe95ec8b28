"""Stores on both databases."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from app.storage.engines import make_engine
from app.storage.ledger import SqlRunLedger
from app.storage.ledger_postgresql import PostgresqlRunLedger
from app.storage.ledger_sqlite import SqliteRunLedger
from app.storage.unit_of_work import SqlUnitsOfWork


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """An engine on this test's database."""
    engine = make_engine(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def units(engine: Engine) -> SqlUnitsOfWork:
    """Units of work on it."""
    return SqlUnitsOfWork(engine)


@pytest.fixture
def ledger(engine: Engine) -> SqlRunLedger:
    """A ledger with the usual lease."""
    return make_ledger(engine)


def make_ledger(engine: Engine, lease_seconds: float = 30.0) -> SqlRunLedger:
    """The ledger for the engine's database."""
    if engine.dialect.name == "postgresql":
        hot = engine.execution_options(isolation_level="AUTOCOMMIT")
        return PostgresqlRunLedger(hot, lease_seconds=lease_seconds)
    return SqliteRunLedger(engine, lease_seconds=lease_seconds)

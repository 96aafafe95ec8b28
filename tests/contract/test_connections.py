"""Connections that the server has closed are not handed out, and nobody asks the server whether it is there."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import psutil
import psycopg
import pytest
from sqlalchemy import Engine

from app.domain.errors import Unavailable
from app.domain.tasks import TaskFilter
from app.storage import bounded
from app.storage.engines import make_engine
from app.storage.ledger_postgresql import PostgresqlRunLedger
from app.storage.unit_of_work import SqlUnitsOfWork
from tests.fakes.rows import a_task, stored
from tests.servers import PostgresServer, wait_for

MINE = "application_name = 'hangups'"


@pytest.fixture
def hangups_url(postgres_url: str) -> str:
    """This test's database; its connections bear a name."""
    return f"{postgres_url}{'&' if '?' in postgres_url else '?'}application_name=hangups"


@pytest.fixture
def engine(hangups_url: str) -> Iterator[Engine]:
    """An engine that says BEGIN by itself."""
    engine = make_engine(hangups_url)
    yield engine
    engine.dispose()


def hang_up(url: str) -> None:
    """End the server's side of every connection."""
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as admin:
        others = f"FROM pg_stat_activity WHERE {MINE} AND pid <> pg_backend_pid()"
        assert admin.execute(f"SELECT pg_terminate_backend(pid) {others}").fetchall()
        wait_for(lambda: admin.execute(f"SELECT count(*) {others}").fetchone() == (0,))


def test_units_of_work_go_on_after_the_server_hung_up(engine: Engine, hangups_url: str) -> None:
    units = SqlUnitsOfWork(engine)
    task = stored(units, a_task())
    hang_up(hangups_url)
    stored(units, a_task())
    hang_up(hangups_url)
    with units(read_only=True) as unit:
        assert unit.tasks.get(task.id) == task
        assert unit.tasks.page(TaskFilter(), limit=5, offset=0).total == 2


def test_a_commit_whose_answer_never_came_is_told_as_neither_stored_nor_lost(engine: Engine, hangups_url: str) -> None:
    units = SqlUnitsOfWork(engine)

    def add(*, hang_up_before_commit: bool) -> None:
        with units() as unit:
            unit.tasks.add(a_task())
            hang_up(hangups_url)
            if not hang_up_before_commit:
                unit.tasks.add(a_task())

    with pytest.raises(Unavailable, match="lost while storing; look whether"):
        add(hang_up_before_commit=True)
    with pytest.raises(Unavailable, match="nothing was stored"):
        add(hang_up_before_commit=False)


def test_who_is_inside_while_the_engine_is_disposed_of_leaves_no_connection_open(engine: Engine) -> None:
    units = SqlUnitsOfWork(engine)
    with units(read_only=True) as unit:
        connection = unit.tasks._connection.connection.dbapi_connection
        engine.dispose()
        unit.tasks.next_due_at()
    assert connection is not None and connection.closed
    with pytest.raises(Unavailable), units(read_only=True):
        pass


def test_the_ledger_goes_on_after_the_server_hung_up(hangups_url: str) -> None:
    engine = make_engine(hangups_url, autocommit=True)
    ledger = PostgresqlRunLedger(engine, lease_seconds=30)
    assert ledger.ready() is False
    hang_up(hangups_url)
    assert ledger.ready() is False
    engine.dispose()


@pytest.fixture
def frozen(postgres: PostgresServer) -> Iterator[Callable[[], None]]:
    """Freezes the server with all its processes until the test ends."""
    postmaster = psutil.Process(postgres.pid)
    stopped: list[psutil.Process] = []

    def freeze() -> None:
        stopped.extend([postmaster, *postmaster.children(recursive=True)])
        for process in stopped:
            process.suspend()

    yield freeze
    for process in stopped:
        with suppress(psutil.NoSuchProcess):
            process.resume()


def test_a_frozen_server_is_unavailable_in_bounded_time(
    engine: Engine, hangups_url: str, frozen: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounded, "LIMIT_SECONDS", 0.3)
    units, hot = SqlUnitsOfWork(engine), make_engine(hangups_url, autocommit=True)
    ledger = PostgresqlRunLedger(hot, lease_seconds=30)
    stored(units, a_task())
    assert ledger.ready() is False
    frozen()
    began = time.monotonic()
    with pytest.raises(Unavailable), units() as unit:
        unit.tasks.add(a_task(title="never"))
    with pytest.raises(Unavailable):
        ledger.ready()
    assert time.monotonic() - began < 10
    hot.dispose()

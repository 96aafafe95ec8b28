"""The database as a whole: its clock, its schema, and what it says when it is not there."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory

from app.domain.errors import Unavailable
from app.domain.tasks import TaskFilter
from app.storage.database import REVISION, Database
from tests.servers import PostgresServer

ROOT = Path(__file__).resolve().parents[2]


def opened(url: str) -> Database:
    """A database with the usual settings."""
    return Database(url, pool_size=2, sqlite_synchronous="FULL", lease_seconds=30)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """This test's database."""
    database = opened(database_url)
    yield database
    database.close()


def test_the_code_knows_the_newest_migration() -> None:
    config = Config()
    config.set_main_option("script_location", str(ROOT / "migrations"))
    assert ScriptDirectory.from_config(config).get_current_head() == REVISION


def test_a_migrated_database_is_well(database: Database) -> None:
    assert database.check() is None


def test_a_newer_schema_serves_older_code(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    from app.storage.database import REVISION

    monkeypatch.setattr("app.storage.database.REVISION", "0000")
    assert database.check() is None
    monkeypatch.setattr("app.storage.database.REVISION", "9999")
    assert database.check() == f"The schema is at {REVISION}, older than 9999: run `ordinaut db upgrade`"


def test_its_clock_goes_forward_and_agrees_with_this_machine(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = database.clock.now()
    second = database.clock.now()
    assert first <= second
    assert abs(datetime.now(UTC) - second) < timedelta(seconds=5)  # one machine, one clock


def test_a_jump_of_this_machines_clock_does_not_move_postgresqls(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = opened(postgres_url)
    before = database.clock.now()
    monkeypatch.setattr(time, "time", lambda: 0.0)
    monkeypatch.setattr(time, "time_ns", lambda: 0)
    assert timedelta(0) <= database.clock.now() - before < timedelta(seconds=5)
    database.close()


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:////nowhere/at/all/ordinaut.db",
        "postgresql+psycopg://nobody@127.0.0.1:1/nothing",  # nobody listens on port 1
    ],
)
def test_a_database_that_is_not_there_is_unavailable(url: str) -> None:
    database = opened(url)
    sentence = database.check()
    assert sentence is not None and "does not answer" in sentence
    with pytest.raises(Unavailable), database.units(read_only=True) as unit:
        unit.tasks.page(TaskFilter(), limit=1, offset=0)
    with pytest.raises(Unavailable):
        database.ledger.ready()
    database.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def bare(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A database that nobody has migrated."""
    if request.param == "sqlite":
        database = opened(f"sqlite:///{tmp_path}/empty.db")
    else:
        server: PostgresServer = request.getfixturevalue("postgres")
        database = opened(server.url("postgres"))
    yield database
    database.close()


def test_a_database_without_a_schema_says_what_to_do(bare: Database) -> None:
    sentence = "The database has no schema yet: run `ordinaut db upgrade`"
    assert bare.check() == sentence
    with pytest.raises(Unavailable, match="db upgrade"), bare.units(read_only=True) as unit:
        unit.tasks.next_due_at()
    with pytest.raises(Unavailable, match="db upgrade"):
        bare.ledger.ready()

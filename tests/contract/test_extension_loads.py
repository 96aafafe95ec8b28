"""What processes tell each other of their extensions, on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from app.domain.errors import Unavailable
from app.domain.extension_loads import Load
from app.services.extension_loads import LoadBoard
from app.storage.database import Database
from tests.servers import wait_for

LOADED = Load(extension_id="shop", state="loaded", loaded_ms=5, grants=("ROUTES",))
FAILED = Load(extension_id="sick", state="failed", error_type="ImportError", message="No module named x")


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    made = Database(database_url, pool_size=2, sqlite_synchronous="NORMAL", lease_seconds=30)
    yield made
    made.close()


def test_what_one_tells_all_can_read(database: Database) -> None:
    one, other = LoadBoard(units=database.units), LoadBoard(units=database.units)
    one.post(LOADED)
    one.post(FAILED)
    assert one.told() == [LOADED, FAILED]
    wait_for(lambda: other.told() == [LOADED, FAILED], what="the news to be written")
    other.post(replace(LOADED, loaded_ms=9))
    assert sorted(load.loaded_ms or 0 for load in other.told()) == [0, 5, 9]
    one.stop()
    wait_for(lambda: [load.loaded_ms for load in other.told()] == [9], what="the leave to be taken")
    other.stop()


def test_what_nobody_repeats_is_believed_no_longer(database: Database) -> None:
    with database.units() as unit:
        unit.extension_loads.tell("dead", [LOADED], seconds=-1)
        unit.extension_loads.tell("alive", [FAILED], seconds=60)
    with database.units(read_only=True) as unit:
        assert unit.extension_loads.told() == [FAILED]


def test_failures_are_announced_once(database: Database) -> None:
    announced: list[str] = []
    board = LoadBoard(units=database.units, announce=lambda topic, facts: announced.append(facts["extension_id"]))
    board.post(LOADED)
    board.post(FAILED)
    wait_for(lambda: announced, what="the announcement")
    board.look()
    assert announced == ["sick"]
    board.stop()


def test_while_the_database_is_away_a_process_knows_its_own() -> None:
    def away(*, read_only: bool = False) -> object:
        raise Unavailable

    board = LoadBoard(units=away)  # type: ignore[arg-type]
    board.post(LOADED)
    assert board.told() == [LOADED]
    assert 0 < board.look() < 15
    board.stop()


def test_posting_never_raises() -> None:
    def broken(*, read_only: bool = False) -> object:
        raise TypeError

    board = LoadBoard(units=broken)  # type: ignore[arg-type]
    board.post(LOADED)
    board.stop()

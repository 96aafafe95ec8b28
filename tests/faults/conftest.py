"""One stack for each database, with a Valkey of its own; every test finds it whole."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.stack import Stack
from tests.faults.target import Target, effect_target
from tests.servers import Databases, PostgresServer, ValkeyServer


@pytest.fixture(scope="session")
def target() -> Iterator[Target]:
    """The service that pipelines call."""
    with effect_target() as server:
        yield server


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer]:
    """A Valkey that these tests may treat badly."""
    server = ValkeyServer(tmp_path_factory.mktemp("broker")).start()
    yield server
    server.stop()


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def programs(
    request: pytest.FixtureRequest, broker: ValkeyServer, databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    """The stack on each database in turn."""
    folder: Path = tmp_path_factory.mktemp("stack")
    if request.param == "sqlite":
        url = databases.sqlite(folder / "ordinaut.db")
    else:
        server: PostgresServer = request.getfixturevalue("postgres")
        url = server.url(databases.postgresql(server))
    stack = Stack(folder, database_url=url, redis_url=broker.url)
    yield stack
    stack.stop()


@pytest.fixture
def stack(programs: Stack) -> Stack:
    """One web, one worker and one beat, all well."""
    return programs.whole()

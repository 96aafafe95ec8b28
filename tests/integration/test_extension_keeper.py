"""The keeper of a worker: which leases it takes, and what it makes of the ends of its processes."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.domain.errors import Unavailable
from app.domain.extension_work import CRASHED, FREE, RUNNING, ExtensionWorkUnits, Lease, LeaseState, Pace, Release
from app.storage.engines import make_engine
from app.storage.unit_of_work import SqlUnitsOfWork
from tests.servers import Databases, wait_for
from workers.extension_keeper import ExtensionKeeper

PACE = Pace(lease=1.2, handler=1, attempts=1, drain=1, poll=0.1)
# What stands in for the process of an extension: it does what its file says.
PROGRAM = """
import json, pathlib, signal, sys, time
folder = pathlib.Path({folder!r})
lease = json.loads(sys.argv[-1])
def stop(*_): (folder / f"stopped-{{lease['extension_id']}}").touch(); sys.exit(0)
signal.signal(signal.SIGTERM, {on_term})
(folder / f"began-{{lease['extension_id']}}-{{lease['fence']}}").touch()
while not (folder / "leave").exists(): time.sleep(0.01)
sys.exit(int((folder / "leave").read_text()))
"""


class Bench:
    """A database, keepers on it, and a folder in which their processes leave their marks."""

    def __init__(self, units: SqlUnitsOfWork, folder: Path) -> None:
        self.units = units
        self.folder = folder
        self.away = False
        self.keepers: list[ExtensionKeeper] = []

    @contextmanager
    def open(self) -> Iterator[ExtensionWorkUnits]:
        """The database, unless it is away."""
        if self.away:
            raise Unavailable
        yield self.units

    def keeper(self, versions: Mapping[str, str], *, pace: Pace = PACE, on_term: str = "stop") -> ExtensionKeeper:
        """A keeper at work."""
        text = PROGRAM.format(folder=str(self.folder), on_term=on_term)
        keeper = ExtensionKeeper(
            node=f"w{len(self.keepers)}",
            versions=lambda: versions,
            units=self.open,
            pace=pace,
            env={"PATH": os.defpath},
            program=(sys.executable, "-c", text),
        )
        self.keepers.append(keeper)
        keeper.start()
        return keeper

    def state(self, extension_id: str = "shop") -> LeaseState | None:
        """A lease as it stands."""
        with self.units(read_only=True) as unit:
            return unit.extension_work.lease(extension_id)

    def wait(self, mark: str) -> None:
        """Until a process has left this mark."""
        wait_for(lambda: list(self.folder.glob(mark)), seconds=20, what=mark)

    def status_is(self, status: str, extension_id: str = "shop") -> LeaseState:
        """The lease once it has this status."""

        def reached() -> bool:
            found = self.state(extension_id)
            return found is not None and found.status == status

        wait_for(reached, seconds=20, what=f"the lease to be {status}")
        found = self.state(extension_id)
        assert found is not None
        return found

    def take(self, version: str = "1", *, seconds: float = 30) -> None:
        """Somebody else takes the lease."""
        with self.units() as unit:
            lease = unit.extension_work.take("shop", owner="other", version=version, seconds=seconds)
            assert lease is not None
            unit.extension_work.renew(lease, seconds=seconds, status=RUNNING, good_life=60)


@pytest.fixture
def bench(databases: Databases, tmp_path: Path) -> Iterator[Bench]:
    """See `Bench`."""
    folder = tmp_path / "marks"
    folder.mkdir()
    engine = make_engine(databases.sqlite(tmp_path / "ordinaut.db"))
    bench = Bench(SqlUnitsOfWork(engine), folder)
    yield bench
    bench.away = False
    for keeper in bench.keepers:
        keeper.finish()
    engine.dispose()


def test_each_extension_is_run_by_one_of_two(bench: Bench) -> None:
    bench.keeper({"shop": "1", "till": "1"})
    bench.keeper({"shop": "1", "till": "1"})
    bench.wait("began-shop-1")
    bench.wait("began-till-1")
    assert len(list(bench.folder.iterdir())) == 2


def test_nothing_is_kept_where_there_is_nothing_to_keep(bench: Bench) -> None:
    before = threading.active_count()
    bench.keeper({})
    assert threading.active_count() == before


def test_a_process_that_starts_slowly_keeps_its_lease(bench: Bench) -> None:
    bench.keeper({"shop": "1"})
    bench.wait("began-shop-1")
    with pytest.raises(AssertionError):  # longer than the lease
        wait_for(lambda: (found := bench.state()) is not None and not found.held, seconds=PACE.lease * 1.5)


def test_one_that_crashes_is_started_again_after_its_pause(bench: Bench) -> None:
    keeper = bench.keeper({"shop": "1"})
    bench.wait("began-shop-1")
    (bench.folder / "leave").write_text("9")
    crashed = bench.status_is(CRASHED)
    assert crashed.error == "Its process ended with status 9" and crashed.crashes >= 1
    (bench.folder / "leave").unlink()
    bench.wait("began-shop-2")
    keeper.finish()


def test_one_that_is_killed_is_told_by_its_signal(bench: Bench) -> None:
    bench.keeper({"shop": "1"})
    bench.wait("began-shop-1")
    (child,) = bench.keepers[0]._children.values()
    child.process.send_signal(signal.SIGKILL)
    assert bench.status_is(CRASHED).error == "Its process was ended by SIGKILL"


def test_one_that_ends_when_asked_has_not_crashed(bench: Bench) -> None:
    bench.keeper({"shop": "1"})
    bench.wait("began-shop-1")
    (child,) = bench.keepers[0]._children.values()
    child.process.send_signal(signal.SIGTERM)
    bench.wait("began-shop-2")
    found = bench.state()
    assert found is not None and found.crashes == 0


def test_the_lease_of_another_is_left_alone_until_it_has_run_out(bench: Bench) -> None:
    bench.take(seconds=1)
    bench.keeper({"shop": "1"})
    bench.wait("began-shop-2")
    assert not list(bench.folder.glob("began-shop-1"))


def test_what_had_nothing_to_do_is_started_again_when_its_code_changes(bench: Bench) -> None:
    bench.take()
    with bench.units() as unit:
        lease = unit.extension_work.lease("shop")
        assert lease is not None
        taken = Lease(extension_id="shop", fence=lease.fence, careful=False)
        unit.extension_work.release(taken, Release(status="idle"))
    bench.keeper({"shop": "1", "till": "1"})
    bench.wait("began-till-1")  # a look has been taken
    assert not list(bench.folder.glob("began-shop-*"))
    bench.keeper({"shop": "2"})
    bench.wait("began-shop-2")


def test_a_process_whose_lease_has_passed_on_is_killed(bench: Bench) -> None:
    bench.keeper({"shop": "1"})
    bench.wait("began-shop-1")
    (child,) = bench.keepers[0]._children.values()
    with bench.units() as unit:
        unit.extension_work.release(child.lease, Release())
    bench.take()
    wait_for(lambda: child.process.poll() is not None, seconds=20, what="it to be killed")
    found = bench.state()
    assert found is not None and found.owner == "other" and found.held


def test_a_stop_tells_the_processes_and_gives_their_leases_back(bench: Bench) -> None:
    keeper = bench.keeper({"shop": "1"})
    bench.wait("began-shop-1")
    keeper.stop()
    keeper.finish()
    bench.wait("stopped-shop")
    assert bench.status_is(FREE).crashes == 0


def test_a_process_that_does_not_stop_is_killed_in_the_end(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    pace = Pace(lease=30, handler=1, attempts=1, drain=0, poll=0.1)
    keeper = bench.keeper({"shop": "1"}, pace=pace, on_term="signal.SIG_IGN")
    bench.wait("began-shop-1")
    (child,) = keeper._children.values()
    keeper.finish()
    assert child.process.returncode == -signal.SIGKILL
    bench.status_is(FREE)


def test_a_stop_waits_for_no_database(bench: Bench) -> None:
    keeper = bench.keeper({"shop": "1"}, pace=Pace(lease=1.2, handler=1, attempts=1, drain=60, poll=0.1))
    bench.wait("began-shop-1")
    bench.away = True
    asked = time.monotonic()
    keeper.finish()
    assert time.monotonic() - asked < 30


def test_a_database_that_was_away_changes_nothing(bench: Bench) -> None:
    bench.away = True
    bench.keeper({"shop": "1"})
    bench.away = False
    bench.wait("began-shop-1")


def test_what_nobody_runs_any_more_is_forgotten(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.extension_keeper.TIDY_SECONDS", 0.0)
    monkeypatch.setattr("workers.extension_keeper.ABSENT_SECONDS", 0.0)
    bench.take(seconds=0)
    bench.keeper({"till": "1"})
    wait_for(lambda: bench.state() is None, seconds=20, what="it to be forgotten")
    bench.wait("began-till-1")
    assert bench.state("till") is not None


def test_nothing_is_done_while_the_worker_forks(bench: Bench) -> None:
    keeper = bench.keeper({"shop": "1"})
    bench.wait("began-shop-1")
    child = os.fork()
    if child == 0:
        # The lock that kept the keeper quiet is free again on both sides.
        os._exit(0 if keeper._awake.acquire(timeout=5) else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert keeper._awake.acquire(timeout=5)
    keeper._awake.release()

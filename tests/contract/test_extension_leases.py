"""Leases of extensions on both databases: one holder at a time, whatever races, and fences that only rise."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from sqlalchemy import Engine

from app.domain.errors import LeaseLost
from app.domain.extension_work import CRASHED, FREE, HELD, IDLE, RUNNING, Lease, LeaseState, Release
from app.storage.extension_work import SqlExtensionWorkStore
from app.storage.unit_of_work import SqlUnitsOfWork
from tests.servers import wait_for

SHOP = "shop"


@contextmanager
def work(units: SqlUnitsOfWork) -> Iterator[SqlExtensionWorkStore]:
    """The store in a transaction of its own."""
    with units() as unit:
        yield unit.extension_work


def taken(units: SqlUnitsOfWork, owner: str = "a", *, version: str = "1", seconds: float = 30) -> Lease | None:
    """A try to take the lease."""
    with work(units) as store:
        return store.take(SHOP, owner=owner, version=version, seconds=seconds)


def held(units: SqlUnitsOfWork, seconds: float = 30) -> Lease:
    """The lease, which is free to take."""
    lease = taken(units, seconds=seconds)
    assert lease is not None
    return lease


def renewed(units: SqlUnitsOfWork, lease: Lease, *, good_life: float = 60) -> bool:
    """A renewal by a process at work."""
    with work(units) as store:
        return store.renew(lease, seconds=30, status=RUNNING, good_life=good_life)


def released(units: SqlUnitsOfWork, lease: Lease, how: Release) -> bool:
    """The lease given back."""
    with work(units) as store:
        return store.release(lease, how)


def state(units: SqlUnitsOfWork) -> LeaseState:
    """The lease as it stands."""
    with units(read_only=True) as unit:
        (found,) = unit.extension_work.leases()
        again = unit.extension_work.lease(SHOP)
        # The clock goes on between the two.
        assert again is not None and replace(again, held=found.held) == found
    return found


def test_of_many_who_try_one_gets_it(units: SqlUnitsOfWork) -> None:
    got: list[Lease | None] = []
    start = threading.Barrier(6)

    def compete(owner: str) -> None:
        start.wait()
        got.append(taken(units, owner))

    threads = [threading.Thread(target=compete, args=(f"w{number}",)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [lease.fence for lease in got if lease] == [1]
    assert len(got) == 6 and state(units).held


def test_a_lease_that_has_run_out_goes_on_to_the_next_who_takes_care(units: SqlUnitsOfWork) -> None:
    first = held(units, seconds=0.05)
    wait_for(lambda: not state(units).held, what="the lease to run out")
    second = taken(units, "b")
    assert second == Lease(extension_id=SHOP, fence=2, careful=True)
    assert not renewed(units, first) and not released(units, first, Release())
    assert renewed(units, second)


def test_a_fence_of_yesterday_writes_nothing(units: SqlUnitsOfWork) -> None:
    first = held(units)
    released(units, first, Release())
    second = held(units)
    with pytest.raises(LeaseLost), work(units) as store:
        store.hold(first)
    with work(units) as store:
        store.hold(second)


RELEASES = [
    # each row: how it was given back, what may be taken then by the same code, and by other code
    (Release(), True, True),
    (Release(status=IDLE), False, True),
    (Release(status=CRASHED, error="boom"), False, False),  # there is a pause after each crash
    (Release(status=CRASHED, error="boom", pause=0), True, True),
]


@pytest.mark.parametrize(("how", "same", "other"), RELEASES)
def test_what_was_given_back_is_open_to(units: SqlUnitsOfWork, how: Release, same: bool, other: bool) -> None:
    assert released(units, held(units), how)
    found = state(units)
    assert (found.status, found.owner, found.error) == (how.status, None, how.error)
    assert (found.open_to("1"), found.open_to("2")) == (same, other)
    assert (taken(units, version="1") is not None) == same
    if not same:
        assert (taken(units, version="2") is not None) == other


def test_crashes_are_counted_and_forgotten_after_a_good_life(units: SqlUnitsOfWork) -> None:
    for _ in range(2):
        released(units, held(units), Release(status=CRASHED, error="boom", pause=0))
    lease = held(units)
    assert (state(units).crashes, lease.careful) == (2, True)
    assert renewed(units, lease) and state(units).crashes == 2
    assert renewed(units, lease, good_life=0) and state(units).crashes == 0
    assert state(units).error is None


def test_the_long_pause_of_many_crashes_is_forgotten_with_them(units: SqlUnitsOfWork) -> None:
    for _ in range(9):
        released(units, held(units), Release(status=CRASHED, pause=0))
    lease = held(units)
    renewed(units, lease, good_life=0)
    released(units, lease, Release(status=CRASHED))

    def rested() -> bool:
        with units(read_only=True) as unit:
            (found,) = unit.extension_work.leases()
        return found.rested

    assert not rested()
    wait_for(rested, what="the half second after a first crash")


def test_who_starts_is_at_work_once_it_said_so(units: SqlUnitsOfWork) -> None:
    lease = held(units)
    assert state(units).status in HELD and state(units).status != RUNNING
    assert renewed(units, lease) and state(units).status == RUNNING
    with work(units) as store:
        store.renew(lease, seconds=30, status="starting", good_life=60)
    assert state(units).status == RUNNING
    released(units, lease, Release())
    assert state(units).status == FREE


def test_nobody_takes_the_lease_while_its_holder_writes(engine: Engine, units: SqlUnitsOfWork) -> None:
    lease = held(units, seconds=0.2)
    order: list[str] = []
    inside = threading.Event()

    def write() -> None:
        with work(units) as store:
            store.hold(lease)
            inside.set()
            wait_for(other.is_alive, what="the other to come")
            other.join(0.4)
            order.append("written")

    def take() -> None:
        inside.wait()
        taken(units, "b")
        order.append("taken")

    other = threading.Thread(target=take)
    writer = threading.Thread(target=write)
    writer.start()
    other.start()
    writer.join()
    other.join()
    assert order == ["written", "taken"]

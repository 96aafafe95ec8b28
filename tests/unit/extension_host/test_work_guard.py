"""The guard of an extension's process: it ends what can no longer be sure of itself."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, cast

import pytest

from app.domain.errors import LeaseLost, Unavailable
from app.extension_host.work_guard import EXIT_CALL_ENDED, EXIT_LEASE_LOST, EXIT_ORPHANED, WorkGuard
from tests.servers import wait_for


class Session:
    """A session whose renewals go as the test says."""

    extension_id = "shop"

    def __init__(self, renew: Callable[[], bool]) -> None:
        self.renew = renew


class Guarded:
    """A guard, and the statuses with which it would have ended the process."""

    def __init__(self, renew: Callable[[], bool] = lambda: True, *, lease: float = 30.0) -> None:
        self.exits: list[int] = []
        self.parent = 1
        self.guard = WorkGuard(
            cast(Any, Session(renew)),
            seconds=lease,
            drain=0.05,
            born_of=1,
            exit=self.exits.append,
            parent=lambda: self.parent,
        )

    def ended_with(self, status: int) -> bool:
        """Wait for that end."""
        wait_for(lambda: status in self.exits, what=f"the exit with {status}")
        self.guard.finish()
        return True


def away() -> bool:
    """A database that does not answer."""
    raise Unavailable


def frozen() -> bool:
    """A database that answers some day."""
    threading.Event().wait(30)
    return True


LEASES = [
    # each row: what a renewal comes to
    lambda: False,  # somebody else has it
    away,
    frozen,
]


@pytest.mark.parametrize("renew", LEASES)
def test_a_process_that_cannot_be_sure_of_its_lease_ends(renew: Callable[[], bool]) -> None:
    guarded = Guarded(renew, lease=0.4)
    guarded.guard.start(lambda: None)
    assert guarded.ended_with(EXIT_LEASE_LOST)


def test_one_that_renews_in_time_goes_on_and_is_left_alone_when_it_is_through() -> None:
    renewed = threading.Semaphore(0)

    def renew() -> bool:
        renewed.release()
        return True

    guarded = Guarded(renew, lease=0.2)
    guarded.guard.start(lambda: None)
    for _ in range(8):  # two leases long
        assert renewed.acquire(timeout=5)
    guarded.guard.finish()
    assert guarded.exits == []


def test_a_call_that_does_not_return_ends_the_process_once_it_is_written_down() -> None:
    written: list[str] = []
    guarded = Guarded()
    guarded.guard.start(lambda: None)
    with guarded.guard.watching(0.01, lambda: written.append("late")):
        assert guarded.ended_with(EXIT_CALL_ENDED)
    assert "late" in written


@pytest.mark.parametrize("error", [Unavailable(), LeaseLost()])
def test_a_call_that_does_not_return_ends_the_process_also_when_nothing_can_be_written(error: Exception) -> None:
    def late() -> None:
        raise error

    guarded = Guarded()
    guarded.guard.start(lambda: None)
    with guarded.guard.watching(0.01, late):
        assert guarded.ended_with(EXIT_CALL_ENDED)


def test_a_call_that_returns_in_time_costs_nothing() -> None:
    guarded = Guarded()
    guarded.guard.start(lambda: None)
    with guarded.guard.watching(30, lambda: None):
        pass
    guarded.parent = 2
    guarded.ended_with(EXIT_ORPHANED)
    assert set(guarded.exits) == {EXIT_ORPHANED}


def test_an_orphan_is_told_and_then_ended() -> None:
    told: list[bool] = []
    guarded = Guarded()
    guarded.guard.start(lambda: told.append(True))
    guarded.parent = 2
    assert guarded.ended_with(EXIT_ORPHANED)
    assert told == [True]


def test_no_call_begins_once_the_lease_may_have_passed_on() -> None:
    guarded = Guarded(lease=0)  # as good as frozen ever since it was renewed
    with guarded.guard.watching(30, lambda: None):
        assert guarded.exits == [EXIT_LEASE_LOST]

"""Turns at the database: fair, bounded, and never waiting for oneself."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial

import pytest

from app.domain.errors import Unavailable
from app.storage.turns import Door, Turns
from tests.servers import wait_for

PATIENCE = 10.0


def in_line(turns: Turns) -> int:
    """How many wait."""
    return len(turns._line)


def started(target: Callable[[], None]) -> threading.Thread:
    """A thread at work."""
    thread = threading.Thread(target=target, daemon=True)
    thread.start()
    return thread


def test_who_came_first_goes_first() -> None:
    turns, order = Turns(1, seconds=PATIENCE), []

    def take(number: int) -> None:
        with turns.turn():
            order.append(number)

    threads = []
    with turns.turn():
        for number in range(8):
            threads.append(started(partial(take, number)))
            wait_for(lambda: in_line(turns) == len(threads))
    for thread in threads:
        thread.join(PATIENCE)
    assert order == list(range(8))


def test_a_thread_in_a_tight_loop_does_not_starve_another() -> None:
    turns, over = Turns(1, seconds=PATIENCE), threading.Event()

    def greedy() -> None:
        while not over.is_set():
            with turns.turn():
                pass

    threads = [started(greedy) for _ in range(3)]
    for _ in range(200):
        with turns.turn():
            pass
    over.set()
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive()


@pytest.mark.parametrize("width", [1, 2, 5])
def test_no_more_than_its_width_are_inside(width: int) -> None:
    turns, lock, inside, most = Turns(width, seconds=PATIENCE), threading.Lock(), 0, 0

    def visit() -> None:
        nonlocal inside, most
        for _ in range(50):
            with turns.turn():
                with lock:
                    inside += 1
                    most = max(most, inside)
                with lock:
                    inside -= 1

    threads = [started(visit) for _ in range(8)]
    for thread in threads:
        thread.join(PATIENCE)
    assert inside == 0 and 1 <= most <= width


def test_who_has_waited_long_enough_is_told_and_leaves_the_line() -> None:
    turns = Turns(1, seconds=0.02)
    seen: list[str] = []

    def late() -> None:
        try:
            with turns.turn():
                seen.append("inside")
        except Unavailable as error:
            seen.append(error.message)

    with turns.turn():
        started(late).join(PATIENCE)
        assert in_line(turns) == 0
    assert seen == ["The database is busy; nothing was stored. Try again shortly"]
    with turns.turn():
        assert in_line(turns) == 0


def test_an_error_inside_ends_the_turn() -> None:
    turns = Turns(1, seconds=0.02)
    for _ in range(3):
        with pytest.raises(KeyError), turns.turn():
            raise KeyError


@pytest.mark.parametrize(
    ("outer", "inner"),
    [(False, False), (False, True), (True, False), (True, True)],  # read_only of each
)
def test_a_thread_inside_is_told_at_once_that_it_would_wait_for_itself(outer: bool, inner: bool) -> None:
    door = Door(reading=Turns(1, seconds=PATIENCE), writing=Turns(1, seconds=PATIENCE))
    with door.passed(read_only=outer):
        with pytest.raises(RuntimeError, match="inside another one"), door.passed(read_only=inner):
            raise AssertionError("it got in")
        # The refusal does not make anybody forget who is inside.
        with pytest.raises(RuntimeError), door.passed(read_only=inner):
            raise AssertionError("it got in")
    with door.passed(read_only=inner):
        pass


def test_readers_do_not_wait_for_a_writer() -> None:
    door = Door(reading=Turns(1, seconds=0.02), writing=Turns(1, seconds=0.02))
    seen: list[str] = []

    def read() -> None:
        with door.passed(read_only=True):
            seen.append("read")

    with door.passed(read_only=False):
        started(read).join(PATIENCE)
    assert seen == ["read"]

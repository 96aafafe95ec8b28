"""One poller for everybody who watches."""

from __future__ import annotations

import os
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from app.realtime.hub import Hub

State = tuple[int, str]
START: State = (0, "queued")


class Store:
    """States that can be changed, and that remembers what it was asked."""

    def __init__(self) -> None:
        self.states: dict[str, State] = {"r1": START, "r2": START}
        self.asked: list[set[str]] = []
        self.polled = threading.Event()
        self.broken = False

    def changes(self, run_ids: Collection[str]) -> dict[str, State]:
        """What the hub asks."""
        self.asked.append(set(run_ids))
        self.polled.set()
        if self.broken:
            raise ConnectionError
        return {run_id: self.states[run_id] for run_id in run_ids if run_id in self.states}

    def next_poll(self) -> None:
        """Wait until a poll begins after this call."""
        self.polled.clear()
        assert self.polled.wait(10)


@pytest.fixture
def stop() -> Iterator[threading.Event]:
    """Set at the end, so that no poller outlives its test."""
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def hub(store: Store, stop: threading.Event) -> Hub:
    return Hub(store.changes, stopping=stop.is_set, poll_seconds=0.005)


@contextmanager
def reader(hub: Hub, run_id: str, known: State = START) -> Iterator[list[str]]:
    """A thread that waits once; what its wait gave is in the list after the block."""
    found: list[str] = []
    armed = threading.Event()

    def read() -> None:
        with hub.watch(run_id) as watch:
            armed.set()
            found.append(watch.wait(known, 20))

    thread = threading.Thread(target=read)
    thread.start()
    assert armed.wait(10)
    yield found
    thread.join(10)
    assert not thread.is_alive()


def test_a_reader_wakes_when_its_run_changes_and_others_sleep_on(hub: Hub, store: Store, stop: threading.Event) -> None:
    with reader(hub, "r2") as other:
        with reader(hub, "r1") as found:
            store.next_poll()
            store.states["r1"] = (1, "running")
        assert found == ["changed"]
        assert other == []
        stop.set()
    assert other == ["stopping"]


def test_all_runs_are_asked_for_at_once(hub: Hub, store: Store, stop: threading.Event) -> None:
    with reader(hub, "r1"), reader(hub, "r2"), reader(hub, "r2"):
        while {"r1", "r2"} not in store.asked:
            store.next_poll()
        stop.set()


def test_a_change_before_the_wait_is_not_missed(hub: Hub, store: Store) -> None:
    store.states["r1"] = (5, "succeeded")
    with reader(hub, "r1", known=(4, "running")) as found:
        pass
    assert found == ["changed"]


def test_a_run_that_is_gone_counts_as_changed(hub: Hub, store: Store) -> None:
    with reader(hub, "r1") as found:
        del store.states["r1"]
    assert found == ["changed"]


def test_a_wait_ends_when_its_time_is_up(hub: Hub) -> None:
    with hub.watch("r1") as watch:
        assert watch.wait(START, 0.01) == "timeout"


def test_a_store_in_trouble_is_asked_again(hub: Hub, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.realtime.hub.TROUBLE_SECONDS", 0.01)
    store.broken = True
    with reader(hub, "r1") as found:
        store.next_poll()
        store.next_poll()
        store.states["r1"] = (1, "running")
        store.broken = False
    assert found == ["changed"]


def test_nobody_is_asked_while_nobody_watches(hub: Hub, store: Store) -> None:
    assert threading.active_count() == len(threading.enumerate())
    with hub.watch("r1") as watch:
        watch.wait(START, 0.05)
    asked = len(store.asked)
    assert not hub._somebody.wait(0.05)
    assert len(store.asked) <= asked + 1


def test_a_forked_child_starts_a_poller_of_its_own(hub: Hub, store: Store) -> None:
    with reader(hub, "r1") as found:
        store.next_poll()
        child = _forked(hub, store)
        store.states["r1"] = (1, "running")
    assert found == ["changed"]
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def _forked(hub: Hub, store: Store) -> int:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child: Any = os.fork()
    if child:
        return int(child)
    store.states["r2"] = (7, "failed")
    with hub.watch("r2") as watch:
        os._exit(0 if watch.wait(START, 5) == "changed" else 1)

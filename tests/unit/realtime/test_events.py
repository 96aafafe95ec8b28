"""Listeners get every stored event once and in order, whatever their pace; announcements as far as they keep up."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from itertools import islice
from typing import Any

import pytest

from app.bus.memory import MemoryBus
from app.domain.clock import SystemClock
from app.domain.errors import Unavailable
from app.domain.events import GAP, Draft, TopicPattern, position_of
from app.realtime import events as hub_module
from app.realtime.events import EventHub, Listener
from app.services.publishing import Publisher, Triggers
from tests.fakes.events import MemoryEventStore
from tests.fakes.stores import MemoryUnitsOfWork
from tests.servers import wait_for


class World:
    """A hub over memory, whose process a test can stop and whose store it can take away."""

    def __init__(self) -> None:
        self.units = MemoryUnitsOfWork()
        self.bus = MemoryBus()
        self.stopped = False
        self.away = False
        self._publisher = Publisher(Triggers())
        self._lock = threading.Lock()
        self.hub = EventHub(units=self._units, bus=self.bus, clock=SystemClock(), stopping=lambda: self.stopped)

    def _units(self, *, read_only: bool = False) -> Any:
        if self.away:
            raise Unavailable
        return self.units(read_only=read_only)

    def publish(self, topic: str = "a.b", **data: Any) -> str:
        with self._lock, self.units() as unit:
            (published,) = self._publisher.store(unit.events, [Draft(topic=topic, data=data)])
        self.bus.append(())
        return published.event.id

    def announce(self, count: int, topic: str = "run.started") -> None:
        moment = SystemClock().now()
        self.bus.announce([Draft(topic=topic, data={"n": number}).unstored(moment) for number in range(count)])

    def listen(self, pattern: str = "**", last_id: str | None = None, idle: float = 5.0) -> Listener:
        return self.hub.listen(TopicPattern.parse(pattern), last_id, idle_seconds=idle)


@pytest.fixture
def world() -> Iterator[World]:
    """One, stopped when the test ends."""
    world = World()
    yield world
    world.stopped = True


def numbers(listener: Listener, count: int) -> list[Any]:
    """What the next events carry."""
    return [event.data["n"] for event in islice(listener, count) if event is not None]


def test_history_and_news_join_without_gap_or_repeat(world: World) -> None:
    first = world.publish(n=0)
    stop = threading.Event()

    def publish() -> None:
        for number in range(1, 400):
            world.publish(n=number)
        stop.set()

    writer = threading.Thread(target=publish)
    writer.start()
    listeners = [world.listen(last_id=first) for _ in range(3)]
    assert [numbers(listener, 399) for listener in listeners] == [list(range(1, 400))] * 3
    writer.join()


def test_each_pattern_gets_its_own(world: World) -> None:
    one, other = world.listen("a.*"), world.listen("**, !a.*")
    for topic in ("a.b", "c", "a.b.c", "a.d"):
        world.publish(topic, n=topic)
    assert numbers(one, 2) == ["a.b", "a.d"] and numbers(other, 2) == ["c", "a.b.c"]


def test_silence_is_told(world: World) -> None:
    listener = world.listen(idle=0.05)
    assert next(listener) is None
    world.publish(n=1)
    assert numbers(listener, 1) == [1]


def test_a_slow_reader_loses_nothing_that_is_stored(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_module, "QUEUE", 10)
    slow, quick = world.listen(), world.listen()
    world.publish(n=0)
    assert numbers(slow, 1) == [0]
    for number in range(1, 100):
        world.publish(n=number)
        assert numbers(quick, 1 if number > 1 else 2)[-1] == number
    assert numbers(slow, 99) == list(range(1, 100))
    assert len(slow._queue) <= 10


def test_a_slow_reader_is_told_how_many_announcements_it_lost(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_module, "QUEUE", 10)
    listener = world.listen(idle=0.3)
    world.publish(n=-1)
    assert numbers(listener, 1) == [-1]
    wait_for(world.bus.wanted, what="the hub to listen")
    world.announce(25)
    world.publish("z", n=99)
    wait_for(lambda: any(event.topic == "z" for _, event in list(listener._queue)), what="everything to be queued")
    told = list(iter(lambda: next(listener), None))
    assert told[0] is not None and (told[0].topic, told[0].data["reason"]) == (GAP, "slow")
    lost = told[0].data["lost"]
    assert 0 < lost < 25 and [event.data["n"] for event in told[1:] if event is not None] == [*range(lost, 25), 99]


def test_announcements_reach_those_who_listen_to_them(world: World) -> None:
    listener, other = world.listen("run.*"), world.listen("a.b", idle=0.2)
    wait_for(world.bus.wanted, what="the hub to listen")
    world.announce(2)
    heard = list(islice(listener, 2))
    assert [event.data["n"] for event in heard if event] == [0, 1] and {event.id for event in heard if event} == {""}
    assert next(other) is None


@pytest.mark.parametrize(
    ("last_id", "reason"), [("1-0", "trimmed"), ("8000000000000-5", "unknown_id")], ids=["deleted", "never there"]
)
def test_a_place_that_is_not_there_is_told(world: World, last_id: str, reason: str) -> None:
    world.publish(n=1)
    with world.units() as unit:
        unit.events.trim(1 << 62, 10)
    newest = world.publish(n=2) if reason == "trimmed" else None
    listener = world.listen(last_id=last_id)
    gap = next(listener)
    assert gap is not None and (gap.topic, gap.data["reason"], gap.data["after"]) == (GAP, reason, last_id)
    world.publish(n=3)
    assert numbers(listener, 2 if newest else 1) == ([2, 3] if newest else [3])


def test_history_that_is_deleted_while_it_is_read_is_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    first, *_, last = [world.publish(n=number) for number in range(4)]
    after = MemoryEventStore.after

    def deleted_first(store: MemoryEventStore, *asked: Any) -> Any:
        store.trim(position_of(last), 10)
        return after(store, *asked)

    with monkeypatch.context() as patch:
        patch.setattr(MemoryEventStore, "after", deleted_first)
        told = list(islice(world.listen(last_id=first), 2))
    assert [event and event.topic for event in told] == [GAP, "a.b"]


def test_listeners_end_soon_after_the_process_is_told_to_stop(world: World) -> None:
    listener = world.listen(idle=60)
    ended = threading.Thread(target=lambda: list(listener))
    ended.start()
    world.stopped = True
    begun = time.monotonic()
    ended.join(3)
    assert not ended.is_alive() and time.monotonic() - begun < 1.5
    wait_for(lambda: world.hub.readers == 0, what="the reader to be forgotten")


def test_a_store_that_was_away_is_read_from_where_one_was(world: World) -> None:
    listener = world.listen()
    world.publish(n=1)
    assert numbers(listener, 1) == [1]
    world.away = True
    world.publish(n=2)
    world.away = False
    world.publish(n=3)
    assert numbers(listener, 2) == [2, 3]


def test_who_lets_go_of_a_listener_is_forgotten(world: World) -> None:
    listener = world.listen()
    assert world.hub.readers == 1
    listener.close()
    assert world.hub.readers == 0 and list(listener) == []
    world.listen()
    assert world.hub.readers == 0


def test_a_forked_child_listens_for_itself(world: World) -> None:
    listener = world.listen()
    world.publish(n=1)
    assert numbers(listener, 1) == [1]
    hub_module._begin_again(world.hub)  # what a child does first
    again = world.listen()
    world.publish(n=2)
    assert numbers(again, 1) == [2]

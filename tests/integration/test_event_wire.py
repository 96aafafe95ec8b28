"""Events over a real Valkey: the same ids in the same order, again after it was away, and two processes that hear."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from sqlalchemy import Engine

from app.bus.redis_streams import EVENTS, WANTED, RedisBus
from app.domain.clock import SystemClock
from app.domain.errors import Unavailable
from app.domain.events import Draft, TopicPattern
from app.realtime.events import EventHub
from app.services.announcing import Announcer
from app.services.publishing import Publisher, Triggers
from app.services.relay import Relay
from app.storage.engines import make_engine
from app.storage.unit_of_work import SqlUnitsOfWork
from tests.servers import ValkeyServer, wait_for


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ValkeyServer]:
    """A Valkey of this test's own, to be killed."""
    server = ValkeyServer(tmp_path / "valkey").start()
    yield server
    server.stop()


@pytest.fixture
def engine(sqlite_url: str) -> Iterator[Engine]:
    engine = make_engine(sqlite_url)
    yield engine
    engine.dispose()


@pytest.fixture
def units(engine: Engine) -> SqlUnitsOfWork:
    return SqlUnitsOfWork(engine)


@pytest.fixture
def bus(server: ValkeyServer) -> RedisBus:
    return RedisBus(server.url, length=1000)


def publish(units: SqlUnitsOfWork, count: int = 1, topic: str = "a.b") -> list[str]:
    """Store events in one transaction; their ids."""
    drafts = [Draft(topic=topic, data={"n": number}) for number in range(count)]
    with units() as unit:
        return [one.event.id for one in Publisher(Triggers()).store(unit.events, drafts)]


def copies(server: ValkeyServer) -> list[str]:
    """Ids of the entries that Redis holds."""
    with Redis.from_url(server.url) as redis:
        found: Any = redis.xrange(EVENTS)
    return [identity.decode() for identity, _ in found]


def test_events_are_copied_in_order_under_their_own_ids(
    units: SqlUnitsOfWork, bus: RedisBus, server: ValkeyServer
) -> None:
    ids = publish(units, 700) + publish(units, 3)
    relays = [Relay(units=units, bus=RedisBus(server.url, length=1000)) for _ in range(2)]
    for relay in relays:
        relay.carry()
    assert copies(server) == ids and bus.top() == relays[0].carry()


def test_two_relays_at_once_copy_each_event_once(units: SqlUnitsOfWork, bus: RedisBus, server: ValkeyServer) -> None:
    relays = [Relay(units=units, bus=RedisBus(server.url, length=100_000)) for _ in range(3)]
    ids: list[str] = []
    for _ in range(20):
        ids += publish(units, 5)
        for relay in relays:
            relay.wake()
    wait_for(lambda: len(copies(server)) >= len(ids), what="everything to be copied")
    assert copies(server) == ids


def test_what_was_published_while_redis_was_away_is_copied_later(
    units: SqlUnitsOfWork, bus: RedisBus, server: ValkeyServer
) -> None:
    relay = Relay(units=units, bus=bus, notes=True)
    before = publish(units, 2)
    relay.look()
    wait_for(lambda: copies(server) == before, what="the first events")
    wait_for(lambda: _relayed(units) == bus.top(), what="beat's note")
    server.kill()
    meanwhile = publish(units, 3)
    relay.wake()
    with pytest.raises(Unavailable):
        relay.carry()
    server.start()
    # It came back empty: what was known to have been there stays away, the rest follows in order.
    wait_for(lambda: copies(server) == meanwhile, what="the rest to be copied")
    assert relay.look() is False


def test_what_redis_took_and_lost_again_is_copied_again(
    units: SqlUnitsOfWork, bus: RedisBus, server: ValkeyServer
) -> None:
    ids = publish(units, 5)
    place = Relay(units=units, bus=bus).carry()
    with units() as unit:
        unit.events.mark_relayed(place)
        stored = unit.events.after(0, None, 10)
    with Redis.from_url(server.url) as redis:
        redis.delete(EVENTS)
    bus.append(stored[:2])  # as after a crash, from a file that is some seconds old
    Relay(units=units, bus=bus).carry()
    assert copies(server) == ids


def test_a_redis_that_takes_nothing_is_left_without_a_hole(
    units: SqlUnitsOfWork, bus: RedisBus, server: ValkeyServer
) -> None:
    ids = publish(units, 3)
    with Redis.from_url(server.url) as redis:
        redis.config_set("maxmemory", 1)
        with pytest.raises(Unavailable):
            Relay(units=units, bus=bus).carry()
        assert copies(server) == []
        redis.config_set("maxmemory", 0)
    Relay(units=units, bus=bus).carry()
    assert copies(server) == ids


def _relayed(units: SqlUnitsOfWork) -> int:
    with units(read_only=True) as unit:
        return unit.events.relayed()


def test_the_stream_is_capped(units: SqlUnitsOfWork, server: ValkeyServer) -> None:
    bus = RedisBus(server.url, length=100)
    publish(units, 2000)
    Relay(units=units, bus=bus).carry()
    assert 100 <= len(copies(server)) < 400


def hub_over(units: SqlUnitsOfWork, server: ValkeyServer, stopped: list[bool]) -> EventHub:
    """Another process's hub."""
    bus = RedisBus(server.url, length=1000)
    return EventHub(units=units, bus=bus, clock=SystemClock(), stopping=lambda: bool(stopped))


def test_listeners_in_other_processes_hear_everything_also_when_redis_dies(
    units: SqlUnitsOfWork, bus: RedisBus, server: ValkeyServer
) -> None:
    stopped: list[bool] = []
    relay = Relay(units=units, bus=bus)
    listeners = [
        hub_over(units, server, stopped).listen(TopicPattern.parse("a.*"), None, idle_seconds=10) for _ in range(2)
    ]
    ids = []
    for trouble in (lambda: None, server.kill, server.start, server.restart):
        trouble()
        ids += publish(units, 10)
        relay.wake()
    for listener in listeners:
        assert [event.id for event in islice(listener, len(ids)) if event] == ids
    stopped.append(True)
    assert all(list(listener) == [] for listener in listeners)


def test_announcements_are_made_only_while_somebody_listens(units: SqlUnitsOfWork, server: ValkeyServer) -> None:
    stopped: list[bool] = []
    announcer = Announcer(RedisBus(server.url, length=1000))
    wait_for(lambda: not announcer.wanted, what="the silence to be noticed")
    listener = hub_over(units, server, stopped).listen(TopicPattern.parse("run.*"), None, idle_seconds=10)
    wait_for(lambda: announcer.wanted, what="the listener to be noticed")
    moment = SystemClock().now()
    draft = Draft(topic="run.started", data={"text": "ș"}, source="ordinaut", depth=2)
    announcer.put([draft.unstored(moment)])
    heard = next(listener)
    assert heard == draft.unstored(moment)
    server.kill()
    announcer.put([draft.unstored(moment)])
    wait_for(lambda: not announcer.wanted, what="the cut wire to be noticed")
    stopped.append(True)


def test_the_first_announcement_after_a_silence_is_heard(units: SqlUnitsOfWork, server: ValkeyServer) -> None:
    stopped: list[bool] = []
    announcer = Announcer(RedisBus(server.url, length=1000))
    wait_for(lambda: not announcer.wanted, what="the silence to be noticed")
    listener = hub_over(units, server, stopped).listen(TopicPattern.parse("run.*"), None, idle_seconds=10)
    with Redis.from_url(server.url) as redis:
        wait_for(lambda: redis.exists(WANTED), what="somebody to listen")
    announcer._looked_at = 0.0  # nothing was announced for long
    told = Draft(topic="run.started", data={}, source="ordinaut").unstored(SystemClock().now())
    assert announcer.wanted
    announcer.put([told])
    assert next(listener) == told
    stopped.append(True)


def test_what_was_announced_to_others_is_not_told_to_who_comes_later(bus: RedisBus) -> None:
    reader, event = bus.reader(), Draft(topic="run.started", data={}).unstored(SystemClock().now())
    for _ in range(2):
        reader.wait(0.05, live=False)
    bus.announce([event])
    assert reader.wait(0.05, live=True).live == []
    bus.announce([event])
    assert reader.wait(1, live=True).live == [event]
    reader.close()


def test_what_cannot_be_read_is_passed_over(units: SqlUnitsOfWork, bus: RedisBus, server: ValkeyServer) -> None:
    reader = bus.reader()
    assert reader.wait(0.1, live=True).stored
    reader.wait(0.1, live=True)
    with Redis.from_url(server.url) as redis:
        redis.xadd("ordinaut:live", {"other": "x"})
        redis.xadd("ordinaut:live", {"events": "not JSON"})
        redis.xadd("ordinaut:live", {"events": '[{"topic": "run.started"}]'})
    heard = reader.wait(1, live=True)
    assert not heard.stored and heard.live == []
    reader.close()

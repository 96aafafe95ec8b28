"""A subscription's cursor under crashes, failures and stops in any order: nothing is skipped or out of turn."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.domain.clock import SystemClock
from app.domain.events import MAX_DEPTH, Batch
from app.domain.extension_work import CRASHED, Pace, Release
from app.extension_host import work_events
from app.extension_host.work_calls import Calls
from app.extension_host.work_events import Reader, Stopping, Workshop
from app.extension_host.work_guard import WorkGuard
from app.services.extension_session import ExtensionSession
from app.services.extension_work import ExtensionWorkService
from app.storage.engines import make_engine
from app.storage.unit_of_work import SqlUnitsOfWork
from ordinaut import Event
from tests.servers import Databases

ATTEMPTS = 2
PACE = Pace(lease=30, handler=5, attempts=ATTEMPTS, drain=1, poll=0.005)


class Killed(BaseException):
    """The process is gone, this very moment."""


class History:
    """Stored events 1-0, 2-0, … of which every third is of another topic."""

    def __init__(self, count: int) -> None:
        self.caught_up: Callable[[], object] = list
        topics = ["shop.paid" if number % 3 else "other.thing" for number in range(1, count + 1)]
        now = SystemClock().now()
        self.events = [
            Event(id=f"{number}-0", topic=topic, data={"n": number}, published_at=now)
            for number, topic in enumerate(topics, start=1)
        ]

    @property
    def wanted(self) -> list[int]:
        """What the subscription is for."""
        return [event.data["n"] for event in self.events if event.topic == "shop.paid"]

    def newest(self) -> str:
        """Nobody has seen anything."""
        return "0-0"

    def since(self, cursor: str, pattern: str, limit: int) -> Batch:
        """Three events at a time."""
        if cursor == self.events[-1].id:
            self.caught_up()
        later = [event for event in self.events if int(event.id[:-2]) > int(cursor[:-2])]
        seen = later[:3]
        found = tuple(event for event in seen if event.topic == "shop.paid")
        return Batch(found, seen[-1].id if seen else cursor, more=len(later) > 3)

    def listen(self, pattern: str) -> Iterator[Event | None]:
        """Silence."""
        return iter(())


class Life:
    """Processes that follow each other, and what they did."""

    def __init__(self, units: SqlUnitsOfWork, history: History) -> None:
        self.units = units
        self.history = history
        self.begun: list[int] = []
        self.done: list[int] = []

    def live(self, script: Sequence[str]) -> None:
        """One process, which handles events as the script says, and stops when that is over."""
        steps = iter(script)
        with self.units() as unit:
            lease = unit.extension_work.take("shop", owner="w", version="1", seconds=30)
        assert lease is not None
        session = ExtensionSession(lease, owner="w", units=self.units, clock=SystemClock(), seconds=30)
        try:
            asyncio.run(self._process(session, lambda: next(steps, "stop")))
        except Killed:
            session.release(Release(status=CRASHED, pause=0))
        else:
            session.release(Release())

    async def _process(self, session: ExtensionSession, step: Callable[[], str]) -> None:
        stopping = Stopping()
        guard = WorkGuard(session, seconds=30, drain=1, born_of=0)
        calls = Calls("shop", seconds=5, guard=guard)
        shop = Workshop(session=session, calls=calls, pace=PACE, stopping=stopping)

        async def handle(event: Event) -> None:
            self.begun.append(event.data["n"])
            match step():
                case "die":
                    raise Killed
                case "fail":
                    raise ValueError("no")
                case "stop":
                    stopping.set()
            self.done.append(event.data["n"])

        subscription = session.subscribe("shop.*", newest=self.history.newest())
        loop = asyncio.get_running_loop()
        self.history.caught_up = lambda: loop.call_soon_threadsafe(stopping.set)
        await Reader(subscription, handle, shop=shop, events=self.history).run()

    def settled(self) -> bool:
        """Whether nothing is left to deliver."""
        return set(self.done) | set(self.buried) >= set(self.history.wanted)

    @property
    def buried(self) -> list[int]:
        """Events that were put aside, in that order."""
        page = ExtensionWorkService(units=self.units).dead_letters("shop", limit=200, offset=0)
        return [letter.event.data["n"] for letter in page.items][::-1]


@contextmanager
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Pauses of a moment."""
    with monkeypatch.context() as patch:
        patch.setattr(work_events, "pause_after", lambda failures: 0.001)
        yield


LIVES = st.lists(st.lists(st.sampled_from(["take", "take", "fail", "die", "stop"]), max_size=6), max_size=5)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lives=LIVES)
def test_whatever_happens_each_event_is_taken_or_put_aside(
    lives: list[list[str]], databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = make_engine(databases.sqlite(tmp_path / f"{hash(str(lives))}.db"))
    life = Life(SqlUnitsOfWork(engine), History(12))
    with quick(monkeypatch):
        for script in lives:
            life.live(script)
        life.live(["take"] * 100)
    wanted, buried = life.history.wanted, life.buried
    engine.dispose()
    assert sorted(set(life.done) | set(buried)) == wanted
    # In order: an event is begun only when all before it were done with.
    for position, number in enumerate(life.begun):
        before = [one for one in wanted if one < number]
        assert set(before) <= set(life.begun[:position])
    for number in buried:
        assert life.begun.count(number) >= ATTEMPTS


EDGES: list[tuple[list[list[str]], dict[str, Any]]] = [
    # each row: how lives went, and what is known afterwards
    ([["fail", "fail"]], {"buried": [1]}),  # two attempts, and it is put aside
    ([["fail", "take"]], {"buried": [], "begun": [1, 1, 2]}),  # the second one succeeds
    ([["take", "die"]], {"begun": [1, 2, 1, 2]}),  # what was not noted comes again
    ([["die"], ["die"], ["die"]], {"buried": [1], "begun": [1, 1, 1, 2]}),  # the first death is not counted
    ([["fail", "die"]], {"buried": [1], "begun": [1, 1, 2]}),  # attempts survive their process
]


@pytest.mark.parametrize(("lives", "known"), EDGES)
def test_what_a_crash_leaves(
    units: SqlUnitsOfWork, monkeypatch: pytest.MonkeyPatch, lives: list[list[str]], known: dict[str, Any]
) -> None:
    life = Life(units, History(2))
    with quick(monkeypatch):
        for script in lives:
            life.live(script)
        if not life.settled():
            life.live(["take"] * 10)
    assert {name: getattr(life, name) for name in known} == known


def test_a_gap_in_the_history_is_told_and_read_over(units: SqlUnitsOfWork, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(work_events, "emit", lambda event, **facts: told.append(event))
    history = History(4)
    life = Life(units, history)
    plain = history.since

    def trimmed(cursor: str, pattern: str, limit: int) -> Batch:
        batch = plain(cursor, pattern, limit)
        return Batch(batch.events, batch.last_id, more=batch.more, gap=cursor == "0-0")

    monkeypatch.setattr(history, "since", trimmed)
    life.live(["take"] * 10)
    assert told == ["extension.events_missed"]
    assert life.done == history.wanted


def test_an_event_that_too_many_have_led_to_is_put_aside(units: SqlUnitsOfWork) -> None:
    life = Life(units, History(2))
    life.history.events[0] = replace(life.history.events[0], depth=MAX_DEPTH)
    life.live(["take"] * 5)
    assert (life.begun, life.buried) == ([2], [1])
    (letter,) = ExtensionWorkService(units=units).dead_letters("shop", limit=5, offset=0).items
    assert (letter.attempts, letter.error) == (0, "Events have led to one another 8 times: the chain ends here")

"""A burst of events is one run, which carries the last of them: on both databases, and exactly once."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, text

from app.domain.tasks import OccurrenceRecord, Task
from app.services.debounce import Debouncer
from app.services.events import EventService
from app.storage.unit_of_work import SqlUnitsOfWork
from tests.contract.test_events import on_event, service
from tests.fakes.stores import CountingQueue
from tests.fakes.task_world import TurnedClock


@dataclass(frozen=True, slots=True)
class World:
    """Events as they come, and beat's clock, which a test turns ahead of them."""

    units: SqlUnitsOfWork
    events: EventService
    clock: TurnedClock
    debouncer: Debouncer
    queue: CountingQueue

    def publish(self, *orders: int) -> None:
        """An event for each."""
        for order in orders:
            self.events.publish("shop.paid", {"order": order}, source="shop")

    def after(self, seconds: float) -> None:
        """Beat looks so long after the present moment."""
        self.clock.moment = datetime.now(UTC) + timedelta(seconds=seconds)
        self.debouncer.look()

    def records(self, task: Task) -> Sequence[OccurrenceRecord]:
        """Oldest first."""
        with self.units(read_only=True) as unit:
            return unit.tasks.occurrences(task.id, limit=50, offset=0).items[::-1]


@pytest.fixture
def world(units: SqlUnitsOfWork) -> World:
    """On this database."""
    clock, queue = TurnedClock(datetime.now(UTC)), CountingQueue()
    debouncer = Debouncer(units=units, queue=queue, clock=clock)
    return World(units, service(units), clock, debouncer, queue)


def outcomes(world: World, task: Task) -> list[str]:
    """What became of the events, oldest first."""
    return [record.outcome for record in world.records(task)]


def carried(world: World, task: Task) -> list[int]:
    """The orders of the events that the task's runs carry."""
    ids = [record.run_id for record in world.records(task) if record.outcome == "fired"]
    with world.units(read_only=True) as unit:
        return [(unit.runs.get(run_id or "").event or {})["payload"]["order"] for run_id in ids]


def test_a_burst_is_one_run_for_its_last_event(units: SqlUnitsOfWork, world: World) -> None:
    task = on_event(units, debounce_seconds=30)
    world.publish(1, 2, 3)
    world.after(29)
    assert (carried(world, task), world.queue.rings) == ([], 0)
    world.after(31)
    assert (carried(world, task), world.queue.rings) == ([3], 1)
    assert outcomes(world, task) == ["deduped", "deduped", "fired"]
    assert world.records(task)[0].reason == "A later event of the same burst stands for it"
    world.after(120)
    assert carried(world, task) == [3]


def test_the_next_burst_is_another_run(units: SqlUnitsOfWork, world: World) -> None:
    task = on_event(units, debounce_seconds=30, overlap="allow")
    world.publish(1, 2)
    world.after(31)
    world.publish(3)
    world.after(31)
    assert carried(world, task) == [2, 3]


def test_a_burst_that_does_not_stop_runs_after_the_longest_wait(
    engine: Engine, units: SqlUnitsOfWork, world: World
) -> None:
    task = on_event(units, debounce_seconds=30, debounce_max_wait_seconds=45)
    world.publish(1)
    # It began a while ago.
    with engine.begin() as connection:
        connection.execute(text("UPDATE debounces SET first_at = first_at - 40000000"))
    world.publish(2)
    world.after(6)
    assert carried(world, task) == [2]


def test_tasks_wait_each_for_themselves(units: SqlUnitsOfWork, world: World) -> None:
    slow, fast, plain = (on_event(units, debounce_seconds=seconds) for seconds in (60, 5, None))
    world.publish(1, 2)
    world.after(10)
    assert [carried(world, task) for task in (slow, fast, plain)] == [[], [2], [1]]


@pytest.mark.parametrize(
    "change", ["status = 'paused'", "schedule_kind = 'manual'", "snoozed_until = 4102444800000000"]
)
def test_a_task_that_was_put_to_rest_meanwhile_leaves_a_row(
    engine: Engine, units: SqlUnitsOfWork, world: World, change: str
) -> None:
    task = on_event(units, debounce_seconds=5)
    world.publish(1)
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE tasks SET {change}"))
    world.after(6)
    assert outcomes(world, task) == ["skipped_snooze"]


def test_other_policies_hold_when_the_burst_is_over(units: SqlUnitsOfWork, world: World) -> None:
    task = on_event(units, debounce_seconds=5, overlap="skip", max_runs=2)
    for order in (1, 2):
        world.publish(order)
        world.after(6)
    assert outcomes(world, task) == ["fired", "skipped_overlap"]


def test_the_last_run_granted_completes_the_task(units: SqlUnitsOfWork, world: World) -> None:
    task = on_event(units, debounce_seconds=5, max_runs=1)
    world.publish(1)
    world.after(6)
    with units(read_only=True) as unit:
        assert unit.tasks.get(task.id).status == "completed"


def test_of_two_beats_one_ends_the_burst(units: SqlUnitsOfWork, world: World) -> None:
    task = on_event(units, debounce_seconds=5, overlap="allow")
    world.publish(1, 2)
    world.clock.moment = datetime.now(UTC) + timedelta(seconds=6)
    barrier = threading.Barrier(2)

    def look() -> None:
        barrier.wait()
        world.debouncer.look()

    beats = [threading.Thread(target=look) for _ in range(2)]
    for beat in beats:
        beat.start()
    for beat in beats:
        beat.join()
    assert carried(world, task) == [2] and world.queue.rings == 1


def test_an_event_that_comes_as_the_burst_ends_is_not_lost(units: SqlUnitsOfWork, world: World) -> None:
    task = on_event(units, debounce_seconds=1, overlap="allow")
    stop = threading.Event()

    def beat() -> None:
        while not stop.is_set():
            world.after(1.0)

    thread = threading.Thread(target=beat)
    thread.start()
    world.publish(*range(1, 31))
    stop.set()
    thread.join()
    world.after(2)
    assert len(outcomes(world, task)) == 30
    assert carried(world, task)[-1] == 30

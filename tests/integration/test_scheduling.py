"""Beat's tick over real databases: once each, whoever ticks, and never anything of the past that was not asked for."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from unittest.mock import patch

import pytest
from sqlalchemy import Engine, text

from app.domain.errors import Unavailable
from app.domain.next_run import aimed_at, first_after
from app.domain.runs import RunFilter
from app.domain.tasks import OccurrenceRecord, Task
from app.services import task_states
from app.services.scheduling import BATCH, LONGEST_SLEEP, RINGS, SchedulingService
from app.services.task_states import Nap
from app.services.tasks import TaskService
from app.storage.engines import make_engine
from app.storage.runs import SqlRunStore
from app.storage.tasks import SqlTaskStore
from app.storage.unit_of_work import SqlUnitsOfWork
from app.tools.forms import SchemaForms
from app.tools.registry import ToolRegistry
from tests.fakes.access import Calling
from tests.fakes.hands import Bell, in_thread
from tests.fakes.rows import a_task, queued, stored
from tests.servers import wait_for

NINE = datetime(2026, 11, 24, 9, tzinfo=UTC)
SECOND = timedelta(seconds=1)
EACH_SECOND: dict[str, Any] = {
    "schedule_kind": "cron",
    "schedule_expr": "* * * * * *",
    "overlap": "allow",
    "created_at": NINE,
    "anchor_at": NINE,
}


class SetClock:
    """A clock that stands until it is set."""

    def __init__(self) -> None:
        self.at = NINE

    def now(self) -> datetime:
        """The moment it is set to."""
        return self.at


class World:
    """A database, a clock, and what ticks on them."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.units = SqlUnitsOfWork(engine)
        self.clock = SetClock()
        self.bell = Bell()
        self.beat = self.another_beat()
        service = TaskService(
            units=self.units, tools=ToolRegistry(), queue=self.bell, clock=self.clock, forms=SchemaForms()
        )
        self.tasks: Any = Calling(service)

    def another_beat(self) -> SchedulingService:
        """One more of them."""
        return SchedulingService(units=self.units, queue=self.bell, clock=self.clock)

    def task(self, **fields: Any) -> Task:
        """A stored task of every second, aimed at its first time from nine on, but for what is given."""
        task = a_task(**{**EACH_SECOND, **fields})
        return stored(self.units, aimed_at(task, first_after(task, NINE - SECOND)))

    def tick(self, at: datetime | None = None) -> float:
        """Tick until nothing is due any more; what the last tick said."""
        self.clock.at = at or self.clock.at
        while not (seconds := self.beat.tick()):
            pass
        return seconds

    def outcomes(self, task: Task) -> list[tuple[datetime, str]]:
        """What was recorded, oldest first."""
        return [(one.nominal_at, one.outcome) for one in self.records(task)]

    def records(self, task: Task) -> list[OccurrenceRecord]:
        """The rows of a task, oldest first."""
        with self.units(read_only=True) as unit:
            return list(reversed(unit.tasks.occurrences(task.id, limit=10_000, offset=0).items))

    def has_records(self, task: Task, least: int) -> bool:
        """Whether a task has so many rows."""
        return len(self.records(task)) >= least

    def runs(self, task: Task) -> list[Any]:
        """The task's runs, oldest first."""
        with self.units(read_only=True) as unit:
            return list(reversed(unit.runs.page(RunFilter(task_id=task.id), limit=10_000, offset=0).items))

    def read(self, task: Task) -> Task:
        """The task as it stands."""
        found: Task = self.tasks.get(task.id)
        return found


@pytest.fixture
def world(database_url: str) -> Iterator[World]:
    """One for each database."""
    engine = make_engine(database_url)
    yield World(engine)
    engine.dispose()


def test_an_occurrence_becomes_a_run(world: World) -> None:
    task = world.task(schedule_expr="0 9 * * *", priority=2, max_retries=4)
    assert world.tick(NINE - SECOND) == LONGEST_SLEEP
    assert world.tick(NINE - SECOND / 10) == pytest.approx(0.1)
    assert world.runs(task) == [] and world.bell.rings == 0
    world.tick(NINE + SECOND)
    (run,), (record,) = world.runs(task), world.records(task)
    assert (run.trigger, run.status, run.nominal_at, run.scheduled_for) == ("schedule", "queued", NINE, NINE)
    assert (run.priority, run.max_attempts, run.definition_id) == (2, 5, task.definition_id)
    assert (record.outcome, record.run_id, record.effective_at) == ("fired", run.id, NINE)
    assert world.bell.rings > 0
    moved = world.read(task)
    assert (moved.next_run_at, moved.fired_count) == (NINE + timedelta(days=1), 1)
    # What beat does is no edit: whoever holds the task's version may still change it.
    assert moved.version == task.version
    world.tick()
    assert len(world.runs(task)) == 1


def test_three_that_tick_at_once_fire_each_occurrence_once(world: World) -> None:
    tasks = [world.task() for _ in range(20)]
    seconds, stop = 15, threading.Event()

    def beat(service: SchedulingService) -> None:
        # An exception in a thread is a warning, and warnings are errors here.
        while not stop.is_set():
            service.tick()

    threads = [in_thread(lambda: beat(world.another_beat())) for _ in range(3)]
    for number in range(seconds):
        world.clock.at = NINE + number * SECOND
        wait_for(partial(world.has_records, tasks[-1], number + 1), seconds=60, what="the beats to catch up")
    stop.set()
    for thread in threads:
        thread.join(60)
    world.tick()
    times = [NINE + number * SECOND for number in range(seconds)]
    for task in tasks:
        assert [nominal for nominal, _ in world.outcomes(task)] == times
        fired = [record for record in world.records(task) if record.outcome == "fired"]
        runs = world.runs(task)
        assert sorted(run.id for run in runs) == sorted(str(record.run_id) for record in fired)
        assert max(Counter(run.nominal_at for run in runs).values()) == 1
        assert world.read(task).fired_count == len(fired)


@pytest.mark.parametrize("wake", ["resume", "edit"])
def test_what_was_due_during_a_pause_never_fires(world: World, wake: str) -> None:
    task = world.task(misfire="all")
    world.tick(NINE)
    world.tasks.pause(task.id)
    world.tick(NINE + 60 * SECOND)
    assert len(world.records(task)) == 1
    world.clock.at = NINE + 90 * SECOND
    if wake == "resume":
        world.tasks.resume(task.id)
    else:
        world.tasks.patch(task.id, {"status": "active"})
    world.tick()
    assert len(world.records(task)) == 1
    world.tick(NINE + 91 * SECOND)
    assert [nominal for nominal, _ in world.outcomes(task)] == [NINE, NINE + 91 * SECOND]


def test_an_edited_schedule_counts_from_the_edit(world: World) -> None:
    task = world.task(misfire="all", schedule_expr="0 9 * * *")
    world.clock.at = NINE + timedelta(hours=3)
    world.tasks.patch(task.id, {"schedule_expr": "*/30 * * * *"})
    world.tick()
    assert world.records(task) == []
    world.tick(NINE + timedelta(hours=3, minutes=30))
    assert world.outcomes(task) == [(NINE + timedelta(hours=3, minutes=30), "fired")]


def test_an_edit_of_something_else_loses_nothing_that_is_due(world: World) -> None:
    task = world.task(schedule_expr="0 9 * * *")
    world.clock.at = NINE + 5 * SECOND
    world.tasks.patch(task.id, {"title": "Another", "priority": 1, "jitter_seconds": 0})
    world.tick()
    assert world.outcomes(task) == [(NINE, "fired")]


def test_a_schedule_that_comes_back_to_a_recorded_moment_does_not_fire_it_again(world: World) -> None:
    task = world.task(schedule_expr="0 9 * * *")
    world.tick(NINE)
    stale = replace(world.read(task), next_run_at=NINE, next_due_at=NINE)
    with world.units() as unit:
        unit.tasks.advance([stale])
    world.tick(NINE + SECOND)
    assert len(world.runs(task)) == len(world.records(task)) == 1
    assert world.read(task).next_run_at == NINE + timedelta(days=1)


@pytest.mark.parametrize(
    ("fields", "times"),
    [
        ({"schedule_kind": "once", "schedule_expr": "2026-11-24T09:00:00Z"}, 1),
        ({"schedule_kind": "rrule", "schedule_expr": "DTSTART:20261124T090000Z\nRRULE:FREQ=MINUTELY;COUNT=3"}, 3),
        ({"max_runs": 2}, 2),
        ({"ends_at": NINE + 4 * SECOND}, 4),
    ],
)
def test_a_schedule_without_a_next_time_completes_its_task(world: World, fields: dict[str, Any], times: int) -> None:
    task = world.task(**fields)
    for number in range(200):
        world.tick(NINE + number * SECOND)
    ended = world.read(task)
    assert (ended.status, ended.next_run_at, ended.next_due_at, ended.fired_count) == ("completed", None, None, times)
    assert len(world.runs(task)) == times


def test_what_does_not_run_leaves_a_row_with_its_reason(world: World) -> None:
    busy = world.task(overlap="skip")
    queued(world.units, busy)
    asleep = world.task()
    world.tasks.snooze(asleep.id, Nap(delay_seconds=2, reason="On holiday"))
    late = world.task(misfire="skip", misfire_grace_seconds=0)
    world.tick(NINE + SECOND)
    assert {outcome for _, outcome in world.outcomes(busy)} == {"skipped_overlap"}
    assert [outcome for _, outcome in world.outcomes(late)] == ["skipped_misfire", "fired"]
    world.tick(NINE + 2 * SECOND)
    assert [outcome for _, outcome in world.outcomes(asleep)] == ["skipped_snooze", "skipped_snooze", "fired"]
    assert world.records(asleep)[0].reason == "On holiday"
    for task in (busy, asleep, late):
        for record in world.records(task):
            assert (record.run_id is None) == (record.outcome != "fired") and bool(record.reason) == (not record.run_id)


@pytest.mark.parametrize(("misfire", "fired"), [("skip", 0), ("last", 1), ("all", 10)])
def test_after_a_day_without_beat(world: World, misfire: str, fired: int) -> None:
    task = world.task(schedule_expr="0 * * * *", misfire=misfire)
    world.tick(NINE + timedelta(hours=23, minutes=30))
    outcomes = Counter(outcome for _, outcome in world.outcomes(task))
    assert outcomes["fired"] == fired and sum(outcomes.values()) == 24
    assert world.outcomes(task)[-1][1] == ("fired" if fired else "skipped_misfire")


def test_a_burst_is_fired_in_batches(world: World) -> None:
    tasks = [a_task(**EACH_SECOND, next_run_at=NINE, next_due_at=NINE) for _ in range(300)]
    with world.units() as unit:
        for task in tasks:
            unit.tasks.add(task)
    world.clock.at = NINE
    for fired, again in ((BATCH, 0.0), (300, 0.0)):
        assert world.beat.tick() == again
        with world.units(read_only=True) as unit:
            assert unit.runs.page(RunFilter(), limit=1, offset=0).total == fired
    assert world.beat.tick() > 0
    assert 2 * RINGS <= world.bell.rings <= 3 * (RINGS + 1)


def test_a_very_long_absence_is_worked_off_over_several_ticks(world: World) -> None:
    tasks = [world.task(misfire="last") for _ in range(3)]
    world.tick(NINE + 1999 * SECOND)
    for task in tasks:
        outcomes = Counter(outcome for _, outcome in world.outcomes(task))
        assert sum(outcomes.values()) == 2000
        assert outcomes["fired"] == 61  # those that are on time: a minute's grace, both ends counted in


BROKEN = [(SqlTaskStore, "add_occurrences"), (SqlRunStore, "add"), (SqlTaskStore, "advance")]


@pytest.mark.parametrize(("store", "method"), BROKEN, ids=[name for _, name in BROKEN])
def test_a_database_that_fails_half_way_leaves_nothing_half_written(world: World, store: type, method: str) -> None:
    task = world.task()
    world.clock.at = NINE
    with patch.object(store, method, side_effect=Unavailable), pytest.raises(Unavailable):
        world.beat.tick()
    assert world.runs(task) == [] and world.records(task) == [] and world.read(task) == task
    assert world.bell.rings == 0
    world.tick()
    assert world.outcomes(task) == [(NINE, "fired")]


def test_a_database_that_dies_during_the_commit_leaves_nothing_half_written(world: World) -> None:
    task = world.task()
    world.clock.at = NINE

    def killed(store: SqlTaskStore, tasks: Any) -> None:
        store._connection.connection.close()

    with patch.object(SqlTaskStore, "advance", killed), pytest.raises(Exception):  # noqa: B017 - the driver's own
        world.beat.tick()
    assert world.runs(task) == [] and world.records(task) == []
    world.tick()
    assert world.outcomes(task) == [(NINE, "fired")]


def test_one_task_that_cannot_be_read_does_not_stop_the_others(world: World) -> None:
    broken, good = world.task(), world.task()
    with world.engine.begin() as connection:
        connection.execute(text("UPDATE tasks SET timezone = 'Gone/Zone' WHERE id = :id"), {"id": broken.id})
    world.tick(NINE)
    assert world.outcomes(good) == [(NINE, "fired")]
    assert world.outcomes(broken) == []
    assert (world.read(broken).status, world.read(broken).next_due_at) == ("paused", None)


def test_a_retry_that_has_come_due_rings(world: World) -> None:
    queued(world.units, world.task(schedule_kind="manual", schedule_expr=None))
    world.clock.at = datetime.now(UTC) + SECOND
    world.beat.tick()
    assert world.bell.rings == 1


def test_a_task_deleted_or_paused_between_two_looks_is_left_alone(world: World) -> None:
    gone, paused, canceled = world.task(), world.task(), world.task()
    world.tasks.delete(gone.id)
    world.tasks.pause(paused.id)
    world.tasks.cancel(canceled.id)
    world.tick(NINE + 5 * SECOND)
    assert world.records(paused) == world.records(canceled) == []
    assert task_states.paused(world.read(paused)).message == "Task is already paused"

"""No second run with the key of one accepted inside its window, on both databases and whoever asks at the same time."""

from __future__ import annotations

import threading
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine

from app.domain.next_run import aimed_at
from app.domain.tasks import Task
from app.services.child_runs import ChildRuns
from app.services.run_requests import RunRequest
from app.services.scheduling import SchedulingService
from app.services.tasks import TaskService
from app.storage.unit_of_work import SqlUnitsOfWork
from app.tools.forms import SchemaForms
from app.tools.registry import ToolRegistry
from tests.contract.test_events import on_event, service
from tests.fakes.access import ANA
from tests.fakes.rows import a_run, a_task, stored
from tests.fakes.stores import CountingQueue
from tests.fakes.task_world import TurnedClock

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)


@pytest.fixture
def clock() -> TurnedClock:
    """Nine o'clock, until a test turns it."""
    return TurnedClock(NOW)


def by_hand(units: SqlUnitsOfWork, clock: TurnedClock, task: Task, **params: str) -> tuple[str, bool]:
    """Ask for a run; its id, and whether it stood already."""
    queue = CountingQueue()
    tasks = TaskService(units=units, tools=ToolRegistry(), queue=queue, clock=clock, forms=SchemaForms())
    run, before = tasks.run_now(task.id, RunRequest(params=params), caller=ANA, request_id="")
    assert queue.rings == (0 if before else 1)
    return run.id, before


def keyed(units: SqlUnitsOfWork, key: str = "daily", seconds: int = 60, **fields: object) -> Task:
    """A stored task with a dedupe key."""
    base = {"created_by": ANA.agent_id, "dedupe_key": key, "dedupe_window_seconds": seconds}
    return stored(units, a_task(**base, **fields))


def test_a_run_that_a_step_started_and_asks_for_again_takes_no_key(units: SqlUnitsOfWork, clock: TurnedClock) -> None:
    task = keyed(units)
    children = ChildRuns(units=units, clock=clock, queue=CountingQueue())
    started = children.start(task.id, None, caller=ANA, key="run:step")
    clock.pass_by(seconds=61)
    # The worker died once it had started it; the step is done again.
    assert children.start(task.id, None, caller=ANA, key="run:step") == started
    with units() as unit:
        again = a_run(task, dedupe_key=task.dedupe_key, dedupe_window_seconds=task.dedupe_window_seconds)
        assert unit.dedupe.accept(again, clock.now()) is None, "nobody holds the key"


def test_the_earlier_run_is_answered_until_the_window_is_over(units: SqlUnitsOfWork, clock: TurnedClock) -> None:
    task = keyed(units)
    first, _ = by_hand(units, clock, task)
    clock.pass_by(seconds=59, milliseconds=999)
    assert by_hand(units, clock, task) == (first, True)
    clock.pass_by(milliseconds=1)
    second, before = by_hand(units, clock, task)
    assert second != first and not before
    clock.pass_by(seconds=59)
    assert by_hand(units, clock, task) == (second, True)


def test_other_keys_and_other_tasks_are_no_concern(units: SqlUnitsOfWork, clock: TurnedClock) -> None:
    task = keyed(units, "${params.day}")
    ids = {by_hand(units, clock, task, day=day)[0] for day in ("monday", "tuesday", "monday")}
    ids.add(by_hand(units, clock, keyed(units, "${params.day}"), day="monday")[0])
    assert len(ids) == 3


def test_a_key_that_comes_to_nothing_keeps_nobody_off(units: SqlUnitsOfWork, clock: TurnedClock) -> None:
    task = keyed(units, "${params.day}")
    assert by_hand(units, clock, task, day="")[0] != by_hand(units, clock, task, day="")[0]


def test_a_run_whose_record_is_gone_keeps_nobody_off(units: SqlUnitsOfWork, clock: TurnedClock) -> None:
    task = keyed(units, seconds=86_400)
    first, _ = by_hand(units, clock, task)
    with units() as unit:
        unit.runs.cancel_queued(first, clock.now())
        assert unit.runs.purge(datetime.now(UTC) + timedelta(days=1), 10) == 1
    second, before = by_hand(units, clock, task)
    assert second != first and not before
    assert by_hand(units, clock, task) == (second, True)


def test_occurrences_with_a_key_inside_the_window_are_deduped(units: SqlUnitsOfWork, clock: TurnedClock) -> None:
    every_minute = {"schedule_kind": "cron", "schedule_expr": "* * * * *", "overlap": "allow"}
    task = aimed_at(a_task(**every_minute, dedupe_key="k", dedupe_window_seconds=120, anchor_at=NOW), NOW)
    stored(units, task)
    scheduling = SchedulingService(units=units, queue=CountingQueue(), clock=clock)
    for _ in range(4):
        scheduling.tick()
        clock.pass_by(minutes=1)
    with units(read_only=True) as unit:
        records = unit.tasks.occurrences(task.id, limit=10, offset=0).items
        fired = unit.tasks.get(task.id).fired_count
    assert [record.outcome for record in records] == ["deduped", "fired", "deduped", "fired"]
    assert records[0].run_id == records[1].run_id and fired == 2
    assert records[0].reason == "A run with the same key was accepted within 120 s"


def test_an_occurrence_that_has_its_row_already_takes_no_key(units: SqlUnitsOfWork, clock: TurnedClock) -> None:
    every_minute = {"schedule_kind": "cron", "schedule_expr": "* * * * *", "overlap": "allow"}
    task = aimed_at(a_task(**every_minute, dedupe_key="${run.nominal_at}", dedupe_window_seconds=9, anchor_at=NOW), NOW)
    stored(units, task)
    scheduling = SchedulingService(units=units, queue=CountingQueue(), clock=clock)
    scheduling.tick()
    with units() as unit:
        unit.tasks.advance([task])
        unit.dedupe.purge(NOW + timedelta(days=1), 10)
    scheduling.tick()
    with units() as unit:
        probe = a_run(task, dedupe_key="2026-11-24T09:00:00Z", dedupe_window_seconds=9)
        assert unit.dedupe.accept(probe, NOW) is None


def test_events_with_a_key_inside_the_window_are_deduped(units: SqlUnitsOfWork) -> None:
    task = on_event(units, dedupe_key="${event.payload.order}", dedupe_window_seconds=3600, overlap="allow")
    events = service(units)
    for order in (1, 1, 2):
        events.publish("shop.paid", {"order": order}, source="shop")
    with units(read_only=True) as unit:
        records = unit.tasks.occurrences(task.id, limit=10, offset=0).items
    assert [record.outcome for record in reversed(records)] == ["fired", "deduped", "fired"]
    assert records[1].run_id == records[2].run_id


def test_keys_whose_window_is_over_are_forgotten(units: SqlUnitsOfWork, clock: TurnedClock) -> None:
    task = keyed(units, "${params.day}")
    first, _ = by_hand(units, clock, task, day="monday")
    clock.pass_by(seconds=30)
    second, _ = by_hand(units, clock, task, day="tuesday")
    with units() as unit:
        unit.dedupe.purge(clock.now() + timedelta(seconds=30), 10)
    # Nothing but the purge takes a key from its window.
    clock.pass_by(seconds=-30)
    assert by_hand(units, clock, task, day="monday")[0] != first
    assert by_hand(units, clock, task, day="tuesday") == (second, True)


def test_of_many_who_ask_at_once_one_makes_a_run(engine: Engine, units: SqlUnitsOfWork) -> None:
    """Not even the lock on the task's row is taken here: the key's own row decides."""
    task, barrier = keyed(units), threading.Barrier(6)
    answers: list[str | None] = []

    def ask() -> None:
        run = a_run(task, dedupe_key="k", dedupe_window_seconds=60)
        barrier.wait()
        with SqlUnitsOfWork(engine)() as unit:
            answer = unit.dedupe.accept(run, NOW)
            if answer is None:
                unit.runs.add([run], NOW)
        answers.append(answer)

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with units(read_only=True) as unit:
        made = unit.runs.latest(task.id)
    assert made is not None
    assert Counter(answers) == {None: 1, made.id: 5}

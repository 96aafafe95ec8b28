"""Incidents on both databases: each is opened and ended once, whoever judges, and told of once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from app.domain.errors import NotFound
from app.domain.execution import Settlement
from app.domain.incidents import Incident, IncidentFilter
from app.domain.runs import RunFilter
from app.domain.tasks import Task
from app.services.incidents import IncidentService
from app.services.lifecycle import Herald
from app.storage.engines import make_engine
from app.storage.incidents import WATCHED_TASKS
from app.storage.ledger import SqlRunLedger
from app.storage.unit_of_work import SqlUnitsOfWork
from tests.fakes.rows import a_task, queued, stored
from tests.servers import Databases

HOUR = timedelta(hours=1)
JUDGES = 6


@dataclass
class MovedClock:
    """The machine's, some time ahead or behind."""

    ahead: timedelta = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@dataclass
class World:
    """A database with somebody who judges, and a task that hears of it."""

    units: SqlUnitsOfWork
    ledger: SqlRunLedger
    clock: MovedClock = field(default_factory=MovedClock)

    def service(self) -> IncidentService:
        """As another process would make it."""
        return IncidentService(units=self.units, clock=self.clock, herald=Herald.silent(self.clock))

    def task(self, **expect: int) -> Task:
        """One of which something has been expected for an hour."""
        return stored(self.units, a_task(expect=expect, watched_since=self.clock.now() - HOUR))

    def change(self, task: Task, **fields: Any) -> Task:
        """Another version of it."""
        changed = replace(task, **fields, version=task.version + 1)
        with self.units() as unit:
            unit.tasks.save(changed)
        return changed

    def judge(self) -> Sequence[Incident]:
        """All incidents, newest first, once they are judged."""
        self.service().judge()
        with self.units(read_only=True) as unit:
            return unit.incidents.page(IncidentFilter(), limit=50, offset=0).items

    def succeed(self) -> None:
        """A worker does all there is to do."""
        runs = self.ledger.exchange("w/1", want=20).claimed
        line = (1, "state", {"status": "succeeded"})
        self.ledger.exchange("w/1", settle=[Settlement(run=run, status="succeeded", lines=[line]) for run in runs])

    def listener(self, topic: str) -> Callable[[], int]:
        """How often a task has been started by what is told on the topic."""
        task = stored(self.units, a_task(schedule_kind="event", schedule_expr=topic, overlap="allow"))
        with self.units() as unit:
            unit.events.triggers_changed()

        def heard() -> int:
            with self.units(read_only=True) as unit:
                return unit.runs.count(RunFilter(task_id=task.id))

        return heard

    def judged_at_once(self) -> None:
        """Several processes judge in the same moment."""
        ready = threading.Barrier(JUDGES)

        def judge(service: IncidentService) -> None:
            ready.wait()
            service.judge()

        threads = [threading.Thread(target=judge, args=(self.service(),)) for _ in range(JUDGES)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


@pytest.fixture
def world(units: SqlUnitsOfWork, ledger: SqlRunLedger) -> World:
    return World(units, ledger)


def test_no_success_for_too_long_until_there_is_one(world: World) -> None:
    task = world.task(no_success_for=60)
    (incident,) = world.judge()
    assert (incident.task_id, incident.task_title, incident.owner) == (task.id, "A task", "local")
    assert (incident.kind, incident.limit_seconds, incident.run_id) == ("no_success_for", 60, None)
    assert (incident.counted_from, incident.breached_at) == (
        task.watched_since,
        incident.counted_from + timedelta(seconds=60),
    )
    queued(world.units, task)
    assert world.judge() == (incident,)
    world.succeed()
    (ended,) = world.judge()
    assert (ended.id, ended.resolution) == (incident.id, "recovered")
    assert ended.resolved_at is not None


def test_a_run_that_nobody_begins(world: World) -> None:
    task = world.task(start_within=60)
    _, late = queued(world.units, task), queued(world.units, task, scheduled_for=world.clock.now() - HOUR)
    (incident,) = world.judge()
    assert (incident.kind, incident.run_id) == ("start_within", late[0])
    world.ledger.exchange("w/1", want=20)
    assert world.judge()[0].resolution == "recovered"


def test_a_run_that_does_not_end(world: World) -> None:
    task = world.task(finish_within=60)
    (late,) = queued(world.units, task, scheduled_for=world.clock.now() - HOUR)
    runs = world.ledger.exchange("w/1", want=20).claimed
    assert (world.judge()[0].kind, world.judge()[0].run_id) == ("finish_within", late)
    failed = Settlement(run=runs[0], status="failed", lines=[(1, "state", {"status": "failed"})], error="{}")
    world.ledger.exchange("w/1", settle=[failed])
    assert world.judge()[0].resolution == "recovered"


def test_a_run_in_line_counts_and_a_backfill_does_not(world: World) -> None:
    task, past = world.task(start_within=60), world.clock.now() - HOUR
    queued(world.units, task, trigger="backfill", scheduled_for=past)
    assert world.judge() == ()
    queued(world.units, task, 2, in_line=True, scheduled_for=past)
    world.ledger.exchange("w/1", want=2)
    assert [one.kind for one in world.judge()] == ["start_within"]


def test_an_occurrence_that_no_beat_fires(world: World) -> None:
    task = world.task(start_within=60)
    world.change(task, next_due_at=world.clock.now() - HOUR / 2)
    (incident,) = world.judge()
    assert (incident.kind, incident.run_id) == ("start_within", None)


def test_a_completed_task_is_watched_until_its_last_run_has_ended(world: World) -> None:
    task = world.task(start_within=60, no_success_for=60)
    queued(world.units, task, scheduled_for=world.clock.now() - HOUR)
    world.judge()
    world.change(task, status="completed")
    told = {one.kind: one.resolution for one in world.judge()}
    assert told == {"start_within": None, "no_success_for": "not_watched"}
    world.succeed()
    told = {one.kind: one.resolution for one in world.judge()}
    assert told == {"start_within": "recovered", "no_success_for": "not_watched"}
    with world.units(read_only=True) as unit:
        assert unit.tasks.get(task.id).watched_since is None
        assert unit.incidents.watched() == []


def test_many_late_runs_are_one_incident(world: World) -> None:
    task = world.task(start_within=60)
    queued(world.units, task, 5, scheduled_for=world.clock.now() - HOUR)
    world.judge()
    world.ledger.exchange("w/1", want=3)
    (incident,) = world.judge()
    assert incident.resolved_at is None


@pytest.mark.parametrize(
    "change",
    [
        {"status": "paused"},
        {"status": "canceled"},
        {"snoozed_until": datetime.now(UTC) + timedelta(days=1)},
        {"expect": {"finish_within": 60}},
        {"expect": None},
    ],
)
def test_what_is_not_watched_is_over_and_nothing_opens(world: World, change: dict[str, Any]) -> None:
    task = world.task(no_success_for=60)
    world.judge()
    world.change(task, **change)
    (incident,) = world.judge()
    assert incident.resolution == "not_watched"
    assert world.judge() == (incident,)


def test_several_who_judge_at_once_open_one_and_tell_it_once(world: World) -> None:
    heard, again = world.listener("incident.opened"), world.listener("incident.**")
    for _ in range(3):
        world.task(no_success_for=60)
    world.judged_at_once()
    assert len(world.judge()) == 3
    assert (heard(), again()) == (3, 3)


def test_several_who_judge_at_once_end_it_once(world: World) -> None:
    heard = world.listener("incident.resolved")
    task = world.task(no_success_for=60)
    world.judge()
    queued(world.units, task)
    world.succeed()
    world.judged_at_once()
    assert (heard(), len(world.judge())) == (1, 1)


def test_a_second_breach_is_a_second_incident(world: World) -> None:
    task = world.task(no_success_for=60)
    world.judge()
    queued(world.units, task)
    world.succeed()
    world.judge()
    world.clock.ahead = HOUR
    second, first = world.judge()
    assert (second.resolved_at, first.resolution) == (None, "recovered")
    assert second.id > first.id


def test_every_change_is_written_down(world: World) -> None:
    task = world.task(no_success_for=60)
    (incident,) = world.judge()
    world.change(task, status="paused")
    world.judge()
    with world.units(read_only=True) as unit:
        rows = [row.entry for row in unit.audit.rows(0, 100)]
    told = [(row.action, row.actor) for row in rows if row.target == incident.id]
    assert told == [("incident.opened", "system"), ("incident.resolved", "system")]


def test_incidents_go_with_their_task(world: World) -> None:
    task = world.task(no_success_for=60)
    (incident,) = world.judge()
    with world.units() as unit:
        unit.tasks.delete(task.id)
        with pytest.raises(NotFound):
            unit.incidents.get(incident.id)
    assert world.judge() == ()


def test_the_open_ones_are_counted_and_the_old_ones_deleted(world: World) -> None:
    tasks = [world.task(no_success_for=60) for _ in range(3)]
    world.judge()
    world.change(tasks[0], status="paused")
    world.judge()
    with world.units(read_only=True) as unit:
        assert unit.metrics.read().incidents_open == 2
    service, now = world.service(), world.clock.now()
    assert not service.purge(now - HOUR)
    assert len(world.judge()) == 3
    assert not service.purge(now)
    assert len(world.judge()) == 2


def test_tasks_of_which_nothing_is_expected_are_not_even_read(databases: Databases, tmp_path: Path) -> None:
    engine: Engine = make_engine(databases.sqlite(tmp_path / "plan.db"))
    query = str(WATCHED_TASKS.compile(engine, compile_kwargs={"literal_binds": True}))
    with engine.connect() as connection:
        plan = [row[3] for row in connection.execute(text(f"EXPLAIN QUERY PLAN {query}"))]
    engine.dispose()
    assert len(plan) == 1 and "ix_tasks_watched" in plan[0]

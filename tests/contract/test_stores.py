"""Tasks, occurrences and runs come back from either database as they went in."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from app.domain.errors import NotFound, PreconditionFailed
from app.domain.runs import RunFilter
from app.domain.tasks import OccurrenceRecord, Task, TaskFilter
from app.storage.unit_of_work import SqlUnitsOfWork
from tests.fakes.rows import MOMENT, a_run, a_task, queued, stored


def test_a_task_comes_back_as_it_was_stored(units: SqlUnitsOfWork) -> None:
    task = a_task(
        title="Sarcină 日本",
        payload={"params": {"b": [1, 2.5, None], "a": {"x": True}}, "pipeline": []},
        tags=("one", "two"),
        starts_at=MOMENT + timedelta(microseconds=1),
        max_runs=3,
        snooze_reason="away",
    )
    stored(units, task)
    with units(read_only=True) as unit:
        assert unit.tasks.get(task.id) == task
        assert list(unit.tasks.get(task.id).payload["params"]) == ["b", "a"]


def test_a_save_over_somebody_elses_change_is_refused(units: SqlUnitsOfWork) -> None:
    task = stored(units, a_task(tags=("old",)))
    with units() as unit:
        unit.tasks.save(replace(task, title="First", version=2, tags=("new",)))
    with pytest.raises(PreconditionFailed), units() as unit:
        unit.tasks.save(replace(task, title="Second", version=2))
    with units(read_only=True) as unit:
        assert unit.tasks.get(task.id).title == "First"
        assert unit.tasks.page(TaskFilter(tag="new"), limit=9, offset=0).total == 1
        assert unit.tasks.page(TaskFilter(tag="old"), limit=9, offset=0).total == 0


@pytest.mark.parametrize(
    ("where", "titles"),
    [
        (TaskFilter(), ["c 100%", "b", "a"]),
        (TaskFilter(status=("paused",)), ["b"]),
        (TaskFilter(status=("paused", "active")), ["c 100%", "b", "a"]),
        (TaskFilter(created_by="ann"), ["a"]),
        (TaskFilter(schedule_kind="cron"), ["b"]),
        (TaskFilter(tag="x"), ["c 100%", "a"]),
        (TaskFilter(q="100%"), ["c 100%"]),  # the wildcard of LIKE is a letter here
        (TaskFilter(q="SECOND"), ["b"]),  # any case, description too
        (TaskFilter(q="_"), []),
    ],
)
def test_tasks_are_filtered(units: SqlUnitsOfWork, where: TaskFilter, titles: list[str]) -> None:
    for task in (
        a_task(title="a", created_by="ann", tags=("x",)),
        a_task(title="b", status="paused", schedule_kind="cron", description="the Second"),
        a_task(title="c 100%", tags=("x", "y")),
    ):
        stored(units, replace(task, id=f"{task.title[0]}{task.id[1:]}"))
    with units(read_only=True) as unit:
        page = unit.tasks.page(where, limit=50, offset=0)
    assert [task.title for task in page.items] == titles
    assert page.total == len(titles)


def test_pages_say_whether_more_follows(units: SqlUnitsOfWork) -> None:
    for _ in range(3):
        stored(units, a_task())
    with units(read_only=True) as unit:
        first, last = (unit.tasks.page(TaskFilter(), limit=2, offset=offset) for offset in (0, 2))
    assert (len(first.items), first.total, first.has_more) == (2, 3, True)
    assert (len(last.items), last.has_more) == (1, False)


def test_due_tasks_come_soonest_first_and_move_on(units: SqlUnitsOfWork) -> None:
    later = stored(units, a_task(next_run_at=MOMENT, next_due_at=MOMENT))
    sooner = stored(units, a_task(next_run_at=MOMENT, next_due_at=MOMENT - timedelta(seconds=1)))
    stored(units, a_task(next_run_at=MOMENT, next_due_at=MOMENT + timedelta(microseconds=1)))
    with units() as unit:
        due = unit.tasks.due(MOMENT, 10)
        assert [task.id for task in due] == [sooner.id, later.id]
        unit.tasks.advance([replace(task, next_due_at=None, next_run_at=None, status="completed") for task in due])
    with units(read_only=True) as unit:
        assert unit.tasks.next_due_at() == MOMENT + timedelta(microseconds=1)
        assert unit.tasks.get(later.id).status == "completed"


def test_the_soonest_tasks_are_those_due_first_of_one_agent_or_of_all(units: SqlUnitsOfWork) -> None:
    minute = timedelta(minutes=1)
    second = stored(units, a_task(next_run_at=MOMENT, next_due_at=MOMENT + minute))
    first = stored(units, a_task(next_run_at=MOMENT, next_due_at=MOMENT, created_by="ben"))
    stored(units, a_task(next_run_at=MOMENT, next_due_at=MOMENT + 2 * minute))
    stored(units, a_task())
    with units(read_only=True) as unit:
        soonest = unit.tasks.soonest(MOMENT + 2 * minute, created_by=None, limit=10)
        assert [task.id for task in soonest] == [first.id, second.id]
        assert [task.id for task in unit.tasks.soonest(MOMENT + minute * 2, created_by=None, limit=1)] == [first.id]
        assert [task.id for task in unit.tasks.soonest(MOMENT + minute, created_by="ben", limit=9)] == [first.id]


def test_a_run_is_kept_for_its_retention_after_its_end_however_long_it_waited(units: SqlUnitsOfWork) -> None:
    (old,) = queued(units, stored(units, a_task()))
    soon, later = (datetime.now(UTC) + timedelta(hours=hours) for hours in (1, 2))
    with units() as unit:
        unit.runs.cancel_queued(old, soon + timedelta(minutes=1))
    with units() as unit:
        assert (unit.runs.purge(soon, 10), unit.runs.purge(later, 10)) == (0, 1)


def an_occurrence(task: Task, minute: int) -> OccurrenceRecord:
    """One that fired at that minute past MOMENT."""
    nominal = MOMENT + timedelta(minutes=minute)
    return OccurrenceRecord(task_id=task.id, nominal_at=nominal, effective_at=nominal, outcome="fired")


def test_an_occurrence_has_one_row(units: SqlUnitsOfWork) -> None:
    task = stored(units, a_task())
    with units() as unit:
        unit.tasks.add_occurrences([an_occurrence(task, 0), an_occurrence(task, 1)])
    with units() as unit:
        again = replace(an_occurrence(task, 1), outcome="skipped_overlap")
        assert unit.tasks.add_occurrences([again, an_occurrence(task, 2)]) == [an_occurrence(task, 2)]
        assert unit.tasks.add_occurrences([]) == []
    with units(read_only=True) as unit:
        page = unit.tasks.occurrences(task.id, limit=1, offset=0)
        near = unit.tasks.occurrence_near(task.id, MOMENT + timedelta(seconds=59))
    assert page.total == 3 and page.items == (an_occurrence(task, 2),)
    assert near == an_occurrence(task, 0)


def test_an_origin_gives_one_run(units: SqlUnitsOfWork) -> None:
    task = stored(units, a_task())
    (first,) = queued(units, task, origin="manual:x")
    queued(units, task, origin="manual:x")
    with units(read_only=True) as unit:
        found = unit.runs.by_origin("manual:x")
        assert found is not None and found.id == first
        assert unit.runs.page(RunFilter(task_id=task.id), limit=9, offset=0).total == 1
        assert unit.runs.by_origin("manual:y") is None


def test_a_queued_run_is_canceled_once(units: SqlUnitsOfWork) -> None:
    task = stored(units, a_task())
    (run_id,) = queued(units, task)
    with units(read_only=True) as unit:
        assert unit.runs.busy_tasks([task.id, "other"]) == {task.id: 1}
    with units() as unit:
        assert unit.runs.cancel_queued(run_id, MOMENT)
        assert not unit.runs.cancel_queued(run_id, MOMENT)
        assert not unit.runs.request_cancel(run_id, MOMENT)
    with units(read_only=True) as unit:
        run, journal = unit.runs.get(run_id), unit.runs.journal(run_id)
        assert unit.runs.busy_tasks([task.id]) == {}
    assert (run.status, run.finished_at, run.success) == ("canceled", MOMENT, None)
    assert [(record.number, record.body["status"]) for record in journal] == [(1, "canceled")]


def test_old_runs_are_purged_and_their_occurrences_stay(units: SqlUnitsOfWork) -> None:
    task = stored(units, a_task())
    (ended, waiting) = queued(units, task, 2)
    with units() as unit:
        unit.tasks.add_occurrences([replace(an_occurrence(task, 0), run_id=ended)])
        unit.runs.cancel_queued(ended, MOMENT)
    with units() as unit:
        assert unit.runs.purge(datetime.now(UTC) - timedelta(hours=1), 10) == 0
        assert unit.runs.purge(datetime.now(UTC) + timedelta(hours=1), 10) == 1
    with units(read_only=True) as unit:
        assert unit.runs.get(waiting).status == "queued"
        assert unit.runs.journal(ended) == []
        assert unit.tasks.occurrences(task.id, limit=9, offset=0).total == 1
        with pytest.raises(NotFound):
            unit.runs.get(ended)


@pytest.mark.parametrize(
    ("where", "count"),
    [
        (RunFilter(), 3),
        (RunFilter(status=("queued",)), 2),
        (RunFilter(status=("queued", "canceled")), 3),
        (RunFilter(success=True), 0),
        (RunFilter(trigger="manual"), 2),
        (RunFilter(start_time=MOMENT), 2),  # inclusive
        (RunFilter(end_time=MOMENT), 1),  # exclusive
    ],
)
def test_runs_are_filtered(units: SqlUnitsOfWork, where: RunFilter, count: int) -> None:
    task = stored(units, a_task())
    early, on_time = MOMENT - timedelta(seconds=1), MOMENT
    new = [
        a_run(task, scheduled_for=early),
        a_run(task, scheduled_for=on_time),
        a_run(task, scheduled_for=on_time),
    ]
    new[2] = replace(new[2], trigger="schedule", nominal_at=on_time)
    with units() as unit:
        unit.runs.add(new, MOMENT)
        unit.runs.cancel_queued(new[0].id, MOMENT)
    with units(read_only=True) as unit:
        assert unit.runs.page(where, limit=50, offset=0).total == count


def abandoned(units: SqlUnitsOfWork, task: Task, told: list[str]) -> None:
    """A unit of work that fails before its end."""
    with units() as unit:
        unit.tasks.add(task)
        unit.after_commit(lambda: told.append("committed"))
        raise ZeroDivisionError


def test_nothing_of_a_failed_unit_is_stored_or_announced(units: SqlUnitsOfWork) -> None:
    told: list[str] = []
    task = a_task()
    with pytest.raises(ZeroDivisionError):
        abandoned(units, task, told)
    with units(read_only=True) as unit, pytest.raises(NotFound):
        unit.tasks.get(task.id)
    assert told == []
    with units() as unit:
        unit.after_commit(lambda: told.append("committed"))
    assert told == ["committed"]

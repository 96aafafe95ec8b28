"""Why a task did or did not run then."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from app.domain.tasks import OccurrenceRecord
from app.services.task_states import Nap
from app.services.tasks import RunRequest
from tests.fakes.task_world import START, TaskWorld

NINE = START.replace(hour=9)
DAY = timedelta(days=1)


def recorded(world: TaskWorld, task_id: str, outcome: Any, **fields: Any) -> None:
    record = OccurrenceRecord(task_id=task_id, nominal_at=NINE, effective_at=NINE, outcome=outcome, **fields)
    with world.units() as unit:
        unit.tasks.add_occurrences([record])


def test_an_occurrence_that_fired_names_its_run_and_how_it_stands() -> None:
    world = TaskWorld()
    task = world.create()
    run, _ = world.tasks.run_now(task.id, RunRequest(), request_id="")
    recorded(world, task.id, "fired", run_id=run.id)
    world.clock.pass_by(hours=2)
    why = world.tasks.why(task.id, NINE + timedelta(seconds=40))
    assert why.answer == f"The occurrence of 2026-11-24T09:00:00Z fired as run {run.id}, which is queued."
    assert (why.nominal_at, why.next) == (NINE, NINE + DAY)
    assert why.occurrence is not None and why.occurrence.run_id == run.id


def test_a_run_that_was_removed_is_said_to_be() -> None:
    world = TaskWorld()
    task = world.create()
    recorded(world, task.id, "fired", run_id="gone")
    assert "has been removed" in world.tasks.why(task.id, NINE).answer


@pytest.mark.parametrize(
    ("outcome", "reason", "words"),
    [
        ("skipped_overlap", "", "an earlier run of the task had not ended."),
        ("skipped_misfire", "3 hours late", "could not be started in time: 3 hours late."),
        ("skipped_snooze", "Holiday", "the task was snoozed: Holiday."),
        ("dropped_limit", "", "a limit was reached."),
    ],
)
def test_an_occurrence_that_was_skipped_says_why(outcome: str, reason: str, words: str) -> None:
    world = TaskWorld()
    task = world.create()
    recorded(world, task.id, outcome, reason=reason)
    assert world.tasks.why(task.id, NINE).answer.endswith(words)


@pytest.mark.parametrize(
    ("at", "words"),
    [
        (START - DAY, "did not exist yet: it was created at 2026-11-24T08:00:00Z."),
        (NINE + 2 * DAY, "Not yet: the occurrence of 2026-11-26T09:00:00Z is still to come."),
        # not an occurrence: its neighbours
        (
            NINE + DAY + timedelta(hours=3),
            "the one before is at 2026-11-25T09:00:00Z and the next one is at 2026-11-26T09:00:00Z.",
        ),
        # due by now, and nobody has come by
        (NINE, "no scheduler has taken it yet: is beat running?"),
    ],
)
def test_a_moment_without_a_record_is_explained_by_the_schedule(at: datetime, words: str) -> None:
    world = TaskWorld()
    task = world.create()
    world.clock.pass_by(hours=2)
    why = world.tasks.why(task.id, at)
    assert words in why.answer and why.occurrence is None


@pytest.mark.parametrize(
    ("fields", "steer", "words"),
    [
        ({}, "pause", "The task is paused"),
        ({}, "cancel", "The task is canceled"),
        ({"starts_at": NINE + 9 * DAY}, None, "The task starts at 2026-12-03T09:00:00Z"),
        ({"ends_at": NINE + DAY}, None, "The task ended at 2026-11-25T09:00:00Z"),
        ({"schedule_kind": "manual"}, None, "The task has no schedule"),
        ({"jitter_seconds": 600}, None, "Not yet"),
    ],
)
def test_what_keeps_a_task_from_firing_is_named(fields: dict[str, Any], steer: str | None, words: str) -> None:
    world = TaskWorld()
    task = world.create(**fields)
    if steer:
        getattr(world.tasks, steer)(task.id)
    assert world.tasks.why(task.id, NINE + DAY).answer.startswith(words)


def test_a_snooze_to_come_and_a_new_schedule_are_named() -> None:
    world = TaskWorld()
    task = world.create()
    world.tasks.snooze(task.id, Nap(delay_seconds=7200, reason="Holiday"))
    assert "will be skipped: snoozed until 2026-11-24T10:00:00Z (Holiday)" in world.tasks.why(task.id, NINE).answer
    world.clock.pass_by(days=3)
    world.tasks.patch(task.id, {"schedule_expr": "0 10 * * *"})
    assert "The schedule was set at 2026-11-27T08:00:00Z" in world.tasks.why(task.id, NINE + DAY).answer


def test_an_occurrence_gone_by_without_a_record_is_admitted() -> None:
    world = TaskWorld()
    task = world.create()
    world.tasks.pause(task.id)
    world.clock.pass_by(days=3)
    world.tasks.resume(task.id)
    assert "has no record" in world.tasks.why(task.id, NINE + DAY).answer


def test_occurrences_come_newest_first() -> None:
    world = TaskWorld()
    task = world.create()
    records = [
        OccurrenceRecord(task_id=task.id, nominal_at=NINE + n * DAY, effective_at=NINE, outcome="fired")
        for n in range(3)
    ]
    with world.units() as unit:
        unit.tasks.add_occurrences(records)
    page = world.tasks.occurrences(task.id, limit=2, offset=0)
    assert [record.nominal_at for record in page.items] == [NINE + 2 * DAY, NINE + DAY] and page.has_more

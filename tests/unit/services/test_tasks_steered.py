"""Pausing, resuming, snoozing, cancelling, and running by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from app.domain.errors import Conflict, InvalidInput, NotFound, Unprocessable
from app.services.task_states import Nap, snooze_end
from app.services.tasks import RunRequest
from tests.fakes.task_world import START, TaskWorld

NINE = START.replace(hour=9)


def test_a_paused_task_has_no_next_time_and_pausing_again_changes_nothing() -> None:
    world = TaskWorld()
    task = world.create()
    first, second = world.tasks.pause(task.id), world.tasks.pause(task.id)
    assert (first.task.status, first.task.next_run_at, first.task.next_due_at) == ("paused", None, None)
    assert (first.task.version, second.task.version) == (2, 2)
    assert (first.message, second.message) == ("Task paused", "Task is already paused")


def test_a_resumed_task_goes_on_from_now() -> None:
    world = TaskWorld()
    task = world.create()
    world.tasks.pause(task.id)
    world.clock.pass_by(days=3, hours=2)
    change = world.tasks.resume(task.id)
    assert (change.task.status, change.task.next_run_at) == ("active", NINE + timedelta(days=4))
    assert change.message == "Task resumed"
    assert world.tasks.resume(task.id).message == "Task is already active"


def test_resuming_ends_a_snooze() -> None:
    world = TaskWorld()
    task = world.create()
    world.tasks.snooze(task.id, Nap(delay_seconds=3600, reason="Lunch"))
    change = world.tasks.resume(task.id)
    assert (change.task.snoozed_until, change.task.snooze_reason) == (None, None)
    assert change.message == "Task resumed: its snooze is over"


def test_a_paused_task_whose_moment_has_passed_cannot_be_resumed() -> None:
    world = TaskWorld()
    task = world.create(schedule_kind="once", schedule_expr="2026-11-24T09:00:00Z", status="paused")
    world.clock.pass_by(hours=2)
    with pytest.raises(Conflict, match="no time to come"):
        world.tasks.resume(task.id)


def test_a_canceled_task_stays_canceled_and_its_runs_go_on() -> None:
    world = TaskWorld()
    task = world.create()
    run, _ = world.tasks.run_now(task.id, RunRequest(), request_id="r")
    assert world.tasks.cancel(task.id).message == "Task canceled"
    assert world.tasks.cancel(task.id).message == "Task is already canceled"
    assert world.units.rows.runs[run.id].status == "queued"
    for steer in (world.tasks.pause, world.tasks.resume):
        with pytest.raises(Conflict) as caught:
            steer(task.id)
        assert caught.value.details["status"] == "canceled"
    with pytest.raises(Conflict):
        world.tasks.snooze(task.id, Nap(delay_seconds=60))


def test_a_snooze_keeps_the_next_time_for_beat_to_skip() -> None:
    world = TaskWorld()
    change = world.tasks.snooze(world.create().id, Nap(until=NINE + timedelta(hours=1), reason="Holiday"))
    assert (change.task.next_run_at, change.task.snooze_reason) == (NINE, "Holiday")
    assert change.message == "Task snoozed until 2026-11-24T10:00:00Z"


def test_a_manual_task_has_nothing_to_snooze() -> None:
    world = TaskWorld()
    with pytest.raises(Conflict, match="manual"):
        world.tasks.snooze(world.create(schedule_kind="manual").id, Nap(delay_seconds=60))


@pytest.mark.parametrize(
    ("delay", "until", "field"),
    [
        # exactly one of the two
        (None, None, "/delay_seconds"),
        (60, NINE, "/delay_seconds"),
        (0, None, "/delay_seconds"),
        (604_801, None, "/delay_seconds"),
        (None, START, "/until"),
        (None, START + timedelta(days=7, microseconds=1), "/until"),
    ],
)
def test_a_snooze_ends_within_a_week(delay: int | None, until: datetime | None, field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        snooze_end(START, delay, until)
    assert [problem.pointer for problem in caught.value.problems] == [field]


@pytest.mark.parametrize("status", ["active", "paused", "completed"])
def test_a_run_by_hand_is_queued_whatever_the_schedule_does(status: Any) -> None:
    world = TaskWorld()
    task = world.create(max_retries=2, priority=7)
    with world.units() as unit:
        unit.tasks.advance([replace(task, status=status)])
    run, deduplicated = world.tasks.run_now(task.id, RunRequest(params={"a": 1}), request_id="req-1")
    assert not deduplicated and world.queue.rings == 1
    assert (run.trigger, run.status, run.priority, run.max_attempts) == ("manual", "queued", 7, 3)
    assert (run.params, run.request_id, run.definition_id) == ({"a": 1}, "req-1", task.definition_id)


def test_asking_twice_under_one_key_gives_one_run() -> None:
    world = TaskWorld()
    task, other = world.create(), world.create()
    wish = RunRequest(params={"a": 1}, key="k")
    first, _ = world.tasks.run_now(task.id, wish, request_id="")
    again, deduplicated = world.tasks.run_now(task.id, wish, request_id="")
    assert (again.id, deduplicated, world.queue.rings) == (first.id, True, 1)
    # a key belongs to its task
    assert not world.tasks.run_now(other.id, wish, request_id="")[1]
    with pytest.raises(Unprocessable, match="other params"):
        world.tasks.run_now(task.id, RunRequest(params={"a": 2}, key="k"), request_id="")


def test_runs_by_hand_are_refused() -> None:
    world = TaskWorld()
    task = world.create()
    for params in ({"a": "x" * 262_144}, {"a": "\x00"}, {"a": 2**70}):
        with pytest.raises(InvalidInput) as caught:
            world.tasks.run_now(task.id, RunRequest(params=params), request_id="")
        assert caught.value.problems[0].pointer == "/params"
    world.tasks.cancel(task.id)
    with pytest.raises(Conflict):
        world.tasks.run_now(task.id, RunRequest(), request_id="")
    assert (world.queue.rings, world.units.rows.runs) == (0, {})


def test_a_task_that_keeps_failing_is_paused_once_and_only_while_active() -> None:
    world = TaskWorld()
    task = world.create()
    world.tasks.pause_by_failures(task.id, "Its last 3 runs failed")
    assert world.tasks.get(task.id).status == "paused"
    world.tasks.cancel(task.id)
    world.tasks.pause_by_failures(task.id, "Its last 3 runs failed")
    assert world.tasks.get(task.id).status == "canceled"
    world.tasks.delete(task.id)
    world.tasks.pause_by_failures(task.id, "Its last 3 runs failed")
    with pytest.raises(NotFound):
        world.tasks.get(task.id)

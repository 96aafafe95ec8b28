"""Creating, reading, changing and deleting tasks."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from app.domain.errors import Conflict, InvalidInput, NotFound, PreconditionFailed, Problem
from app.domain.tasks import TaskFilter
from tests.fakes.access import ANA
from tests.fakes.task_world import START, TaskWorld

NINE = START.replace(hour=9)
STEPS = {"params": {}, "pipeline": [{"uses": "test.fail"}]}
NOBODY = "019ab7d2-3c4e-7f10-8a2b-5d6e7f809a1b"


def refused(world: TaskWorld, **fields: Any) -> dict[str, str]:
    with pytest.raises(InvalidInput) as caught:
        world.create(**fields)
    assert not world.units.rows.tasks
    return {problem.pointer: problem.message for problem in caught.value.problems}


def test_a_new_task_is_stored_with_its_definition_and_its_first_time() -> None:
    world = TaskWorld()
    task = world.create(tags=("a",), payload={"params": {"n": 1}, "pipeline": []})
    assert world.tasks.get(task.id) == task
    assert (task.created_by, task.version, task.next_run_at, task.next_due_at) == ("ana", 1, NINE, NINE)
    definition = world.units.rows.definitions[task.definition_id]
    assert definition.task_id == task.id and definition.document["payload"]["params"] == {"n": 1}


@pytest.mark.parametrize(
    ("fields", "status", "next_run"),
    [
        # a paused task has no next time until it is resumed
        ({"status": "paused"}, "paused", None),
        # a manual task is active without one
        ({"schedule_kind": "manual"}, "active", None),
        # a moment that has just gone by still fires
        (
            {"schedule_kind": "once", "schedule_expr": "2026-11-24T07:59:30Z"},
            "active",
            START - timedelta(seconds=30),
        ),
        # its window
        ({"starts_at": NINE + timedelta(days=1)}, "active", NINE + timedelta(days=1)),
    ],
)
def test_the_first_time_of_a_new_task(fields: dict[str, Any], status: str, next_run: datetime | None) -> None:
    task = TaskWorld().create(**fields)
    assert (task.status, task.next_run_at) == (status, next_run)


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"schedule_expr": "99 * * * *"}, "/schedule_expr"),
        ({"schedule_expr": None}, "/schedule_expr"),
        ({"timezone": "Europe/Nowhere"}, "/timezone"),
        # a moment in the past
        ({"schedule_kind": "once", "schedule_expr": "2026-11-24T07:00:00Z"}, "/schedule_expr"),
        # a paused one must be able to fire as well
        (
            {"schedule_kind": "once", "schedule_expr": "2020-01-01T00:00:00Z", "status": "paused"},
            "/schedule_expr",
        ),
        # a rule that never fires
        ({"schedule_kind": "rrule", "schedule_expr": "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30"}, "/schedule_expr"),
        ({"schedule_expr": "0 0 30 2 *"}, "/schedule_expr"),
        ({"schedule_kind": "manual", "schedule_expr": "0 9 * * *"}, "/schedule_expr"),
        # windows
        ({"ends_at": START - timedelta(days=1)}, "/ends_at"),
        ({"ends_at": NINE}, "/ends_at"),
        ({"starts_at": NINE, "ends_at": NINE}, "/ends_at"),
        (
            {
                "schedule_kind": "once",
                "schedule_expr": "2026-12-01T00:00:00Z",
                "starts_at": NINE + timedelta(days=20),
            },
            "/starts_at",
        ),
        # limits
        ({"concurrency_key": "${steps.a}"}, "/concurrency_key"),
        ({"dedupe_key": "${steps.a}", "dedupe_window_seconds": 60}, "/dedupe_key"),
        ({"dedupe_key": "a"}, "/dedupe_window_seconds"),
        ({"dedupe_window_seconds": 60}, "/dedupe_key"),
        ({"debounce_seconds": 5}, "/debounce_seconds"),
        ({"schedule_kind": "event", "schedule_expr": "a.b", "debounce_max_wait_seconds": 5}, "/debounce_seconds"),
        (
            {
                "schedule_kind": "event",
                "schedule_expr": "a.b",
                "debounce_seconds": 5,
                "debounce_max_wait_seconds": 4,
            },
            "/debounce_max_wait_seconds",
        ),
        # only the scheduler completes, only people cancel what exists
        ({"status": "completed"}, "/status"),
        ({"status": "canceled"}, "/status"),
        # pipelines
        ({"payload": {"params": {}, "pipeline": [{"uses": "no.such"}]}}, "/payload/pipeline/0/uses"),
        (
            {"payload": {"params": {}, "pipeline": [{"uses": "test.echo", "with": {"value": "x"}}]}},
            "/payload/pipeline/0/with/value",
        ),
    ],
)
def test_a_task_is_refused_at_the_field_to_mend(fields: dict[str, Any], pointer: str) -> None:
    assert list(refused(TaskWorld(), **fields)) == [pointer]


def test_all_problems_are_told_at_once() -> None:
    world = TaskWorld()
    fields = {
        "schedule_kind": "cron",
        "schedule_expr": "nonsense",
        "payload": {"params": {}, "pipeline": [{"uses": "no.such"}]},
        "starts_at": NINE,
        "ends_at": NINE,
    }
    with pytest.raises(InvalidInput) as caught:
        world.tasks.create(fields, caller=ANA, found=[Problem("/title", "'title' is required")])
    pointers = [problem.pointer for problem in caught.value.problems]
    assert pointers == ["/title", "/schedule_expr", "/payload/pipeline/0/uses", "/ends_at"]


def test_a_field_that_was_refused_is_not_looked_at_again() -> None:
    found = [Problem("/schedule_expr", "'schedule_expr' must be a string")]
    with pytest.raises(InvalidInput) as caught:
        TaskWorld().tasks.create({"title": "x", "schedule_kind": "cron"}, caller=ANA, found=found)
    assert list(caught.value.problems) == found


def test_a_preview_stores_nothing_and_shows_what_would_follow() -> None:
    world = TaskWorld()
    fields = {
        "title": "A",
        "schedule_kind": "cron",
        "schedule_expr": "0 9 * * *",
        "max_runs": 3,
        "payload": STEPS,
    }
    shown = world.tasks.preview(fields, caller=ANA)
    assert not world.units.rows.tasks
    assert [one.nominal for one in shown.next_occurrences] == [NINE + timedelta(days=n) for n in range(3)]
    assert shown.warnings == ()


def test_a_preview_warns_of_clock_changes_and_of_tasks_with_the_same_title() -> None:
    world = TaskWorld()
    world.create(title="Backup")
    fields = {
        "title": "BACKUP",
        "schedule_kind": "cron",
        "schedule_expr": "30 2 28 3 *",
        "timezone": "Europe/Paris",
        "payload": STEPS,
    }
    shown = world.tasks.preview(fields, caller=ANA)
    assert [one.pointer for one in shown.warnings] == ["/schedule_expr", "/title"]
    assert "2027-03-28" in shown.warnings[0].message


def test_a_preview_of_a_change_stores_nothing() -> None:
    world = TaskWorld()
    task = world.create(priority=1)
    assert world.tasks.preview_change(task.id, {"title": "New"}, whole=False).task.priority == 1
    whole = {"title": "New", "schedule_kind": "cron", "schedule_expr": "0 10 * * *"}
    shown = world.tasks.preview_change(task.id, whole, whole=True)
    assert (shown.task.priority, shown.next_occurrences[0].nominal) == (5, START.replace(hour=10))
    assert world.tasks.get(task.id) == task


def test_a_patch_changes_what_it_names() -> None:
    world = TaskWorld()
    task = world.create()
    world.clock.pass_by(minutes=5)
    changed = world.tasks.patch(task.id, {"title": "New"})
    assert (changed.title, changed.version, changed.updated_at) == ("New", 2, world.clock.now())
    assert (changed.anchor_at, changed.next_run_at) == (task.anchor_at, task.next_run_at)


@pytest.mark.parametrize(
    ("fields", "renewed"),
    [
        ({"title": "New"}, True),
        ({"payload": {"params": {}, "pipeline": [{"uses": "test.fail"}]}}, True),
        ({"max_retries": 0}, True),
        ({"timeout_seconds": 9}, True),
        # what runs do not keep
        ({"description": "New"}, False),
        ({"schedule_expr": "0 10 * * *"}, False),
        ({"tags": ("new",)}, False),
        ({"priority": 1}, False),
    ],
)
def test_a_new_definition_is_made_only_when_runs_would_differ(fields: dict[str, Any], renewed: bool) -> None:
    world = TaskWorld()
    task = world.create()
    changed = world.tasks.patch(task.id, fields)
    assert (changed.definition_id != task.definition_id) is renewed
    assert len(world.units.rows.definitions) == (2 if renewed else 1)


def test_a_patch_that_changes_nothing_makes_no_new_version() -> None:
    world = TaskWorld()
    task = world.create()
    world.clock.pass_by(minutes=5)
    assert world.tasks.patch(task.id, {"title": task.title}) == task


def test_a_new_schedule_counts_from_now() -> None:
    world = TaskWorld()
    task = world.create()
    world.clock.pass_by(days=5)
    changed = world.tasks.patch(task.id, {"schedule_expr": "0 7 * * *"})
    assert changed.anchor_at == world.clock.now()
    assert changed.next_run_at == START.replace(hour=7) + timedelta(days=6)


def test_a_wider_window_keeps_an_occurrence_that_is_due_but_not_fired() -> None:
    world = TaskWorld()
    task = world.create()
    world.clock.pass_by(hours=2)
    assert world.tasks.patch(task.id, {"max_runs": 5}).next_run_at == NINE


def test_an_earlier_start_brings_the_next_time_forward() -> None:
    world = TaskWorld()
    task = world.create(starts_at=NINE + timedelta(days=30))
    assert world.tasks.patch(task.id, {"starts_at": None}).next_run_at == NINE


def test_turning_a_task_into_a_manual_one_drops_its_expression() -> None:
    world = TaskWorld()
    changed = world.tasks.patch(world.create().id, {"schedule_kind": "manual"})
    assert (changed.schedule_expr, changed.next_run_at, changed.status) == (None, None, "active")


def test_a_replacement_takes_defaults_but_keeps_status_and_owner() -> None:
    world = TaskWorld()
    task = world.create(priority=1, tags=("a",), status="paused", created_by="bob", timezone="Europe/Paris")
    fields = {"title": "New", "schedule_kind": "cron", "schedule_expr": "0 9 * * *"}
    changed = world.tasks.replace(task.id, fields)
    assert (changed.priority, changed.tags, changed.timezone) == (5, (), "UTC")
    assert (changed.status, changed.created_by, changed.payload) == (
        "paused",
        "bob",
        {"params": {}, "pipeline": []},
    )


@pytest.mark.parametrize(("if_match", "fits"), [(None, True), ({1, 7}, True), ({2}, False), (set(), False)])
@pytest.mark.parametrize("write", ["patch", "replace", "delete", "pause", "cancel"])
def test_a_write_names_the_versions_it_is_content_to_change(write: str, if_match: set[int] | None, fits: bool) -> None:
    world = TaskWorld()
    task = world.create()
    fields = [{"title": "New", "schedule_kind": "manual"}] if write in ("patch", "replace") else []
    change = getattr(world.tasks, write)
    if fits:
        change(task.id, *fields, if_match=if_match)
        return
    with pytest.raises(PreconditionFailed):
        change(task.id, *fields, if_match=if_match)
    assert world.tasks.get(task.id) == task


def test_a_completed_task_lives_again_with_a_new_schedule() -> None:
    world = TaskWorld()
    task = completed(world)
    assert world.tasks.patch(task.id, {"title": "New"}).status == "completed"
    assert world.tasks.patch(task.id, {"max_runs": 9}).status == "completed"
    changed = world.tasks.patch(task.id, {"schedule_expr": "2026-11-25T09:00:00Z"})
    assert (changed.status, changed.next_run_at) == ("active", NINE + timedelta(days=1))


def completed(world: TaskWorld) -> Any:
    """A task whose one moment has been."""
    task = world.create(schedule_kind="once", schedule_expr="2026-11-24T08:01:00Z", misfire_grace_seconds=0)
    world.clock.pass_by(minutes=2)
    with world.units() as unit:
        unit.tasks.advance([replace(task, next_run_at=None, next_due_at=None, status="completed", fired_count=1)])
    return world.tasks.get(task.id)


@pytest.mark.parametrize(
    ("before", "asked", "error"),
    [
        ("canceled", "active", Conflict),
        ("canceled", "paused", Conflict),
        ("completed", "paused", Conflict),
        # its one moment is over
        ("completed", "active", InvalidInput),
        ("active", "completed", InvalidInput),
    ],
)
def test_a_status_that_cannot_follow_is_refused(before: str, asked: str, error: type[Exception]) -> None:
    world = TaskWorld()
    task = completed(world) if before == "completed" else world.create()
    if before == "canceled":
        world.tasks.cancel(task.id)
    with pytest.raises(error):
        world.tasks.patch(task.id, {"status": asked})


@pytest.mark.parametrize(("asked", "next_run"), [("paused", None), ("canceled", None), ("active", NINE)])
def test_a_patch_may_change_the_status(asked: str, next_run: datetime | None) -> None:
    world = TaskWorld()
    changed = world.tasks.patch(world.create().id, {"status": asked})
    assert (changed.status, changed.next_run_at) == (asked, next_run)


def test_runs_already_had_are_named_when_the_limit_is_below_them() -> None:
    world = TaskWorld()
    task = completed(world)
    with pytest.raises(InvalidInput) as caught:
        world.tasks.patch(task.id, {"schedule_kind": "cron", "schedule_expr": "0 9 * * *", "max_runs": 1})
    assert [problem.pointer for problem in caught.value.problems] == ["/max_runs"]


def test_deleting_removes_and_lists_narrow() -> None:
    world = TaskWorld()
    one, two = world.create(title="Alpha", tags=("x",)), world.create(title="Beta")
    listed = [task.id for task in world.tasks.page(TaskFilter(), limit=50, offset=0).items]
    assert listed == sorted([one.id, two.id], reverse=True)
    assert world.tasks.page(TaskFilter(tag="x"), limit=50, offset=0).items == (one,)
    world.tasks.delete(one.id)
    for call in (world.tasks.get, world.tasks.delete, world.tasks.pause):
        with pytest.raises(NotFound):
            call(one.id)


def test_a_pipeline_makes_one_task_for_each_key() -> None:
    world = TaskWorld()
    key = f"{NOBODY}:plan"
    fields = {
        "title": "Child",
        "schedule_kind": "once",
        "schedule_expr": "2026-11-25T09:00:00Z",
        "payload": {"pipeline": []},
        "tags": ["a"],
        "ends_at": "2026-12-01T00:00:00+02:00",
    }
    made = world.tasks.create_by_tool(fields, caller=ANA, idempotency_key=key)
    assert world.tasks.create_by_tool(fields, caller=ANA, idempotency_key=key) == made
    task = world.tasks.get(made["id"])
    assert made == {"id": task.id, "title": "Child", "status": "active", "next_run": "2026-11-25T09:00:00Z"}
    assert task.id.startswith("019ab7d2-3c4e-7") and task.tags == ("a",)
    other = world.tasks.create_by_tool(fields, caller=ANA, idempotency_key="x")
    assert other["id"] != made["id"]


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"title": " "}, "/title"),
        ({"payload": {"steps": []}}, "/payload/steps"),
        ({"payload": {"params": [], "pipeline": []}}, "/payload/params"),
        ({"payload": {"params": {"a": "\x00"}, "pipeline": []}}, "/payload"),
        ({"payload": {"pipeline": {}}}, "/payload/pipeline"),
        ({"tags": ["x" * 51]}, "/tags"),
        ({"ends_at": "tomorrow"}, "/ends_at"),
        ({"starts_at": "2026-11-25T09:00:00"}, "/starts_at"),
    ],
)
def test_what_a_pipeline_asks_for_is_checked_like_any_request(fields: dict[str, Any], pointer: str) -> None:
    base = {"title": "x", "schedule_kind": "manual", "payload": {}}
    with pytest.raises(InvalidInput) as caught:
        TaskWorld().tasks.create_by_tool({**base, **fields}, caller=ANA, idempotency_key="k")
    assert [problem.pointer for problem in caught.value.problems] == [pointer]

"""What a task may look like on its way in."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from pydantic import ValidationError

from app.http.sentences import invalid_input
from app.schemas.fields import PageQuery
from app.schemas.occurrences import WhyQuery
from app.schemas.schedules import SchedulePreviewIn
from app.schemas.tasks import (
    READ_ONLY,
    RunNowIn,
    SnoozeIn,
    TaskCreate,
    TaskFields,
    TaskListQuery,
    TaskPatch,
    TaskReplace,
)

BASE: dict[str, Any] = {"title": "A task", "schedule_kind": "cron", "schedule_expr": "0 9 * * *"}


def read(model: type[TaskFields], body: dict[str, Any]) -> TaskFields:
    return model.model_validate_json(orjson.dumps(body))


def pointers(body: TaskFields) -> list[str]:
    return [] if body.invalid is None else [one.pointer for one in invalid_input(body.invalid, type(body)).problems]


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        # text
        ({"title": ""}, "/title"),
        ({"title": "   "}, "/title"),
        ({"title": "x" * 201}, "/title"),
        ({"title": "a\x00b"}, "/title"),
        ({"title": "a\nb"}, "/title"),
        ({"title": "a\x85b"}, "/title"),
        ({"title": 7}, "/title"),
        ({"title": None}, "/title"),
        ({"description": "x" * 2001}, "/description"),
        ({"description": "\x00"}, "/description"),
        ({"description": None}, "/description"),
        ({"created_by": ""}, "/created_by"),
        ({"created_by": "x" * 201}, "/created_by"),
        # the schedule
        ({"schedule_kind": "weekly"}, "/schedule_kind"),
        ({"schedule_expr": ""}, "/schedule_expr"),
        ({"schedule_expr": "x" * 2001}, "/schedule_expr"),
        ({"schedule_expr": 9}, "/schedule_expr"),
        ({"timezone": ""}, "/timezone"),
        ({"timezone": None}, "/timezone"),
        # choices
        ({"status": "running"}, "/status"),
        ({"backoff_strategy": "none"}, "/backoff_strategy"),
        ({"overlap": "queue_some"}, "/overlap"),
        ({"concurrency_limit": 0}, "/concurrency_limit"),
        ({"dedupe_window_seconds": 0}, "/dedupe_window_seconds"),
        ({"debounce_seconds": 0}, "/debounce_seconds"),
        ({"debounce_max_wait_seconds": 604_801}, "/debounce_max_wait_seconds"),
        ({"concurrency_limit": 1001}, "/concurrency_limit"),
        ({"concurrency_key": ""}, "/concurrency_key"),
        ({"concurrency_key": "x" * 501}, "/concurrency_key"),
        ({"misfire": "first"}, "/misfire"),
        # numbers: booleans, floats and texts are none
        ({"priority": 0}, "/priority"),
        ({"priority": 10}, "/priority"),
        ({"priority": True}, "/priority"),
        ({"priority": 5.5}, "/priority"),
        ({"priority": "5"}, "/priority"),
        ({"priority": None}, "/priority"),
        ({"max_retries": -1}, "/max_retries"),
        ({"max_retries": 11}, "/max_retries"),
        ({"backoff_seconds": 3601}, "/backoff_seconds"),
        ({"timeout_seconds": 0}, "/timeout_seconds"),
        ({"timeout_seconds": 86_401}, "/timeout_seconds"),
        ({"misfire_grace_seconds": -1}, "/misfire_grace_seconds"),
        ({"catchup_window_seconds": -1}, "/catchup_window_seconds"),
        ({"catchup_max": 0}, "/catchup_max"),
        ({"jitter_seconds": 86_401}, "/jitter_seconds"),
        ({"max_runs": 0}, "/max_runs"),
        ({"pause_after_failures": 0}, "/pause_after_failures"),
        # moments
        ({"starts_at": "2026-11-24"}, "/starts_at"),
        ({"starts_at": "2026-11-24T08:30:00"}, "/starts_at"),
        ({"starts_at": "2026-13-24T08:30:00Z"}, "/starts_at"),
        ({"starts_at": 1_764_000_000}, "/starts_at"),
        ({"ends_at": "0001-01-01T00:00:00Z"}, "/ends_at"),
        ({"ends_at": "9999-12-31T23:59:59-12:00"}, "/ends_at"),
        # tags
        ({"tags": "a"}, "/tags"),
        ({"tags": ["a", "a"]}, "/tags"),
        ({"tags": [""]}, "/tags/0"),
        ({"tags": ["x" * 51]}, "/tags/0"),
        ({"tags": ["a\x00"]}, "/tags/0"),
        ({"tags": [f"t{n}" for n in range(21)]}, "/tags"),
        # the payload
        ({"payload": []}, "/payload"),
        ({"payload": {"steps": []}}, "/payload/steps"),
        ({"payload": {"params": []}}, "/payload/params"),
        ({"payload": {"pipeline": {}}}, "/payload/pipeline"),
        ({"payload": {"params": {"a": "\x00"}}}, "/payload"),
        ({"payload": {"params": {"a": "x" * 262_144}}}, "/payload"),
        # unknown, read only, not in this release
        ({"titel": "x"}, "/titel"),
        ({"id": "x"}, "/id"),
        ({"version": 1}, "/version"),
        ({"created_at": "2026-11-24T08:30:00Z"}, "/created_at"),
        ({"external_id": ""}, "/external_id"),
    ],
)
@pytest.mark.parametrize("model", [TaskCreate, TaskPatch])
def test_a_field_is_refused_by_name(model: type[TaskFields], fields: dict[str, Any], pointer: str) -> None:
    assert pointers(read(model, {**BASE, **fields})) == [pointer]


def test_what_is_right_survives_what_is_wrong() -> None:
    body = read(TaskCreate, {"schedule_kind": "cron", "priority": 99, "tags": ["a"], "unknown": 1})
    assert sorted(pointers(body)) == ["/priority", "/title", "/unknown"]
    assert body.fields() == {"schedule_kind": "cron", "tags": ("a",)}


def test_only_what_was_given_is_handed_on_in_the_domains_own_types() -> None:
    body = read(
        TaskCreate,
        {
            **BASE,
            "payload": {"pipeline": [1]},
            "starts_at": "2026-11-24T10:30:00.5+02:00",
            "created_by": None,
        },
    )
    assert body.fields() == {
        **BASE,
        "payload": {"params": {}, "pipeline": [1]},
        "starts_at": datetime(2026, 11, 24, 8, 30, 0, 500_000, tzinfo=UTC),
    }


def test_a_replacement_may_carry_back_what_was_read_and_no_more() -> None:
    assert read(TaskReplace, {**BASE, **dict.fromkeys(READ_ONLY, 1)}).fields() == BASE
    assert pointers(read(TaskReplace, {**BASE, "idd": 1})) == ["/idd"]


def test_a_patch_may_clear_what_may_be_empty() -> None:
    empty = dict.fromkeys(("schedule_expr", "starts_at", "ends_at", "max_runs", "pause_after_failures"))
    assert read(TaskPatch, empty).fields() == empty
    assert read(TaskPatch, {}).fields() == {}


def test_a_body_that_is_no_object_is_refused_at_once() -> None:
    with pytest.raises(ValidationError):
        TaskCreate.model_validate_json(b"[]")


@pytest.mark.parametrize(
    ("model", "body"),
    [
        (RunNowIn, {"params": []}),
        (RunNowIn, {"idempotency_key": "x" * 201}),
        (RunNowIn, {"key": "x"}),
        (SnoozeIn, {"delay_seconds": 0}),
        (SnoozeIn, {"delay_seconds": True}),
        (SnoozeIn, {"delay_seconds": 604_801}),
        (SnoozeIn, {"until": "soon"}),
        (SnoozeIn, {"reason": "a\x00"}),
        (SchedulePreviewIn, {"schedule_kind": "cron", "count": 101}),
        (SchedulePreviewIn, {"schedule_kind": "cron", "from_": "2026-11-24T08:30:00Z"}),
        (PageQuery, {"limit": "201"}),
        (PageQuery, {"limit": "0"}),
        (PageQuery, {"offset": "1000001"}),
        (PageQuery, {"ofset": "1"}),
        (TaskListQuery, {"status": ["running"]}),
        (TaskListQuery, {"q": "a\x00"}),
        (TaskListQuery, {"tag": ""}),
        (WhyQuery, {}),
        (WhyQuery, {"at": "now"}),
    ],
)
def test_other_bodies_and_queries_are_as_strict(model: Any, body: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        model.model_validate(body)


def test_a_plus_sign_lost_in_an_address_is_understood() -> None:
    assert WhyQuery.model_validate({"at": "2026-11-24T10:30:00 02:00"}).at == datetime(2026, 11, 24, 8, 30, tzinfo=UTC)


def test_the_examples_are_valid() -> None:
    for model in (TaskCreate, TaskPatch, RunNowIn, SnoozeIn, SchedulePreviewIn):
        for example in model.model_json_schema()["examples"]:
            body = model.model_validate_json(orjson.dumps(example))
            assert getattr(body, "invalid", None) is None


def test_a_patch_has_no_defaults() -> None:
    assert not [one for one in TaskPatch.model_json_schema()["properties"].values() if "default" in one]

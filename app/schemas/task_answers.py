"""Tasks on the wire, on their way out: plain dicts, since lists of them are asked for often."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from app.domain.clock import rfc3339
from app.domain.next_run import described, effective_next
from app.domain.paging import Page
from app.domain.runs import Run
from app.domain.tasks import Overlap, Standing, Task
from app.domain.texts import t
from app.http.locale import speak
from app.schemas.fields import Moment
from app.schemas.problems import ProblemOut, problem_out
from app.schemas.schedules import OccurrenceOut, occurrence_out
from app.schemas.tasks import Kind, Status
from app.services.task_states import Change
from app.services.tasks import Preview


class MisfitOut(BaseModel):
    """A step that no longer fits the tools of its MCP server."""

    step: str
    tool: str = Field(examples=["shop.order"])
    issue: str
    since: Moment


class TaskOut(BaseModel):
    """A task."""

    id: str = Field(examples=["019ab7d2-3c4e-7f10-8a2b-5d6e7f809a1b"])
    title: str
    description: str
    schedule_kind: Kind
    schedule_expr: str | None
    timezone: str
    payload: dict[str, Any]
    status: Status
    priority: int
    max_retries: int
    backoff_strategy: Literal["exponential_jitter", "linear", "fixed"]
    backoff_seconds: int
    timeout_seconds: int
    overlap: Overlap
    concurrency_key: str | None
    concurrency_limit: int
    dedupe_key: str | None
    dedupe_window_seconds: int | None
    debounce_seconds: int | None
    debounce_max_wait_seconds: int | None
    expect: dict[str, int] | None = Field(description="Seconds", examples=[{"no_success_for": 86400}])
    misfire: Literal["last", "skip", "all"]
    misfire_grace_seconds: int
    catchup_window_seconds: int
    catchup_max: int
    jitter_seconds: int
    starts_at: Moment | None
    ends_at: Moment | None
    max_runs: int | None
    pause_after_failures: int | None
    tags: list[str]
    created_by: str
    external_id: str | None
    expose_as_tool: str | None
    params_schema: dict[str, Any] | None
    created_at: Moment
    updated_at: Moment
    version: int = Field(description="Counts changes; the ETag begins with it")
    next_run: Moment | None = Field(description="Nominal time of the next occurrence")
    next_run_effective: Moment | None = Field(description="When it will fire: with jitter, after a snooze")
    last_run: Moment | None = Field(description="When its latest run began")
    snoozed_until: Moment | None
    snooze_reason: str | None
    drift: list[MisfitOut] = Field(description="What no longer fits since an MCP server changed its tools")
    grant_status: Standing | None = Field(
        description="Its grant: no run starts unless it is accepted; null without one"
    )
    granted_until: Moment | None = Field(description="When its grant ends")
    description_text: str = Field(description="The schedule in words", examples=["Every day at 08:30"])


class TaskPageOut(BaseModel):
    """A page of tasks, newest first."""

    items: list[TaskOut]
    total: int
    limit: int
    offset: int
    has_more: bool


class TaskPreviewOut(TaskOut):
    """A task as it would be stored, and what would follow."""

    next_occurrences: list[OccurrenceOut]
    warnings: list[ProblemOut]


class ActionDetails(BaseModel):
    """The task after the change."""

    task_id: str
    status: Status
    next_run: Moment | None
    next_run_effective: Moment | None
    snoozed_until: Moment | None
    version: int


class ActionOut(BaseModel):
    """A task was steered."""

    success: bool
    message: str = Field(examples=["Task paused"])
    details: ActionDetails


class RunDetails(BaseModel):
    """Which run, of which task."""

    task_id: str
    run_id: str


class RunNowOut(BaseModel):
    """A run is queued, or stood already under the same key."""

    success: bool
    message: str = Field(examples=["Run queued"])
    run_id: str
    deduplicated: bool
    details: RunDetails


def when(moment: datetime | None) -> str | None:
    """RFC 3339 in UTC, or null."""
    return None if moment is None else rfc3339(moment)


def task_out(task: Task) -> dict[str, Any]:
    """The task as `TaskOut` describes it."""
    return {
        "id": task.id,
        "title": task.title,
        "description": task.description,
        "schedule_kind": task.schedule_kind,
        "schedule_expr": task.schedule_expr,
        "timezone": task.timezone,
        "payload": task.payload,
        "status": task.status,
        "priority": task.priority,
        "max_retries": task.max_retries,
        "backoff_strategy": task.backoff_strategy,
        "backoff_seconds": task.backoff_seconds,
        "timeout_seconds": task.timeout_seconds,
        **_limits_out(task),
        "misfire": task.misfire,
        "misfire_grace_seconds": task.misfire_grace_seconds,
        "catchup_window_seconds": task.catchup_window_seconds,
        "catchup_max": task.catchup_max,
        "jitter_seconds": task.jitter_seconds,
        "starts_at": when(task.starts_at),
        "ends_at": when(task.ends_at),
        "max_runs": task.max_runs,
        "pause_after_failures": task.pause_after_failures,
        "tags": task.tags,
        **_names_out(task),
        "created_at": when(task.created_at),
        "updated_at": when(task.updated_at),
        "version": task.version,
        "next_run": when(task.next_run_at),
        "next_run_effective": when(effective_next(task)),
        "last_run": when(task.last_run_at),
        "snoozed_until": when(task.snoozed_until),
        "snooze_reason": task.snooze_reason,
        "drift": [{**one, "issue": speak(one["issue"])} for one in task.drift],
        "grant_status": task.grant_status,
        "granted_until": when(task.granted_until),
        "description_text": described(task),
    }


def _names_out(task: Task) -> dict[str, Any]:
    return {
        "created_by": task.created_by,
        "external_id": task.external_id,
        "expose_as_tool": task.expose_as_tool,
        "params_schema": task.params_schema,
    }


def _limits_out(task: Task) -> dict[str, Any]:
    return {
        "overlap": task.overlap,
        "concurrency_key": task.concurrency_key,
        "concurrency_limit": task.concurrency_limit,
        "dedupe_key": task.dedupe_key,
        "dedupe_window_seconds": task.dedupe_window_seconds,
        "debounce_seconds": task.debounce_seconds,
        "debounce_max_wait_seconds": task.debounce_max_wait_seconds,
        "expect": task.expect,
    }


def task_page_out(page: Page[Task], items: Sequence[Any]) -> dict[str, Any]:
    """The page as `TaskPageOut` describes it; `items` are its tasks as they are to be shown."""
    return {
        "items": items,
        "total": page.total,
        "limit": page.limit,
        "offset": page.offset,
        "has_more": page.has_more,
    }


def preview_out(preview: Preview) -> dict[str, Any]:
    """The preview as `TaskPreviewOut` describes it."""
    return {
        **task_out(preview.task),
        "next_occurrences": [occurrence_out(one) for one in preview.next_occurrences],
        "warnings": [problem_out(one) for one in preview.warnings],
    }


def action_out(change: Change) -> dict[str, Any]:
    """The change as `ActionOut` describes it."""
    task = change.task
    return {
        "success": True,
        "message": change.message,
        "details": {
            "task_id": task.id,
            "status": task.status,
            "next_run": when(task.next_run_at),
            "next_run_effective": when(effective_next(task)),
            "snoozed_until": when(task.snoozed_until),
            "version": task.version,
        },
    }


def run_now_out(run: Run, deduplicated: bool) -> dict[str, Any]:
    """The run as `RunNowOut` describes it."""
    return {
        "success": True,
        "message": t("This run was asked for before") if deduplicated else t("Run queued"),
        "run_id": run.id,
        "deduplicated": deduplicated,
        "details": {"task_id": run.task_id, "run_id": run.id},
    }

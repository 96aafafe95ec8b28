"""A task: a schedule, a pipeline, and the policies that join them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

ScheduleKind = Literal["cron", "rrule", "once", "event", "condition", "manual"]
TaskStatus = Literal["active", "paused", "canceled", "completed"]
BackoffStrategy = Literal["exponential_jitter", "linear", "fixed"]
Overlap = Literal["skip", "queue_one", "queue_all", "cancel_running", "allow"]
Standing = Literal["pending", "accepted", "refused"]
"""How the grant of a task stands, see `app.domain.grants`."""
Misfire = Literal["last", "skip", "all"]
Outcome = Literal[
    "fired", "skipped_overlap", "skipped_misfire", "skipped_snooze", "skipped_grant", "dropped_limit", "deduped"
]

TIMELESS = frozenset({"event", "condition", "manual"})
"""Kinds of schedules that no clock fires."""
BY_EVENT = frozenset({"event", "condition"})
"""Kinds of schedules that events fire."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One task as it stands in the store.

    Attributes:
        payload: `{"params": object, "pipeline": [steps]}`, as the caller wrote it.
        concurrency_key, concurrency_limit, dedupe_key, dedupe_window_seconds: See `app.domain.run_limits`.
        debounce_seconds, debounce_max_wait_seconds: See `app.domain.debounce`.
        expect, watched_since: See `app.domain.expectations`.
        anchor_at: What DTSTART is for rules that carry none: the moment the schedule was set.
        next_run_at: Nominal time of the next occurrence; None while none is to come (manual, paused, ended).
        next_due_at: The same with jitter: when beat fires it.
        snoozed_until: Occurrences before this moment are skipped, with a row each.
        fired_count: Occurrences that became runs, for `max_runs`.
        definition_id: The snapshot of pipeline and policies that new runs keep.
        version: Counts every change; the entity tag.
        external_id: What somebody else calls it; unique among the tasks of its agent.
        expose_as_tool: The name under which assistants may call it, after `task_`; unique among those of its agent.
        params_schema: JSON Schema of its params, laid over one another, for runs that are asked for by hand.
        drift: What no longer fits the tools of a server, see `app.domain.pipelines.drift`.
        grant_status, granted_until: See `app.domain.grants`; None where it needs no grant.
    """

    id: str
    title: str
    description: str = ""
    schedule_kind: ScheduleKind
    schedule_expr: str | None = None
    timezone: str = "UTC"
    payload: Mapping[str, Any] = field(default_factory=lambda: {"params": {}, "pipeline": []})
    status: TaskStatus = "active"
    priority: int = 5
    max_retries: int = 3
    backoff_strategy: BackoffStrategy = "exponential_jitter"
    backoff_seconds: int = 5
    timeout_seconds: int = 3600
    concurrency_key: str | None = None
    concurrency_limit: int = 1
    dedupe_key: str | None = None
    dedupe_window_seconds: int | None = None
    debounce_seconds: int | None = None
    debounce_max_wait_seconds: int | None = None
    expect: Mapping[str, int] | None = None
    watched_since: datetime | None = None
    overlap: Overlap = "skip"
    misfire: Misfire = "last"
    misfire_grace_seconds: int = 60
    catchup_window_seconds: int = 86400
    catchup_max: int = 10
    jitter_seconds: int = 0
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    max_runs: int | None = None
    pause_after_failures: int | None = None
    tags: tuple[str, ...] = ()
    created_by: str
    created_at: datetime
    updated_at: datetime
    version: int = 1
    anchor_at: datetime
    next_run_at: datetime | None = None
    next_due_at: datetime | None = None
    snoozed_until: datetime | None = None
    snooze_reason: str | None = None
    fired_count: int = 0
    last_run_at: datetime | None = None
    definition_id: str = ""
    external_id: str | None = None
    expose_as_tool: str | None = None
    params_schema: Mapping[str, Any] | None = None
    grant_status: Standing | None = None
    granted_until: datetime | None = None
    depth: int = 0
    """How many events and runs have led to it."""
    drift: tuple[Mapping[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """The immutable part of a task that a run keeps: what to do and how hard to try.

    Attributes:
        document: `{title, payload, max_retries, backoff_strategy, backoff_seconds, timeout_seconds,
            pause_after_failures}`.
    """

    id: str
    task_id: str
    document: Mapping[str, Any]
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class OccurrenceRecord:
    """What became of one occurrence of a schedule; unique by `(task_id, nominal_at)`."""

    task_id: str
    nominal_at: datetime
    effective_at: datetime
    outcome: Outcome
    reason: str = ""
    run_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFilter:
    """What `GET /tasks` may be narrowed by; None leaves a member out."""

    status: tuple[str, ...] = ()
    created_by: str | None = None
    schedule_kind: str | None = None
    q: str | None = None
    tag: str | None = None
    external_id: str | None = None
    expose_as_tool: str | None = None
    exposed: bool = False
    """Only those that assistants may call."""
    drifted: bool | None = None


def definition_document(task: Task) -> dict[str, Any]:
    """The members of a task that its runs keep from their start to their end."""
    return {
        "title": task.title,
        "payload": task.payload,
        "max_retries": task.max_retries,
        "backoff_strategy": task.backoff_strategy,
        "backoff_seconds": task.backoff_seconds,
        "timeout_seconds": task.timeout_seconds,
        "pause_after_failures": task.pause_after_failures,
        "created_by": task.created_by,
    }

"""Tasks, runs and times as the tools show them: ids are called `task_id` and `run_id` everywhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime
from typing import Any

from app.domain.clock import rfc3339
from app.domain.holds import Held
from app.domain.next_run import described, effective_next
from app.domain.runs import Run
from app.domain.schedules import Occurrence
from app.domain.tasks import Task
from app.domain.texts import Text

_TIME = {"type": ["string", "null"]}
_TEXT = {"type": "string"}
TASK_ID: Mapping[str, Any] = {
    "type": "string",
    "pattern": "^[A-Za-z0-9_-]{1,64}$",
    "description": "From create_task or list_tasks.",
}
RUN_ID: Mapping[str, Any] = {
    "type": "string",
    "pattern": "^[A-Za-z0-9_-]{1,64}$",
    "description": "From run_task_now or list_runs.",
}
NEXT_RUN: Mapping[str, Any] = {**_TIME, "description": "When it fires next, in UTC; null for never."}
OCCURRENCE: Mapping[str, Any] = {
    "type": "object",
    "required": ["nominal", "local", "note"],
    "properties": {
        "nominal": {**_TEXT, "description": "In UTC."},
        "local": {**_TEXT, "description": "By the clocks of the task's time zone."},
        "note": {**_TIME, "description": "What a change of the clocks does to it."},
    },
}
MISFITS: Mapping[str, Any] = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["step", "tool", "issue", "since"],
        "properties": {"step": _TEXT, "tool": _TEXT, "issue": _TEXT, "since": _TEXT},
    },
    "description": "Steps that no longer fit the tools of their MCP server; mend them with update_task.",
}
TASK_LINE: Mapping[str, Any] = {
    "type": "object",
    "required": ["task_id", "title", "status", "schedule", "next_run"],
    "properties": {
        "task_id": _TEXT,
        "title": _TEXT,
        "status": _TEXT,
        "schedule_kind": _TEXT,
        "schedule": {**_TEXT, "description": "In words."},
        "timezone": _TEXT,
        "next_run": NEXT_RUN,
        "last_run": _TIME,
        "tags": {"type": "array", "items": _TEXT},
        "drift": MISFITS,
    },
}
TASK: Mapping[str, Any] = {
    "type": "object",
    "required": ["task_id", "title", "status", "schedule_kind", "version", "next_run"],
    "properties": {"task_id": _TEXT, "version": {"type": "integer"}, "next_run": NEXT_RUN, "drift": MISFITS},
}
RUN: Mapping[str, Any] = {
    "type": "object",
    "required": ["run_id", "task_id", "status", "success", "error"],
    "properties": {
        "run_id": _TEXT,
        "task_id": _TEXT,
        "status": {"enum": ["queued", "running", "waiting", "succeeded", "failed", "canceled", "skipped"]},
        "success": {"type": ["boolean", "null"]},
        "error": {"type": ["object", "null"]},
    },
}
_HELD = {"type": "object", "description": "Why it has not started, while it is queued."}
RUN_LINE: Mapping[str, Any] = {**RUN, "properties": {**RUN["properties"], "held_by": _HELD}}

_INWARD = frozenset(
    {"id", "anchor_at", "definition_id", "fired_count", "next_run_at", "next_due_at", "last_run_at", "watched_since"}
)
_RUN_MEMBERS = (
    *("task_id", "task_title", "trigger", "status", "success", "attempt", "max_attempts", "nominal_at"),
    *("scheduled_for", "started_at", "finished_at", "error"),
)


def when(moment: datetime | None) -> str | None:
    """RFC 3339 in UTC, or null."""
    return None if moment is None else rfc3339(moment)


def task_line(task: Task) -> dict[str, Any]:
    """A task in a list; `drift` only where there is some."""
    return {
        "task_id": task.id,
        "title": task.title,
        "status": task.status,
        "schedule_kind": task.schedule_kind,
        "schedule": described(task),
        "timezone": task.timezone,
        "next_run": when(task.next_run_at),
        "last_run": when(task.last_run_at),
        "tags": list(task.tags),
        **({"drift": _misfits(task)} if task.drift else {}),
    }


def task_whole(task: Task) -> dict[str, Any]:
    """Everything of a task that its author sets or asks about."""
    members = {one.name: getattr(task, one.name) for one in fields(Task) if one.name not in _INWARD}
    return {
        "task_id": task.id,
        **{name: _json(value) for name, value in members.items()},
        "drift": _misfits(task),
        "schedule": described(task),
        "next_run": when(task.next_run_at),
        "next_run_effective": when(effective_next(task)),
        "last_run": when(task.last_run_at),
    }


def _misfits(task: Task) -> list[dict[str, str]]:
    return [{**one, "issue": Text(one["issue"])} for one in task.drift]


def run_line(run: Run, held: Held | None = None) -> dict[str, Any]:
    """A run in a list: how it stands, without what it made; `held_by` only where something holds it back."""
    line = {"run_id": run.id, **{name: _json(getattr(run, name)) for name in _RUN_MEMBERS}}
    return line if held is None else {**line, "held_by": _held(held)}


def _held(held: Held) -> dict[str, Any]:
    return {one.name: _json(getattr(held, one.name)) for one in fields(held)}


def occurrence(one: Occurrence) -> dict[str, Any]:
    """One time at which a schedule fires."""
    return {"nominal": rfc3339(one.nominal), "local": one.local.isoformat(), "note": one.note}


def _json(value: Any) -> Any:
    if isinstance(value, datetime):
        return rfc3339(value)
    return list(value) if isinstance(value, tuple) else value

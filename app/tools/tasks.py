"""`tasks.create`: a pipeline that plans further work."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, get_args

from app.domain.errors import InvalidInput
from app.domain.expectations import KINDS
from app.domain.tasks import BackoffStrategy, Misfire, Overlap, ScheduleKind
from app.domain.texts import t
from ordinaut.callers import Caller
from ordinaut.tools import Tool, ToolCall, ToolFailed


class CreateTask(Protocol):
    """The use case that makes a task."""

    def __call__(self, fields: dict[str, Any], *, caller: Caller, idempotency_key: str) -> Mapping[str, Any]:
        """Make the task, or return the one made before under the same key.

        Raises:
            InvalidInput: The fields do not make a task.
        """


def _number(low: int, high: int, default: int | None, description: str) -> dict[str, Any]:
    shape = {"type": "integer", "minimum": low, "maximum": high, "description": description}
    return shape if default is None else {**shape, "default": default}


_MOMENT = {"type": "string", "format": "date-time"}
TASK_FIELDS: dict[str, Any] = {
    "title": {"type": "string", "minLength": 1, "maxLength": 200, "description": "What it is called."},
    "description": {"type": "string", "maxLength": 2000, "description": "What it is for."},
    "schedule_kind": {
        "enum": list(get_args(ScheduleKind)),
        "description": "How `schedule_expr` is read.",
    },
    "schedule_expr": {
        "type": ["string", "null"],
        "maxLength": 2000,
        "description": "Cron expression, recurrence rule or moment; null for `manual`.",
    },
    "timezone": {"type": "string", "maxLength": 64, "default": "UTC", "description": "IANA time zone."},
    "payload": {"type": "object", "description": "`{params, pipeline}`: parameters and steps."},
    "status": {"enum": ["active", "paused"], "default": "active", "description": "Whether it fires."},
    "priority": _number(1, 9, 5, "1 goes first."),
    "max_retries": _number(0, 10, 3, "Further tries of a failed run."),
    "backoff_strategy": {
        "enum": list(get_args(BackoffStrategy)),
        "default": "exponential_jitter",
        "description": "How waits between tries grow.",
    },
    "backoff_seconds": _number(0, 3600, 5, "The first wait between tries."),
    "timeout_seconds": _number(1, 86_400, 3600, "How long a run may take."),
    "overlap": {
        "enum": list(get_args(Overlap)),
        "default": "skip",
        "description": "What if a run is still going.",
    },
    "concurrency_key": {
        "type": ["string", "null"],
        "minLength": 1,
        "maxLength": 500,
        "description": "Runs with the same key, of all tasks, share `concurrency_limit`; a template is filled in.",
    },
    "concurrency_limit": _number(1, 1000, 1, "How many runs with the key may be at work at once."),
    "dedupe_key": {
        "type": ["string", "null"],
        "minLength": 1,
        "maxLength": 500,
        "description": "No run is made with the key of one accepted within the window; a template is filled in.",
    },
    "dedupe_window_seconds": _number(1, 31_536_000, None, "How long a `dedupe_key` keeps others off."),
    "debounce_seconds": _number(1, 86_400, None, "Events start a run once they have stopped for so long."),
    "debounce_max_wait_seconds": _number(1, 604_800, None, "It runs so long after the first of them at the latest."),
    "expect": {
        "type": ["object", "null"],
        "additionalProperties": False,
        "minProperties": 1,
        "properties": {kind: {"type": ["integer", "string", "null"], "maxLength": 60} for kind in KINDS},
        "description": "`start_within`, `finish_within`, `no_success_for`: seconds, or a text such as `15m`.",
    },
    "misfire": {"enum": list(get_args(Misfire)), "default": "last", "description": "What of missed times."},
    "misfire_grace_seconds": _number(0, 86_400, 60, "Lateness that is not a misfire."),
    "catchup_window_seconds": _number(0, 31_536_000, 86_400, "How far back missed times are caught up."),
    "catchup_max": _number(1, 1000, 10, "How many missed times are caught up."),
    "jitter_seconds": _number(0, 86_400, 0, "Spread of the start."),
    "starts_at": {**_MOMENT, "description": "Nothing fires before."},
    "ends_at": {**_MOMENT, "description": "Nothing fires after."},
    "max_runs": _number(1, 1_000_000_000, None, "It is completed after so many runs."),
    "pause_after_failures": _number(1, 1000, None, "It pauses after so many failures in a row."),
    "external_id": {
        "type": "string",
        "minLength": 1,
        "maxLength": 200,
        "description": "What you call it; unique among the tasks of its agent.",
    },
    "tags": {
        "type": "array",
        "maxItems": 20,
        "items": {"type": "string", "minLength": 1, "maxLength": 50},
        "description": "Words to find it by.",
    },
}
"""JSON Schema of the members of a task that a tool may set, by name."""


_SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["title", "schedule_kind", "payload"],
    "properties": TASK_FIELDS,
}
_OUTPUT_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["id", "title", "status", "next_run"],
    "properties": {
        "id": {"type": "string", "description": "The task's id."},
        "title": {"type": "string", "description": "As given."},
        "status": {"type": "string", "description": "Usually `active`."},
        "next_run": {"type": ["string", "null"], "description": "When it fires next; null for never."},
    },
}
_EXAMPLE: dict[str, Any] = {
    "title": "Nightly report",
    "schedule_kind": "cron",
    "schedule_expr": "0 2 * * *",
    "timezone": "Europe/Bucharest",
    "payload": {"pipeline": [{"id": "note", "uses": "log.write", "with": {"message": "Good night"}}]},
}


def tasks_create_tool(create_task: CreateTask) -> Tool:
    """`tasks.create`; `create_task` checks the fields against everything a schema cannot say."""

    def run(call: ToolCall) -> dict[str, Any]:
        try:
            made = create_task(dict(call.arguments), caller=call.caller, idempotency_key=call.idempotency_key)
        except InvalidInput as error:
            raise _invalid(error) from error
        return {
            "id": made["id"],
            "title": made.get("title"),
            "status": made.get("status"),
            "next_run": made.get("next_run"),
        }

    return Tool(
        name="tasks.create",
        description=t("Creates a task in the name of the run's agent. A repeated call makes one task."),
        schema=_SCHEMA,
        output_schema=_OUTPUT_SCHEMA,
        run=run,
        idempotent=True,
        scope="tasks:create",
        examples=(_EXAMPLE,),
    )


def _invalid(error: InvalidInput) -> ToolFailed:
    first = error.problems[0] if error.problems else None
    reason = first.message if first else error.message
    text = t("The task cannot be created: {reason}", reason=reason)
    if first and first.field:
        text = t("The task cannot be created at `{field}`: {reason}", field=first.field, reason=reason)
    return ToolFailed(
        text,
        type="invalid_arguments",
        retryable=False,
        details={
            "errors": [
                {"field": problem.field, "issue": problem.message, "hint": problem.hint} for problem in error.problems
            ]
        },
    )

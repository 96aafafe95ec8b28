"""`create_task`, `list_tasks`, `get_task`, `update_task`: tasks for assistants, pipelines and pages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from app.domain.errors import NotFound
from app.domain.grants import grant_hold
from app.domain.pipelines.validate import validate_pipeline
from app.domain.runs import Run
from app.domain.tasks import ScheduleKind, Task, TaskFilter, TaskStatus
from app.domain.texts import t
from app.tools.tasks import TASK_FIELDS
from app.tools.use_cases import shapes
from app.tools.use_cases.answers import (
    CURSOR,
    NEXT_CURSOR,
    answer,
    capped,
    fitting,
    next_cursor,
    shape,
    start_of,
)
from app.tools.use_cases.ports import UseCases
from app.tools.use_cases.refusals import advised
from app.tools.use_cases.schedule_text import read_schedule
from ordinaut import Caller, Tool, ToolCall

SHOWN_TIMES = 3
_PLACES = {"schedule_expr": "schedule"}
_SCHEDULE: Mapping[str, Any] = {
    "type": "string",
    "maxLength": 2000,
    "description": (
        "When it runs: a 5-field cron expression ('0 18 * * *' is every day at 18:00), an RRULE "
        "('RRULE:FREQ=WEEKLY;BYDAY=MO'), an ISO instant for one run, 'event:<topic>', or 'manual'. Clock times are "
        "read in `timezone`. When unsure, look with preview_schedule first."
    ),
}
_KIND: Mapping[str, Any] = {
    "enum": list(get_args(ScheduleKind)),
    "description": "Only where the text of `schedule` does not tell it.",
}
_ZONE: Mapping[str, Any] = {
    **TASK_FIELDS["timezone"],
    "description": "IANA name, e.g. Europe/Chisinau. Ask if local time is meant.",
}
_PAYLOAD: Mapping[str, Any] = {
    **TASK_FIELDS["payload"],
    "description": (
        "What it does: {params, pipeline}. Each step is {id, uses, with}; list_tools gives the names for `uses`, "
        "validate_pipeline checks it all."
    ),
}
_OTHERS: Mapping[str, Any] = {
    name: TASK_FIELDS[name]
    for name in (
        *(
            "description",
            "priority",
            "max_retries",
            "backoff_strategy",
            "timeout_seconds",
            "overlap",
            "expect",
            "misfire",
        ),
        *("starts_at", "ends_at", "max_runs", "tags"),
    )
}
_EDITABLE: Mapping[str, Any] = {
    "title": TASK_FIELDS["title"],
    "schedule": _SCHEDULE,
    "schedule_kind": _KIND,
    "timezone": _ZONE,
    "payload": _PAYLOAD,
    **_OTHERS,
}
_WARNINGS: Mapping[str, Any] = {
    "type": "array",
    "items": {"type": "string"},
    "description": "What its author had better know.",
}
_TIMES: Mapping[str, Any] = {"type": "array", "items": shapes.OCCURRENCE, "description": "The first ones to come."}

_FILTERS: dict[str, Any] = {
    "query": {"type": "string", "maxLength": 200, "description": "Part of the title or the description."},
    "status": {"enum": list(get_args(TaskStatus)), "description": "Only those that stand so."},
    "schedule_kind": {"enum": list(get_args(ScheduleKind)), "description": "Only those of this kind."},
    "tag": {"type": "string", "maxLength": 50, "description": "Only those with this tag."},
    "drifted": {
        "type": "boolean",
        "description": "Only those with a step that no longer fits the tools of its MCP server; false for the others.",
    },
    "limit": {
        "type": "integer",
        "minimum": 1,
        "maximum": 200,
        "default": 20,
        "description": "How many to give.",
    },
}
_CHANGES: dict[str, Any] = {**shape(_EDITABLE), "minProperties": 1, "description": "Only what is to be different."}
_VERSION: dict[str, Any] = {
    "type": "integer",
    "minimum": 1,
    "description": "Refuse unless the task still has this `version`, as get_task gave it.",
}


def task_tools(uses: UseCases) -> list[Tool]:
    """The tools that make, find and change tasks."""
    return [
        advised(_create_task(uses), _PLACES),
        advised(_list_tasks(uses)),
        advised(_get_task(uses)),
        advised(_update_task(uses), {name: f"changes.{_PLACES.get(name, name)}" for name in TASK_FIELDS}),
    ]


def _create_task(uses: UseCases) -> Tool:
    paused = {"type": "boolean", "default": False, "description": "Store it without letting it fire yet."}

    def run(call: ToolCall) -> dict[str, Any]:
        task = uses.tasks.create(_new_fields(call.arguments), caller=call.caller, key=call.idempotency_key)
        times = uses.tasks.next_times(task, SHOWN_TIMES)
        return {
            "task_id": task.id,
            "message": t("Task created successfully"),
            "schedule_kind": task.schedule_kind,
            "next_runs": [shapes.occurrence(one) for one in times],
            "warnings": _warnings(uses, task, [one.note for one in times if one.note]),
        }

    return Tool(
        name="create_task",
        description=t("Creates a new scheduled task."),
        schema=shape({**_EDITABLE, "paused": paused}, ["title", "schedule"]),
        output_schema=answer(
            {
                "task_id": {"type": "string", "description": "Its id, for every other tool."},
                "message": {"type": "string", "description": "That it is done."},
                "schedule_kind": {"type": "string", "description": "How `schedule` was read."},
                "next_runs": _TIMES,
                "warnings": _WARNINGS,
            }
        ),
        run=run,
        idempotent=True,
        scope="tasks:create",
        examples=(
            {
                "title": "Daily report",
                "schedule": "0 18 * * *",
                "timezone": "Europe/Chisinau",
                "payload": {"pipeline": [{"id": "note", "uses": "log.write", "with": {"message": "The day is done"}}]},
            },
        ),
    )


def _new_fields(arguments: Mapping[str, Any]) -> dict[str, Any]:
    fields = _fields(arguments)
    fields.setdefault("payload", {"pipeline": []})
    fields["status"] = "paused" if fields.pop("paused", False) else "active"
    return fields


def _fields(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments with `schedule` as the two members that the services know."""
    fields = dict(arguments)
    kind = fields.get("schedule_kind")
    if "schedule" in fields:
        line = read_schedule(fields.pop("schedule"), kind)
        fields["schedule_kind"], fields["schedule_expr"] = line.kind, line.expr
    return fields


def _warnings(uses: UseCases, task: Task, notes: list[str]) -> list[str]:
    payload = task.payload
    report = validate_pipeline(payload["pipeline"], tools=uses.tools, params=payload["params"], at="/payload/pipeline")
    hold = grant_hold(task.grant_status, None, task.updated_at)
    return [*([] if hold is None else [hold]), *(f"{one.pointer}: {one.message}" for one in report.warnings), *notes]


def _list_tasks(uses: UseCases) -> Tool:
    def run(call: ToolCall) -> dict[str, Any]:
        given, start = call.arguments, start_of(call.arguments)
        where = TaskFilter(
            status=(given["status"],) if "status" in given else (),
            schedule_kind=given.get("schedule_kind"),
            q=given.get("query"),
            tag=given.get("tag"),
            drifted=given.get("drifted"),
        )
        page = uses.tasks.page(where, caller=call.caller, limit=given.get("limit", 20), offset=start)
        shown = fitting(page.items, shapes.task_line)
        return {"tasks": shown, "total": page.total, "next_cursor": next_cursor(start, len(shown), page.total)}

    return Tool(
        name="list_tasks",
        description=t("Lists tasks, newest first. Look here before creating one, to find its id or a similar one."),
        schema=shape({**_FILTERS, "cursor": CURSOR}),
        output_schema=answer(
            {
                "tasks": {"type": "array", "items": shapes.TASK_LINE, "description": "In short."},
                "total": {"type": "integer", "description": "How many there are in all."},
                "next_cursor": NEXT_CURSOR,
            }
        ),
        run=run,
        idempotent=True,
        read_only=True,
        scope="tasks:read",
        examples=({"status": "active", "query": "report"},),
    )


def _get_task(uses: UseCases) -> Tool:
    def run(call: ToolCall) -> dict[str, Any]:
        task = uses.tasks.get(call.arguments["task_id"], caller=call.caller)
        last = _last_run(uses, task.id, call.caller)
        times = [] if task.status != "active" else uses.tasks.next_times(task, SHOWN_TIMES)
        return {
            "task": _whole(task),
            "next_runs": [shapes.occurrence(one) for one in times],
            "last_run": None if last is None else shapes.run_line(last),
        }

    return Tool(
        name="get_task",
        description=t("Gets the whole of a task: its schedule, its pipeline, the next runs and the last one."),
        schema=shape({"task_id": shapes.TASK_ID}, ["task_id"]),
        output_schema=answer(
            {
                "task": {**shapes.TASK, "description": "All its members; `version` is for update_task."},
                "next_runs": _TIMES,
                "last_run": {"type": ["object", "null"], "description": "Its newest run; get_run gives its steps."},
            }
        ),
        run=run,
        idempotent=True,
        read_only=True,
        scope="tasks:read",
        examples=({"task_id": "019ab7d2-3c4e-7f10-8a2b-5d6e7f809a1b"},),
    )


def _last_run(uses: UseCases, task_id: str, caller: Caller) -> Run | None:
    try:
        return uses.runs.latest(task_id, caller=caller)
    except NotFound:
        return None


def _whole(task: Task) -> dict[str, Any]:
    whole = shapes.task_whole(task)
    whole["payload"] = capped(whole["payload"], t("GET /tasks/{id} has it whole"), room=60_000)
    return whole


def _update_task(uses: UseCases) -> Tool:
    def run(call: ToolCall) -> dict[str, Any]:
        expected = call.arguments.get("expected_version")
        before, after = uses.tasks.update(
            call.arguments["task_id"],
            _fields(call.arguments["changes"]),
            caller=call.caller,
            versions=None if expected is None else frozenset({expected}),
        )
        return {
            "task": _whole(after),
            "changed": _difference(before, after),
            "warnings": _warnings(uses, after, []),
        }

    return Tool(
        name="update_task",
        description=t(
            "Changes some members of a task and leaves the others. A new schedule counts from now; `payload` is "
            "replaced as a whole, so get it with get_task first."
        ),
        schema=shape(
            {"task_id": shapes.TASK_ID, "changes": _CHANGES, "expected_version": _VERSION}, ["task_id", "changes"]
        ),
        output_schema=answer(
            {
                "task": {**shapes.TASK, "description": "As it is now."},
                "changed": {"type": "object", "description": "Member by member: `{before, after}`."},
                "warnings": _WARNINGS,
            }
        ),
        run=run,
        idempotent=True,
        destructive=True,
        scope="tasks:update",
        examples=({"task_id": "019ab7d2-3c4e-7f10-8a2b-5d6e7f809a1b", "changes": {"schedule": "30 8 * * 1-5"}},),
    )


_MOVING = frozenset({"updated_at", "version"})


def _difference(before: Task, after: Task) -> dict[str, Any]:
    old, new = shapes.task_whole(before), shapes.task_whole(after)
    return {
        name: {"before": _brief(old[name]), "after": _brief(value)}
        for name, value in new.items()
        if name not in _MOVING and old[name] != value
    }


def _brief(value: Any) -> Any:
    return capped(value, t("get_task has it whole"), room=5_000)

"""`list_incidents`: which tasks are late."""

from __future__ import annotations

from typing import Any, get_args

from app.domain.expectations import IncidentKind
from app.domain.incidents import Incident, IncidentFilter
from app.domain.texts import t
from app.tools.use_cases import shapes
from app.tools.use_cases.answers import CURSOR, NEXT_CURSOR, answer, fitting, next_cursor, shape, start_of
from app.tools.use_cases.ports import UseCases
from app.tools.use_cases.refusals import advised
from ordinaut import Tool, ToolCall

_FILTERS: dict[str, Any] = {
    "open": {"type": "boolean", "description": "Only those that are open, or only those that are over."},
    "task_id": {**shapes.TASK_ID, "description": "Only those of this task."},
    "kind": {"enum": list(get_args(IncidentKind)), "description": "Only those of this expectation."},
    "limit": {"type": "integer", "minimum": 1, "maximum": 200, "default": 20, "description": "How many to give."},
}
_INCIDENT: dict[str, Any] = {
    "type": "object",
    "required": ["incident_id", "kind", "task_id", "task_title", "opened_at", "resolved_at"],
}


def incident_tools(uses: UseCases) -> list[Tool]:
    """The tool that looks at incidents."""
    return [advised(_list(uses))]


def _list(uses: UseCases) -> Tool:
    def run(call: ToolCall) -> dict[str, Any]:
        given, start = call.arguments, start_of(call.arguments)
        where = IncidentFilter(open=given.get("open"), task_id=given.get("task_id"), kind=given.get("kind"))
        page = uses.runs.incidents.page(where, caller=call.caller, limit=given.get("limit", 20), offset=start)
        shown = fitting(page.items, _line)
        return {"incidents": shown, "total": page.total, "next_cursor": next_cursor(start, len(shown), page.total)}

    return Tool(
        name="list_incidents",
        description=t("Lists the times when a task did not do in time what is expected of it, newest first."),
        schema=shape({**_FILTERS, "cursor": CURSOR}),
        output_schema=answer(
            {
                "incidents": {"type": "array", "items": _INCIDENT, "description": "With what was expected."},
                "total": {"type": "integer", "description": "How many there are in all."},
                "next_cursor": NEXT_CURSOR,
            }
        ),
        run=run,
        idempotent=True,
        read_only=True,
        scope="tasks:read",
        examples=({"open": True},),
    )


def _line(incident: Incident) -> dict[str, Any]:
    return {
        "incident_id": incident.id,
        "kind": incident.kind,
        "task_id": incident.task_id,
        "task_title": incident.task_title,
        "run_id": incident.run_id,
        "limit_seconds": incident.limit_seconds,
        "breached_at": shapes.when(incident.breached_at),
        "opened_at": shapes.when(incident.opened_at),
        "resolved_at": shapes.when(incident.resolved_at),
        "resolution": incident.resolution,
        "note": incident.note,
    }

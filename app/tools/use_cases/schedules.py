"""`preview_schedule`: what a schedule means, before there is a task."""

from __future__ import annotations

from typing import Any, get_args

from app.domain.tasks import ScheduleKind
from app.domain.texts import t
from app.tools.use_cases import shapes
from app.tools.use_cases.answers import answer, shape
from app.tools.use_cases.ports import UseCases
from app.tools.use_cases.refusals import advised
from app.tools.use_cases.schedule_text import read_schedule
from ordinaut import Tool, ToolCall

_PROPERTIES: dict[str, Any] = {
    "schedule": {
        "type": "string",
        "maxLength": 2000,
        "description": "As create_task takes it: cron, RRULE, ISO instant.",
    },
    "schedule_kind": {"enum": list(get_args(ScheduleKind)), "description": "Where the text does not tell it."},
    "timezone": {
        "type": "string",
        "maxLength": 64,
        "default": "UTC",
        "description": "IANA name, e.g. Europe/Chisinau.",
    },
    "count": {"type": "integer", "minimum": 1, "maximum": 50, "default": 5, "description": "How many times."},
    "from": {"type": "string", "maxLength": 40, "description": "ISO instant to begin at; now when left out."},
}
_OUTPUT = answer(
    {
        "schedule_kind": {"type": "string", "description": "How it was read."},
        "description": {"type": "string", "description": "In words."},
        "occurrences": {"type": "array", "items": shapes.OCCURRENCE, "description": "Soonest first."},
    }
)


def schedule_tools(uses: UseCases) -> list[Tool]:
    """The tools that look at schedules."""
    return [advised(_preview(uses), {"schedule_expr": "schedule"})]


def _preview(uses: UseCases) -> Tool:
    def run(call: ToolCall) -> dict[str, Any]:
        given = call.arguments
        line = read_schedule(given["schedule"], given.get("schedule_kind"))
        seen = uses.tasks.preview(
            line.kind,
            line.expr,
            given.get("timezone", "UTC"),
            count=given.get("count", 5),
            from_=given.get("from"),
        )
        return {
            "schedule_kind": line.kind,
            "description": seen.description,
            "occurrences": [shapes.occurrence(one) for one in seen.occurrences],
        }

    return Tool(
        name="preview_schedule",
        description=t(
            "Says in words and in times what a schedule means, with notes where clocks change. Stores nothing."
        ),
        schema=shape(_PROPERTIES, ["schedule"]),
        output_schema=_OUTPUT,
        run=run,
        idempotent=True,
        read_only=True,
        scope="tasks:read",
        examples=({"schedule": "30 8 * * 1-5", "timezone": "Europe/Chisinau", "count": 3},),
    )

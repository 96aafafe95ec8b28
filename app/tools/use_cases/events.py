"""`publish_event`: telling the world, and the tasks that wait for it."""

from __future__ import annotations

from typing import Any

from app.domain.texts import t
from app.tools.use_cases.answers import answer, shape
from app.tools.use_cases.ports import UseCases
from app.tools.use_cases.refusals import advised
from ordinaut import Tool, ToolCall

_PROPERTIES: dict[str, Any] = {
    "topic": {
        "type": "string",
        "minLength": 1,
        "maxLength": 200,
        "description": "Segments joined by dots, such as shop.order.paid; no wildcards.",
    },
    "payload": {"type": "object", "default": {}, "description": "What is told, as a JSON object."},
    "idempotency_key": {
        "type": "string",
        "minLength": 1,
        "maxLength": 200,
        "description": "Publishing twice under one key gives one event.",
    },
}
_OUTPUT = answer(
    {
        "event_id": {"type": "string", "description": "Rises in the order of events."},
        "stream_id": {"type": "string", "description": "The same: what streams resume from."},
        "topic": {"type": "string", "description": "As given."},
        "triggered_tasks": {
            "type": "array",
            "items": {"type": "string"},
            "description": "Ids of the tasks that run because of it.",
        },
        "message": {"type": "string", "description": "That it is done."},
    }
)


def event_tools(uses: UseCases) -> list[Tool]:
    """The tool that publishes."""
    return [advised(_publish(uses))]


def _publish(uses: UseCases) -> Tool:
    def run(call: ToolCall) -> dict[str, Any]:
        given, source = call.arguments, call.caller.agent_id
        own = given.get("idempotency_key")
        key = f"{source}:{own}" if own else call.idempotency_key
        done = uses.publish(given["topic"], given.get("payload", {}), source=source, key=key)
        return {
            "event_id": done.event.id,
            "stream_id": done.event.id,
            "topic": done.event.topic,
            "triggered_tasks": list(done.triggered),
            "message": t("Event published successfully"),
        }

    return Tool(
        name="publish_event",
        description=t("Publishes an event on a topic; the tasks that wait for it run. Others may act on it too."),
        schema=shape(_PROPERTIES, ["topic"]),
        output_schema=_OUTPUT,
        run=run,
        idempotent=True,
        open_world=True,
        scope="events:publish",
        examples=({"topic": "shop.order.paid", "payload": {"order": 42}},),
    )

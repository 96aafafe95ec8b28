"""`events.publish`: a pipeline that tells the others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from app.domain.errors import InvalidInput
from app.domain.events import Published
from app.domain.texts import t
from ordinaut.tools import Tool, ToolCall, ToolFailed


class PublishEvent(Protocol):
    """The use case that publishes; `app.services.events.EventService.publish`."""

    def __call__(
        self, topic: str, payload: Mapping[str, Any], *, source: str, depth: int | None = None, key: str | None = None
    ) -> Published:
        """Publish once for each key.

        Raises:
            InvalidInput: It is no topic to publish on.
        """


_SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["topic"],
    "properties": {
        "topic": {
            "type": "string",
            "minLength": 1,
            "maxLength": 200,
            "description": "Segments joined by dots, such as `shop.order.paid`.",
        },
        "payload": {"type": "object", "default": {}, "description": "What there is to know."},
    },
}
_OUTPUT_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["event_id", "topic", "triggered_tasks"],
    "properties": {
        "event_id": {"type": "string", "description": "The event's id, such as `1692873600000-0`."},
        "topic": {"type": "string", "description": "As given."},
        "triggered_tasks": {
            "type": "array",
            "items": {"type": "string"},
            "description": "Ids of the tasks that run because of it.",
        },
    },
}
_EXAMPLE: dict[str, Any] = {"topic": "shop.order.paid", "payload": {"order": 42, "total": 99.5}}


def events_publish_tool(publish: PublishEvent) -> Tool:
    """`events.publish`; a repeated step publishes one event."""

    def run(call: ToolCall) -> dict[str, Any]:
        source = call.caller.agent_id
        topic, payload = call.arguments["topic"], call.arguments.get("payload", {})
        try:
            published = publish(topic, payload, source=source, key=call.idempotency_key)
        except InvalidInput as error:
            first = error.problems[0]
            message = t("The event cannot be published: {reason}", reason=first.message)
            raise ToolFailed(message, type="invalid_arguments", retryable=False) from error
        return {
            "event_id": published.event.id,
            "topic": published.event.topic,
            "triggered_tasks": list(published.triggered),
        }

    return Tool(
        name="events.publish",
        description=t("Publishes an event. It starts the tasks that wait for it; a repeated call publishes once."),
        schema=_SCHEMA,
        output_schema=_OUTPUT_SCHEMA,
        run=run,
        idempotent=True,
        scope="events:publish",
        examples=(_EXAMPLE,),
    )

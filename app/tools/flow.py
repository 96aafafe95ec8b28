"""`flow.sleep` and `flow.wait_event`: a run that waits holds no worker."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from app.domain.access import sees_all
from app.domain.clock import SECOND, rfc3339, to_micros
from app.domain.errors import InvalidInput
from app.domain.events import PLATFORM, TopicPattern
from app.domain.expressions import TemplateSyntaxError, compile_expression
from app.domain.runs import RunError
from app.domain.texts import t
from app.domain.waits import LONGEST_SECONDS, EventWait, Parked, Resolution, Sleep, Until
from ordinaut.tools import Tool, ToolCall, ToolFailed

LOOKBACK_SECONDS = 86_400


def flow_sleep_tool() -> Tool:
    """`flow.sleep`; survives restarts of everything, since its end is a row."""
    return Tool(
        name="flow.sleep",
        description=t("Waits for some seconds, or until a moment. The run holds no worker meanwhile."),
        schema={
            "type": "object",
            "additionalProperties": False,
            "oneOf": [{"required": ["seconds"]}, {"required": ["until"]}],
            "properties": {
                "seconds": {
                    "type": "number",
                    "minimum": 0,
                    "maximum": LONGEST_SECONDS,
                    "description": "How long, a year at most.",
                },
                "until": {"type": "string", "format": "date-time", "description": "Until when, as RFC 3339 has it."},
            },
        },
        output_schema={
            "type": "object",
            "required": ["until"],
            "properties": {"until": {"type": "string", "description": "When it was to go on."}},
        },
        run=_sleep,
        pure=True,
        idempotent=True,
        examples=({"seconds": 90}, {"until": "2026-12-24T18:00:00Z"}),
    )


def _sleep(call: ToolCall) -> dict[str, Any]:
    now, until = datetime.now(UTC), call.arguments.get("until")
    if until is None:
        seconds = float(call.arguments["seconds"])
        end, when = now + timedelta(seconds=seconds), {"delay_us": int(seconds * SECOND)}
    else:
        end = datetime.fromisoformat(until).astimezone(UTC)
        when = {"at_us": to_micros(end)}
        if (end - now).total_seconds() > LONGEST_SECONDS:
            raise ToolFailed(t("'until' is more than a year ahead"), type="invalid_arguments", retryable=False)
    output = {"until": rfc3339(end)}
    if end <= now:
        return output
    raise Parked(Sleep(until=Until(then=Resolution(output=output), **when)))


_EVENT_SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["topic"],
    "properties": {
        "topic": {
            "type": "string",
            "minLength": 1,
            "maxLength": 2000,
            "description": "A topic or pattern: `*` is one segment, `**` the rest.",
        },
        "match": {
            "type": ["string", "object"],
            "maxLength": 1000,
            "maxProperties": 20,
            "description": "Members the payload must have, or a JMESPath expression over `{topic, payload}`.",
        },
        "timeout_seconds": {
            "type": "number",
            "exclusiveMinimum": 0,
            "maximum": LONGEST_SECONDS,
            "description": "How long to wait at most; without it there is no end.",
        },
        "lookback_seconds": {
            "type": "number",
            "minimum": 0,
            "maximum": LOOKBACK_SECONDS,
            "default": 0,
            "description": "Events published so long before count too.",
        },
        "on_timeout": {
            "enum": ["fail", "continue"],
            "default": "fail",
            "description": "With `continue` the output is null when nothing came.",
        },
    },
}


def flow_wait_event_tool() -> Tool:
    """`flow.wait_event`; what was published since the step began is not missed."""
    return Tool(
        name="flow.wait_event",
        description=t("Waits for an event on a topic. The run holds no worker meanwhile; the output is the event."),
        schema=_EVENT_SCHEMA,
        run=_wait_event,
        pure=True,
        idempotent=True,
        scope="events:read",
        examples=({"topic": "shop.order.paid", "match": {"order": 42}, "timeout_seconds": 3600},),
    )


def _wait_event(call: ToolCall) -> Any:
    given = call.arguments
    _check(given, call)
    seconds = given.get("timeout_seconds")
    until = None
    if seconds is not None:
        until = Until(delay_us=int(seconds * SECOND), then=_nothing_came(given, seconds))
    lookback_us = int(given.get("lookback_seconds", 0) * SECOND)
    asked_at = time.monotonic()
    wait = EventWait(
        topic=given["topic"], match=given.get("match"), asked_at=asked_at, lookback_us=lookback_us, until=until
    )
    raise Parked(wait)


def _check(given: Mapping[str, Any], call: ToolCall) -> None:
    try:
        pattern = TopicPattern.parse(given["topic"])
        if isinstance(given.get("match"), str):
            compile_expression(given["match"])
    except InvalidInput as error:
        raise ToolFailed(error.problems[0].message, type="invalid_arguments", retryable=False) from error
    except TemplateSyntaxError as error:
        raise ToolFailed(error.message, type="invalid_arguments", retryable=False) from error
    if any(pattern.names(family) for family in PLATFORM) and not sees_all(call.caller):
        message = t("Only who may see everybody's tasks may wait for what the platform tells of itself")
        raise ToolFailed(message, type="forbidden", retryable=False)


def _nothing_came(given: Mapping[str, Any], seconds: float) -> Resolution:
    if given.get("on_timeout") == "continue":
        return Resolution(output=None)
    message = t("No event on {topic} came within {seconds} s", topic=given["topic"], seconds=f"{seconds:g}")
    return Resolution(error=RunError(type="timeout", message=message), retryable=True)

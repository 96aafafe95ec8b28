"""How answers are kept short enough for a model to read: capped values, pages with a cursor, limits of time."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import orjson

from app.domain.errors import InvalidInput
from app.domain.texts import t
from ordinaut import ToolCall

T = TypeVar("T")
MAX_CHARACTERS = 80_000
"""Of a whole answer, as JSON."""
PART_CHARACTERS = 20_000
"""Of one value inside an answer."""
_BEGINNING = 2_000
_MARGIN_SECONDS = 1.0
"""What is left to answer in after a wait."""

OFFSET_LIMIT = 1_000_000_000
CURSOR: Mapping[str, Any] = {
    "type": "string",
    "maxLength": 20,
    "description": "`next_cursor` of the answer before, for the next page.",
}
NEXT_CURSOR: Mapping[str, Any] = {
    "type": ["string", "null"],
    "description": "Send it as `cursor` for the next page; null at the end.",
}


def shape(properties: Mapping[str, Any], required: Sequence[str] = ()) -> dict[str, Any]:
    """JSON Schema of an object that has these members and no others."""
    return {
        "type": "object",
        "additionalProperties": False,
        "required": list(required),
        "properties": dict(properties),
    }


def answer(properties: Mapping[str, Any]) -> dict[str, Any]:
    """JSON Schema of an answer that always has these members."""
    return {"type": "object", "required": list(properties), "properties": dict(properties)}


def start_of(arguments: Mapping[str, Any]) -> int:
    """The offset that `cursor` stands for; 0 without one.

    Raises:
        InvalidInput: It is no cursor of ours.
    """
    cursor = arguments.get("cursor", "0")
    if not (cursor.isascii() and cursor.isdigit() and int(cursor) < OFFSET_LIMIT):
        text = t("{field} is not one that this tool gave", field="'cursor'")
        raise InvalidInput.at("/cursor", text, t("Leave it out for the first page"))
    return int(cursor)


def fitting(items: Sequence[T], present: Callable[[T], Any], *, room: int = MAX_CHARACTERS) -> list[Any]:
    """As many of the items, presented, as `room` characters hold; at least one, if there are any."""
    shown: list[Any] = []
    for item in items:
        one = present(item)
        room -= _length(one) + 1
        if room < 0 and shown:
            break
        shown.append(one)
    return shown


def next_cursor(start: int, shown: int, total: int) -> str | None:
    """Where the next page begins; None after the last."""
    return str(start + shown) if start + shown < total else None


def capped(value: Any, hint: str, *, room: int = PART_CHARACTERS) -> Any:
    """The value, or its beginning with a mark when it is longer than `room` characters of JSON.

    Args:
        value: JSON data.
        hint: Where the rest is to be had.
        room: Characters.
    """
    text = _text(value)
    if len(text) <= room:
        return value
    return {"truncated": True, "characters": len(text), "beginning": text[:_BEGINNING], "hint": hint}


def seconds_left(call: ToolCall, wanted: float) -> float:
    """How long a call may wait: as long as is wanted, and not past what its caller waits for."""
    return max(0.0, min(wanted, call.deadline - time.monotonic() - _MARGIN_SECONDS))


def _length(value: Any) -> int:
    return len(_text(value))


def _text(value: Any) -> str:
    return orjson.dumps(value, default=str).decode()

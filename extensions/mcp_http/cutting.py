"""Answers that are too long: shortened where they are longest, until they fit."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from jsonschema_rs import validator_for

MOST_ROUNDS = 30
"""Each looks at all of it; what takes more has no part that is worth cutting."""
ELLIPSIS = " …"


def text_of(value: Any) -> str:
    """As JSON, without what nobody reads."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def shortened(value: Any, most: int) -> tuple[Any, list[str]] | None:
    """A copy of at most so many characters of JSON, and what was left out of it where; None where that cannot be.

    Lists lose their last items, texts their end; everything else stays, so that it fits the same schema unless that
    asks for a number of items or characters.
    """
    kept, before = json.loads(text_of(value)), dict[str, int]()
    for _ in range(MOST_ROUNDS):
        excess = len(text_of(kept)) - most
        if excess <= 0:
            return kept, [_told(kept, path, count) for path, count in before.items()]
        path = _longest(kept)
        if path is None:
            return None
        whole = _at(kept, path)
        before.setdefault(json.dumps(path), len(whole))
        if len(whole) == 1 and isinstance(whole, list):
            return None
        kept = _put(kept, path, _less(whole, excess))
    return None


def fits(value: Any, schema: Mapping[str, Any] | None) -> bool:
    """Whether it is what the schema promises; a schema that is not there, or not usable, promises nothing."""
    if schema is None:
        return True
    try:
        validator = validator_for(dict(schema))
    except ValueError:
        return True
    return bool(validator.is_valid(value))


def cut(text: str, most: int) -> str:
    """The beginning of a text."""
    return text if len(text) <= most else text[: max(0, most - len(ELLIPSIS))] + ELLIPSIS


def _less(whole: Any, excess: int) -> Any:
    if isinstance(whole, str):
        return cut(whole, max(len(ELLIPSIS), len(whole) - max(excess, len(whole) // 8)))
    return whole[: len(whole) // 2]


def _longest(value: Any) -> list[Any] | None:
    """The way to what is worth cutting: down the longest part, to a text, or a list that no one item makes long."""
    path: list[Any] = []
    while True:
        if isinstance(value, str):
            return path if len(value) > len(ELLIPSIS) else None
        parts = list(value.items()) if isinstance(value, dict) else list(enumerate(_items(value)))
        if not parts:
            return None
        key, part = max(parts, key=lambda one: len(text_of(one[1])))
        if isinstance(value, list) and len(value) > 1 and len(text_of(part)) * 2 < len(text_of(value)):
            return path
        path.append(key)
        value = part


def _items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _at(value: Any, path: list[Any]) -> Any:
    for key in path:
        value = value[key]
    return value


def _put(value: Any, path: list[Any], part: Any) -> Any:
    if not path:
        return part
    _at(value, path[:-1])[path[-1]] = part
    return value


def _told(kept: Any, path: str, count: int) -> str:
    keys = json.loads(path)
    try:
        part = _at(kept, keys)
    except (KeyError, IndexError):
        return ""  # it was in something that was cut later on
    name = ".".join(map(str, keys)) or "the answer"
    what = "items" if isinstance(part, list) else "characters"
    return f"{name}: the first {len(part):,} of {count:,} {what}"

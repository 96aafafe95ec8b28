"""JSON text of whatever a tool or an error may hold; it never fails: a record that cannot be written blocks all."""

from __future__ import annotations

from typing import Any

import orjson


def to_json(value: Any) -> bytes:
    """The value as JSON; what JSON has no word for becomes text, half a surrogate pair becomes `?`."""
    try:
        return orjson.dumps(value, default=str, option=orjson.OPT_NON_STR_KEYS)
    except (TypeError, ValueError):
        return orjson.dumps(_mended(value))


def storable(value: Any) -> Any:
    """JSON data as every database takes it: without NUL, which PostgreSQL refuses, and without halves of characters."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode().replace("\x00", "\ufffd")
    if isinstance(value, dict):
        return {storable(key): storable(member) for key, member in value.items()}
    return [storable(member) for member in value] if isinstance(value, list) else value


def _mended(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {_mended(str(key)): _mended(member) for key, member in value.items()}
    if isinstance(value, (list, tuple)):
        return [_mended(member) for member in value]
    if value is None or isinstance(value, (bool, float, orjson.Fragment)):
        return value
    if isinstance(value, int) and -(2**63) <= value < 2**64:
        return value
    return _mended(str(value))

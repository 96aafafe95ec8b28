"""Whether a value can be kept as JSON, and whether it is small enough to be."""

from __future__ import annotations

import re
from typing import Any

import orjson

MAX_BYTES = 262_144
"""What a payload, params or the arguments of a tool may take as compact UTF-8 JSON."""

_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


def json_problem(value: Any, limit: int = MAX_BYTES) -> str | None:
    """What is wrong, as the end of a sentence that begins with the field's name; None when all is well."""
    try:
        text = orjson.dumps(value)
    except TypeError as error:
        return f"cannot be kept as JSON: {error}"
    if len(text) > limit:
        return f"is too large: {len(text)} bytes of JSON, at most {limit} are allowed"
    # PostgreSQL cannot hold NUL in JSON text.
    return "has a NUL character, which cannot be stored" if _NUL.search(text) else None

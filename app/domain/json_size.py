"""Whether a value can be kept as JSON, and whether it is small enough to be."""

from __future__ import annotations

import re
from typing import Any

import orjson

from app.domain.texts import t

MAX_BYTES = 262_144
"""What a payload, params or the arguments of a tool may take as compact UTF-8 JSON."""

_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


def json_problem(value: Any, limit: int = MAX_BYTES) -> str | None:
    """What is wrong, as the end of a sentence that begins with the field's name; None when all is well."""
    try:
        text = orjson.dumps(value)
    except TypeError as error:
        return t("cannot be kept as JSON: {error}", error=error)
    if len(text) > limit:
        return t("is too large: {count} bytes of JSON, at most {limit} are allowed", count=len(text), limit=limit)
    # PostgreSQL cannot hold NUL in JSON text.
    return t("has a NUL character, which cannot be stored") if _NUL.search(text) else None

"""JSON out: orjson, with UTC as `Z` and the standard library where a number is too long for it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import orjson
from flask import Response
from flask.json.provider import JSONProvider
from pydantic import BaseModel

from app.domain.texts import Text
from app.http.locale import speak

# Subclasses are passed on to `_plain`, where a `Text` is said in the reader's language.
_OPTIONS = orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS | orjson.OPT_PASSTHROUGH_SUBCLASS


def dump(content: Any) -> bytes:
    """The content as UTF-8 JSON; models by alias, anything unknown as its text."""
    try:
        return orjson.dumps(content, default=_plain, option=_OPTIONS)
    except TypeError:
        # A tool may return integers over 64 bits, which orjson refuses.
        return json.dumps(_spoken(content), default=_plain, ensure_ascii=False).encode()


def _plain(value: Any) -> Any:
    if isinstance(value, Text):
        return speak(value)
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", by_alias=True)
    if isinstance(value, (set, frozenset)):
        return sorted(value, key=str)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, (list, tuple)):
        return list(value)
    return int(value) if isinstance(value, int) else str(value)


def _spoken(content: Any) -> Any:
    """The content with its texts in the reader's language; the standard library asks nobody about them."""
    if isinstance(content, Text):
        return speak(content)
    if isinstance(content, Mapping):
        return {key: _spoken(member) for key, member in content.items()}
    return [_spoken(member) for member in content] if isinstance(content, (list, tuple)) else content


class OrjsonProvider(JSONProvider):
    """Flask's door to JSON, for `jsonify`, dict answers and test clients."""

    def dumps(self, obj: Any, **kwargs: Any) -> str:
        """The object as JSON text."""
        return dump(obj).decode()

    def loads(self, s: str | bytes, **kwargs: Any) -> Any:
        """The value written in JSON text; ValueError when it is none."""
        return orjson.loads(s)

    def response(self, *args: Any, **kwargs: Any) -> Response:
        """An `application/json` response."""
        return Response(dump(self._prepare_response_obj(args, kwargs)), mimetype="application/json")

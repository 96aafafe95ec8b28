"""Reading what assistants send; a refusal names the field and what is wrong with it, never the value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flask import request

from ordinaut import RequestRefused


def json_object(known: Sequence[str] | None = None) -> Mapping[str, Any]:
    """The body as an object.

    Args:
        known: The members it may have; None for any.

    Raises:
        RequestRefused: It is no JSON object, or has other members. What is not JSON at all, or says to be of
            another type, the platform refuses.
    """
    try:
        body = request.get_json()
    except RecursionError:
        raise RequestRefused("bad_request", field="body", issue="The body is nested too deeply") from None
    if not isinstance(body, dict):
        raise RequestRefused("bad_request", field="body", issue="The body must be a JSON object")
    unknown = [] if known is None else sorted(set(body) - set(known))
    if unknown:
        raise RequestRefused("bad_request", field=unknown[0][:100], issue="This field is not known here")
    return body


def text_member(body: Mapping[str, Any], path: str, *, most: int, default: str | None = None) -> str:
    """A text of 1 to `most` characters under the last part of `path`; `default` where it is left out.

    Raises:
        RequestRefused: It is missing without a default, or is something else.
    """
    value = body.get(path.rpartition(".")[2], default)
    if value is None:
        raise RequestRefused("bad_request", field=path, issue="This field is required")
    if not isinstance(value, str) or len(value) > most or (value == "" and default is None):
        raise RequestRefused("bad_request", field=path, issue="This field must be a text of reasonable length")
    return value


def last_event_id() -> str | None:
    """The event after which a stream goes on: the header `Last-Event-ID`, else the parameter of that name."""
    return request.headers.get("Last-Event-ID") or request.args.get("last_event_id")

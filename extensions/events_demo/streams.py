"""Names of streams, who may use them, and how their events are written."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator

from flask import request

from ordinaut import Event, ExtensionContext, RequestRefused

GAP = "ordinaut.gap"
GLANCE_SECONDS = 2.0
"""How often a silent stream looks whether its client is still there."""
_STREAM = re.compile(r"[A-Za-z0-9_:-]+(?:\.[A-Za-z0-9_:-]+)*")
MOST_CHARACTERS = 100


def check_stream(stream: str) -> None:
    """Refuse what is no name of a stream.

    Raises:
        RequestRefused: `bad_request`.
    """
    if len(stream) > MOST_CHARACTERS or not _STREAM.fullmatch(stream):
        issue = "A stream is a topic: letters, digits, _, - and : in segments joined by dots, at most 100 characters"
        raise RequestRefused("bad_request", field="stream", issue=issue)


def refuse_unless(context: ExtensionContext, scope: str) -> None:
    """Refuse callers who hold neither the platform's scope for this nor the one for this extension's routes.

    Raises:
        RequestRefused: `forbidden`.
    """
    caller = context.routes.caller()
    if not (caller.may(scope) or caller.may(f"ext:{context.id}:routes")):
        raise RequestRefused("forbidden", required_scopes=[scope], granted_scopes=sorted(caller.scopes))


def last_event_id() -> str | None:
    """The event after which a reader goes on: the header `Last-Event-ID`, else the parameter of that name."""
    return request.headers.get("Last-Event-ID") or request.args.get("last_event_id")


def line(event: Event) -> str:
    """The event as one line of JSON: `{"stream", "id", "data"}`."""
    return json.dumps({"stream": event.topic, "id": event.id, "data": dict(event.data)}, ensure_ascii=False)


def frames(events: Iterable[Event | None]) -> Iterator[str | None]:
    """Server-sent events: one for each event, None in times of silence, `gap` where history was trimmed."""
    for event in events:
        if event is None:
            yield None
        else:
            named = "event: gap\n" if event.topic == GAP else ""
            identity = f"id: {event.id}\n" if event.id else ""
            yield f"{identity}{named}data: {line(event)}\n\n"

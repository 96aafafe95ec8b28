"""What happens to tasks and runs, as server-sent events."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from ordinaut import Event

PATTERN = "task.*, run.*"
GLANCE_SECONDS = 2.0
"""How often a silent stream looks whether its client is still there."""
GAP = "ordinaut.gap"


def frames(events: Iterable[Event | None]) -> Iterator[str | None]:
    """One frame for each event, None in times of silence, until the process stops."""
    for event in events:
        yield None if event is None else frame(event)


def frame(event: Event) -> str:
    """An event as the HTML standard writes it; only one that is stored has an id to resume from."""
    name = "gap" if event.topic == GAP else event.topic
    body = {
        "topic": event.topic,
        "id": event.id,
        "data": dict(event.data),
        "published_at": event.published_at.isoformat().replace("+00:00", "Z"),
    }
    identity = f"id: {event.id}\n" if event.id else ""
    return f"{identity}event: {name}\ndata: {json.dumps(body, ensure_ascii=False)}\n\n"

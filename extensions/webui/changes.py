"""Which tasks and runs have changed, as server-sent events that carry ids and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from flask import Blueprint, Response, request

from ordinaut import Event, RequestRefused

from .shell import Shell

TOPICS = ("task.*", "run.*", "step.*", "approval.*", "grant.*", "**")
GLANCE_SECONDS = 2.0
"""How often a silent stream looks whether its client is still there."""
_IDS = ("task_id", "run_id", "approval_id")


def add_changes(pages: Blueprint, shell: Shell) -> None:
    """Register the stream."""

    @pages.get("/api/stream")
    def stream() -> Response:
        """`changed` events; `?topics=` narrows them."""
        wanted = [one.strip() for one in request.args.get("topics", ",".join(TOPICS)).split(",")]
        unknown = [one for one in wanted if one not in TOPICS]
        if unknown:
            raise RequestRefused("bad_request", field="topics", issue=f"Known are {', '.join(TOPICS)}")
        events = shell.context.events.listen(", ".join(wanted), idle_seconds=GLANCE_SECONDS)
        answer: Response = shell.context.routes.event_stream(frames(events))
        return answer


def frames(events: Iterable[Event | None]) -> Iterator[str | None]:
    """One for each event, None in times of silence; what was lost is a change of everything."""
    for event in events:
        if event is None:
            yield None
        else:
            ids = {name: event.data[name] for name in _IDS if name in event.data}
            yield f"event: changed\ndata: {json.dumps(ids)}\n\n"

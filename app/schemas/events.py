"""Events on the wire."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from app.domain.clock import rfc3339
from app.domain.events import GAP, Published, TopicSummary
from app.http.json import dump
from app.schemas.fields import STRICT, Body, Moment, Name, Query
from app.schemas.shown import Shown, UtcTime
from ordinaut import Event

_ID = "1692873600000-0"
_EVENT: dict[str, Any] = {
    "id": _ID,
    "topic": "shop.order.paid",
    "payload": {"order": 42, "total": 99.5},
    "source_agent_id": "shop",
    "published_at": "2023-08-24T10:40:00Z",
    "depth": 0,
}

Topic = Annotated[str, Field(max_length=2000)]


class EventIn(Body):
    """An event to publish."""

    model_config = ConfigDict(
        **STRICT, json_schema_extra={"examples": [{"topic": "shop.order.paid", "payload": {"order": 42}}]}
    )

    topic: Annotated[str, Field(min_length=1, max_length=200, description="Segments joined by dots")]
    payload: dict[str, Any] = Field(default_factory=dict)
    source_agent_id: Name | None = Field(None, description="The caller when left out")


class PublishedDetails(BaseModel):
    """The stored event, and what it started."""

    event_id: str = Field(examples=[_ID])
    stream_id: str = Field(description="The same id, under which it stands in the Redis stream", examples=[_ID])
    topic: str
    triggered_tasks: list[str] = Field(description="Ids of the tasks that run because of it")
    published_at: Moment


class PublishedOut(BaseModel):
    """An event was published."""

    success: bool
    message: str
    details: PublishedDetails


class EventOut(Shown):
    """A stored event."""

    model_config = ConfigDict(frozen=True, json_schema_extra={"examples": [_EVENT]})

    id: str
    topic: str
    payload: dict[str, Any]
    source_agent_id: str
    published_at: UtcTime
    depth: int = Field(description="How many events led to the run that published it; 0 from outside")


class EventListOut(Shown):
    """Events, newest first."""

    items: list[EventOut]


class TopicOut(Shown):
    """A topic that has stored events."""

    topic: str
    events: int
    last_event_id: str
    last_published_at: UtcTime


class RecentQuery(Query):
    """Which of the last events."""

    count: Annotated[int, Field(ge=1, le=1000)] = 20
    topic: Topic = Field("**", description="A pattern: `*` is one segment, `**` the rest, `!` takes out")


class ListenQuery(Query):
    """What to listen to, and where to go on; the `Last-Event-ID` header says the latter too, and wins."""

    topic: Topic = Field("**", description="A pattern: `*` is one segment, `**` the rest, `!` takes out")
    last_event_id: Annotated[str, Field(max_length=40)] | None = None


class CleanupQuery(Query):
    """How old an event must be to be deleted."""

    max_age_hours: Annotated[float, Field(ge=0, le=876_000)] = 168


class CleanupDetails(Shown):
    """What a cleanup did."""

    deleted: int
    max_age_hours: float


class CleanupOut(Shown):
    """Old events were deleted."""

    success: bool
    message: str
    details: CleanupDetails


def published_out(published: Published, message: str) -> dict[str, Any]:
    """The answer as `PublishedOut` describes it."""
    event = published.event
    details = {
        "event_id": event.id,
        "stream_id": event.id,
        "topic": event.topic,
        "triggered_tasks": list(published.triggered),
        "published_at": rfc3339(event.published_at),
    }
    return {"success": True, "message": message, "details": details}


def event_out(event: Event) -> EventOut:
    """The event as it is answered."""
    return EventOut(
        id=event.id,
        topic=event.topic,
        payload=dict(event.data),
        source_agent_id=event.source,
        published_at=event.published_at,
        depth=event.depth,
    )


def topic_out(summary: TopicSummary) -> TopicOut:
    """The topic as it is answered."""
    return TopicOut.model_validate(summary, from_attributes=True)


class Frames:
    """Server-sent events (the HTML standard): `message` with the stored id, or `gap`.

    What is not stored has no id: a browser that comes back names the last one that was. Hundreds of readers are sent
    the same event at about the same time, so the last frame is kept.
    """

    def __init__(self) -> None:
        self._last: tuple[Event | None, bytes] = (None, b"")

    def of(self, event: Event) -> bytes:
        """The event as it is sent."""
        known, frame = self._last
        if known is not event:
            frame = _frame(event)
            self._last = (event, frame)
        return frame


def _frame(event: Event) -> bytes:
    if event.topic == GAP:
        return b"event: gap\ndata: " + dump(event.data) + b"\n\n"
    data = {
        "id": event.id or None,
        "topic": event.topic,
        "payload": event.data,
        "source_agent_id": event.source,
        "published_at": rfc3339(event.published_at),
        "depth": event.depth,
    }
    identity = f"id: {event.id}\n".encode() if event.id else b""
    return identity + b"data: " + dump(data) + b"\n\n"

"""`/events`: publishing, reading, and listening."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from flask import Blueprint, Response, request

from app.domain.access import sees_all
from app.domain.errors import Forbidden
from app.domain.events import TopicPattern
from app.domain.texts import t
from app.http.api import api
from app.http.errors import say
from app.http.identity import identity
from app.http.services import services
from app.http.streams import EVENT_STREAM, HEARTBEAT, event_stream
from app.schemas.events import (
    CleanupDetails,
    CleanupOut,
    CleanupQuery,
    EventIn,
    EventListOut,
    Frames,
    ListenQuery,
    PublishedOut,
    RecentQuery,
    TopicOut,
    event_out,
    published_out,
    topic_out,
)
from app.schemas.fields import PageQuery
from app.schemas.paging import PageOut, page_out
from app.services.events import Listening
from ordinaut.callers import ADMIN

bp = Blueprint("events", __name__, url_prefix="/events")
TAGS = ("events",)
_written = Frames()
HEARTBEAT_SECONDS = 2.0
"""How often a silent stream looks whether its client is still there."""


@bp.post("")
@api(body=EventIn, returns=PublishedOut, status=202, tags=TAGS, scope="events:publish")
def publish_event(body: EventIn) -> dict[str, Any]:
    """Publish an event.

    It is stored, and the runs of the tasks it is for are queued, when the answer comes. Only an admin may name
    another source than itself.
    """
    sender = identity()
    source = body.source_agent_id or sender.agent_id
    if source != sender.agent_id and not sender.may(ADMIN):
        message = t("Only an admin may publish in another agent's name")
        raise Forbidden(message, required_scopes=[ADMIN], granted_scopes=sorted(sender.scopes))
    published = services().events.publish(body.topic, body.payload, source=source)
    return published_out(published, say(t("Event published")))


@bp.get("/topics")
@api(query=PageQuery, returns=PageOut[TopicOut], tags=TAGS, scope="events:read")
def list_topics(query: PageQuery) -> PageOut[TopicOut]:
    """List the topics that have stored events, by name.

    The platform's own are for callers who may see everybody's tasks and runs.
    """
    found = services().events.topics(limit=query.limit, offset=query.offset, caller=identity())
    return page_out(found, topic_out)


@bp.get("/stream/recent")
@api(query=RecentQuery, returns=EventListOut, tags=TAGS, scope="events:read")
def list_recent_events(query: RecentQuery) -> EventListOut:
    """List the last stored events, newest first."""
    found = services().events.recent(_open_to_caller(query.topic), query.count)
    return EventListOut(items=[event_out(event) for event in reversed(found)])


@bp.delete("/stream/cleanup")
@api(query=CleanupQuery, returns=CleanupOut, tags=TAGS, scope="admin")
def clean_up_events(query: CleanupQuery) -> CleanupOut:
    """Delete stored events that are older."""
    deleted = services().events.cleanup(timedelta(hours=query.max_age_hours), caller=identity())
    details = CleanupDetails(deleted=deleted, max_age_hours=query.max_age_hours)
    return CleanupOut(success=True, message=say(t("Old events deleted")), details=details)


@bp.get("/stream")
@api(query=ListenQuery, tags=TAGS, media=EVENT_STREAM, scope="events:read")
def stream_events(query: ListenQuery) -> Response:
    """Listen to events as they come.

    Server-sent events without a name, each with the event as JSON; stored ones carry their id. A client that comes
    back with `Last-Event-ID` misses nothing and gets nothing twice. An event named `gap` says that something is lost:
    history that has been deleted meanwhile (`trimmed`), or announcements that the client was too slow for (`slow`).
    What the platform tells of tasks and runs is for callers who may see everybody's.
    """
    last_id = request.headers.get("Last-Event-ID") or query.last_event_id
    listening = services().events.listen(_open_to_caller(query.topic), last_id, idle_seconds=HEARTBEAT_SECONDS)
    try:
        response = event_stream(_frames(listening))
    except BaseException:
        listening.close()
        raise
    response.call_on_close(listening.close)
    return response


def _open_to_caller(topic: str) -> TopicPattern:
    """The pattern, for what the caller may hear."""
    pattern = TopicPattern.parse(topic)
    return pattern if sees_all(identity()) else pattern.without_platform()


def _frames(listening: Listening) -> Iterator[bytes]:
    for event in listening:
        yield HEARTBEAT if event is None else _written.of(event)

"""Publish, subscribe, and the WebSocket that does both."""

from __future__ import annotations

import json
from typing import Any

from flask import Blueprint, Response, request

from ordinaut import ExtensionContext, RequestRefused

from .conversation import converse
from .streams import GLANCE_SECONDS, check_stream, frames, last_event_id, refuse_unless

POLICY_VIOLATION = 1008
"""How a WebSocket is closed that may not be (RFC 6455, section 7.4.1)."""


def make_blueprint(context: ExtensionContext) -> Blueprint:
    """The routes of the demo; `<stream>` is a topic without wildcards."""
    pages = Blueprint("events_demo", __name__)

    @pages.post("/publish/<stream>")
    def publish(stream: str) -> dict[str, Any]:
        """Publish the body as an event."""
        refuse_unless(context, "events:publish")
        check_stream(stream)
        event_id = context.events.publish(stream, _data())
        return {
            "success": True,
            "stream": stream,
            "event_id": str(event_id),
            "message": context.translate("Event published successfully"),
        }

    @pages.get("/subscribe/<stream>")
    def subscribe(stream: str) -> Response:
        """Events of the stream as they come; `Last-Event-ID` resumes."""
        refuse_unless(context, "events:read")
        check_stream(stream)
        # Listening begins here, before the client is told that the stream is open.
        events = context.events.listen(stream, last_event_id(), idle_seconds=GLANCE_SECONDS)
        answer: Response = context.routes.event_stream(frames(events))
        return answer

    @context.routes.websocket("/<stream>")
    def socket(ws: Any, stream: str) -> None:
        """The same over a WebSocket: each event is a text message, and each message sent here is published."""
        try:
            refuse_unless(context, "events:read")
            check_stream(stream)
            converse(context, ws, stream, last_event_id())
        except RequestRefused as refused:
            ws.close(POLICY_VIOLATION, refused.code)

    return pages


def _data() -> dict[str, Any]:
    try:
        data = request.get_json()
    except RecursionError:
        raise RequestRefused("bad_request", field="body", issue="The body is nested too deeply") from None
    if not isinstance(data, dict):
        raise RequestRefused("bad_request", field="body", issue="The body must be a JSON object")
    try:
        json.dumps(data, allow_nan=False).encode()
    except ValueError:
        raise RequestRefused("bad_request", field="body", issue="NaN and Infinity are not JSON") from None
    return data

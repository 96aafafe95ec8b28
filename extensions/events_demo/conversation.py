"""One WebSocket: events go out as they come, and what comes in is published."""

from __future__ import annotations

import contextvars
import json
import threading
from typing import Any

from ordinaut import ExtensionContext, RequestRefused

from .streams import line, refuse_unless

LISTEN_SECONDS = 1.0
"""How long the sending side may not notice that the client has gone."""


def converse(context: ExtensionContext, socket: Any, stream: str, last_id: str | None) -> None:
    """Until the client goes or the process stops.

    Each event is a text message `{"stream", "id", "data"}`. Each message from the client is an object, which is
    published; one that cannot be is answered with `{"error", "message"}`.
    """
    gone = threading.Event()

    def listen_to_client() -> None:
        try:
            for message in socket:
                answer = _published(context, stream, message)
                if answer is not None:
                    socket.send(answer)
        finally:
            gone.set()

    # Listening begins first, so that whoever has had an answer here misses nothing from then on.
    events = context.events.listen(stream, last_id, idle_seconds=LISTEN_SECONDS)
    here = contextvars.copy_context()
    reader = threading.Thread(target=here.run, args=(listen_to_client,), name="events-demo-reader", daemon=True)
    reader.start()
    for event in events:
        if gone.is_set():
            return
        if event is not None:
            socket.send(line(event))


def _published(context: ExtensionContext, stream: str, message: str | bytes) -> str | None:
    """None once it is published, else the refusal as text."""
    try:
        data = json.loads(message)
        if not isinstance(data, dict):
            raise ValueError("not an object")
        # NaN, Infinity and halves of characters are read, and are no JSON.
        json.dumps(data, allow_nan=False, ensure_ascii=False).encode()
        refuse_unless(context, "events:publish")
        context.events.publish(stream, data)
    except (ValueError, RecursionError):
        return json.dumps({"error": "bad_request", "message": context.translate("A message must be a JSON object")})
    except RequestRefused as refused:
        return json.dumps({"error": refused.code, "message": context.translate(refused.message or refused.code)})
    return None

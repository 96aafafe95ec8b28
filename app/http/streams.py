"""Long answers: how many there may be at once, and how events are written (the HTML standard's SSE)."""

from __future__ import annotations

import select
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, cast

from flask import Flask, Response, current_app, request

from app.domain.errors import Unavailable
from app.domain.texts import t
from app.http.identity import still_valid
from app.http.json import dump

EVENT_STREAM = "text/event-stream"
RETRY_MS = 2000
"""How long a browser waits before it comes back."""
SHARE = 0.75
QUIET_SECONDS = 10.0
"""After so long a silence a heartbeat is sent; proxies cut at 15 s and more."""
# What the kernel says of a connection whose other side has closed it; macOS knows no POLLRDHUP.
_GONE = getattr(select, "POLLRDHUP", 0) | select.POLLHUP | select.POLLERR
_KEY = "ordinaut.streams"


class Slots:
    """Counts the long answers of this process, so that they never take every thread."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._taken = 0
        self._lock = threading.Lock()

    def take(self) -> None:
        """Take a slot, or Unavailable when none is left."""
        with self._lock:
            if self._taken >= self.most:
                raise Unavailable(t("Too many streams are open; try again shortly"), limit=self.most)
            self._taken += 1

    @property
    def free(self) -> int:
        """How many are left."""
        return self.most - self._taken

    def give_back(self) -> None:
        """Free a slot."""
        with self._lock:
            self._taken -= 1


def configure_streams(app: Flask, *, threads: int) -> None:
    """Let long answers hold three quarters of the web threads."""
    app.extensions[_KEY] = Slots(max(1, int(threads * SHARE)))


@contextmanager
def slot() -> Iterator[None]:
    """A slot for as long as a view waits."""
    slots = _slots()
    slots.take()
    try:
        yield
    finally:
        slots.give_back()


def event_stream(frames: Iterable[bytes]) -> Response:
    """A stream of frames that begins at once and frees its slot when the client or the server hangs up.

    Frames that say `HEARTBEAT` every few seconds let it see soon that a client has gone; few of them are sent.
    """
    slots = _slots()
    slots.take()
    response = Response(_opened(frames, still_valid(), hung_up()), content_type=f"{EVENT_STREAM}; charset=utf-8")
    response.call_on_close(slots.give_back)
    # Proxies must neither keep the stream nor collect it before they pass it on.
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Accel-Buffering"] = "no"
    return response


def frame(event: str, data: Any, place: str | None = None) -> bytes:
    """One event; `place` becomes its id, which browsers send back as `Last-Event-ID`."""
    identity = b"" if place is None else f"id: {place}\n".encode()
    return identity + f"event: {event}\ndata: ".encode() + dump(data) + b"\n\n"


HEARTBEAT = b": still here\n\n"


def hung_up() -> Callable[[], bool]:
    """A question for long answers to ask: has the client closed its connection, as far as the server can tell?"""
    connection = request.environ.get("gunicorn.socket")
    if connection is None:
        return lambda: False

    def look() -> bool:
        poll = select.poll()
        try:
            poll.register(connection, _GONE)
            return any(event & _GONE for _, event in poll.poll(0))
        except (OSError, ValueError):
            return True  # closed on our side

    return look


def _opened(frames: Iterable[bytes], welcome: Callable[[], bool], gone: Callable[[], bool]) -> Iterator[bytes]:
    yield f": ok\nretry: {RETRY_MS}\n\n".encode()
    spoken_at = time.monotonic()
    for one in frames:
        # Whoever loses their token loses their streams; heartbeats pass here too, so this is soon.
        if not welcome():
            return
        if one == HEARTBEAT:
            if gone():
                return
            if time.monotonic() - spoken_at < QUIET_SECONDS:
                continue
        spoken_at = time.monotonic()
        yield one


def _slots() -> Slots:
    return cast(Slots, current_app.extensions[_KEY])

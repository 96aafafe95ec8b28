"""`context.routes` in the web process: streams and sockets that count, hear the stop, and keep their lines warm."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from flask import Blueprint, Response, current_app, has_request_context, stream_with_context
from flask_sock import Sock
from simple_websocket import ConnectionClosed

from app.domain.access import extension_caller
from app.extension_host.cause import caller_here
from app.extension_host.contexts import refuse_late
from app.http.extension_hooks import broken, connection, opened
from app.http.extension_wall import ENDINGS
from app.http.identity import identity, still_valid
from app.http.sockets import INTERNAL_ERROR, Socket, refuse_foreign_sockets
from app.http.streams import HEARTBEAT, event_stream, slot
from ordinaut import Caller

ASK_SECONDS = 5.0
"""How often a long connection asks whether its caller may still be here."""
View = Callable[..., Any]


class WebRoutes:
    """See `ordinaut.contexts.RoutesContext`."""

    def __init__(self, extension_id: str, *, stopping: Callable[[], bool], address_of: Callable[[str], str]) -> None:
        self._id = extension_id
        self._address_of = address_of
        self._stopping = stopping
        self._sockets: list[tuple[str, View]] = []
        self._closed = False

    def event_stream(self, frames: Iterable[bytes | str | None]) -> Response:
        """A stream that ends when the process stops; None among the frames is a heartbeat."""
        response = event_stream(stream_with_context(self._sent(frames, seldom(still_valid()))))
        response.call_on_close(opened())
        return response

    def websocket(self, rule: str) -> Callable[[View], View]:
        """Decorator: serve WebSockets at `/ext/<id>/ws<rule>`; RuntimeError once setup is over."""
        refuse_late(closed=self._closed)
        if not rule.startswith("/"):
            raise ValueError(f"A rule begins with a slash, unlike {rule!r}")

        def decorate(view: View) -> View:
            self._sockets.append((rule, view))
            return view

        return decorate

    def static_url(self, name: str) -> str:
        """See `ordinaut.contexts.RoutesContext`."""
        return self._address_of(name)

    def caller(self) -> Caller:
        """Who sent the current request, or for whom the current tool is called; else the extension itself."""
        return caller_here() or (identity() if has_request_context() else extension_caller(self._id))

    def add_to(self, blueprint: Blueprint) -> None:
        """Add the collected sockets to the blueprint that is about to be registered; there are no more of them."""
        self._closed = True
        for number, (rule, view) in enumerate(self._sockets):
            Sock().route(f"/ws{rule}", bp=blueprint, endpoint=f"ws_{number}_{view.__name__}")(self._talk(view))

    def _talk(self, view: View) -> View:
        @functools.wraps(view)
        def talk(connection: Any, **arguments: Any) -> None:
            socket = Socket(connection, stopping=self._stopping, welcome=seldom(still_valid()))
            try:
                current_app.ensure_sync(view)(socket, **arguments)
            except ConnectionClosed:
                raise
            except (Exception, *ENDINGS) as error:  # noqa: BLE001 - a request boundary: no JSON may follow the handshake
                broken(error)
                connection.close(INTERNAL_ERROR, "The view failed")

        return talk

    def _sent(self, frames: Iterable[bytes | str | None], welcome: Callable[[], bool]) -> Iterator[bytes]:
        try:
            for frame in frames:
                if self._stopping() or not welcome():
                    return
                yield HEARTBEAT if frame is None else frame.encode() if isinstance(frame, str) else frame
        except GeneratorExit:
            raise
        except (Exception, *ENDINGS) as error:  # noqa: BLE001 - a request boundary: the answer has begun long ago
            broken(error)


def held(view: View) -> View:
    """The view of a WebSocket, which holds one of the slots for long answers and refuses foreign pages."""

    @functools.wraps(view)
    def serve(**arguments: Any) -> Any:
        refuse_foreign_sockets()
        with slot(), connection():
            return view(**arguments)

    return serve


def seldom(ask: Callable[[], bool]) -> Callable[[], bool]:
    """The same question, asked every few seconds however often somebody wants to know."""
    answer, fresh_until = True, 0.0

    def asked() -> bool:
        nonlocal answer, fresh_until
        if time.monotonic() >= fresh_until:
            answer, fresh_until = ask(), time.monotonic() + ASK_SECONDS
        return answer

    return asked

"""WebSockets of extensions: a socket that hears when its process is to stop, and whose page may open it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

from flask import request
from simple_websocket import ConnectionClosed

from app.domain.errors import Forbidden
from app.http.json import dump

GLANCE_SECONDS = 1.0
"""How often a waiting socket looks whether it is to end."""
SEND_SECONDS = 10.0
"""How long a client may keep a message from being sent before it is let go."""
PING_SECONDS = 15
MOST_BYTES = 65_536
OPTIONS = {"ping_interval": PING_SECONDS, "max_message_size": MOST_BYTES}
"""Of every socket, for `SOCK_SERVER_OPTIONS`."""
SERVICE_RESTART = 1012
POLICY_VIOLATION = 1008
INTERNAL_ERROR = 1011


class Socket:
    """What a WebSocket view gets: text and bytes, JSON, and an end when the process stops.

    Every method raises `simple_websocket.ConnectionClosed` once the connection has ended; a view may let it pass.

    Args:
        socket: The connection, as simple-websocket gives it.
        stopping: Whether this process is to stop.
        welcome: Whether the client may still be here; asked now and then.
    """

    def __init__(self, socket: Any, *, stopping: Callable[[], bool], welcome: Callable[[], bool]) -> None:
        self._socket = socket
        self._stopping = stopping
        self._welcome = welcome
        socket.sock.settimeout(SEND_SECONDS)

    @property
    def connected(self) -> bool:
        """Whether the other side is still there."""
        return bool(self._socket.connected)

    def receive(self, timeout: float | None = None) -> str | bytes | None:
        """The next message; None after `timeout` seconds of silence."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            self._look()
            left = GLANCE_SECONDS if deadline is None else min(GLANCE_SECONDS, deadline - time.monotonic())
            message: str | bytes | None = self._socket.receive(timeout=max(0.0, left))
            if message is not None or (deadline is not None and time.monotonic() >= deadline):
                return message

    def send(self, data: str | bytes) -> None:
        """Send a text or a binary message."""
        self._look()
        self._socket.send(data)

    def receive_json(self, timeout: float | None = None) -> Any:
        """The next message as JSON; None after `timeout` seconds. ValueError when it is none."""
        message = self.receive(timeout)
        return None if message is None else json.loads(message)

    def send_json(self, value: Any) -> None:
        """Send a value as JSON text."""
        self.send(dump(value).decode())

    def close(self, code: int | None = None, reason: str | None = None) -> None:
        """End the connection with one of the codes of RFC 6455, section 7.4."""
        self._socket.close(code, reason)

    def __iter__(self) -> Iterator[str | bytes]:
        """Messages until the client has gone or the process stops."""
        while True:
            try:
                message = self.receive()
            except ConnectionClosed:
                return
            if message is not None:
                yield message

    def _look(self) -> None:
        if self._stopping():
            self._end(SERVICE_RESTART, "The server is restarting")
        if not self._welcome():
            self._end(POLICY_VIOLATION, "Access has ended")

    def _end(self, code: int, reason: str) -> None:
        if self._socket.connected:
            self._socket.close(code, reason)
        raise ConnectionClosed(code, reason)


def refuse_foreign_sockets() -> None:
    """Refuse a WebSocket that a page of another site opens: browsers send cookies along with it.

    Raises:
        Forbidden: `Origin` names another host.
    """
    origin = request.headers.get("Origin")
    if origin is not None and origin.split("://", 1)[-1] != request.host:
        raise Forbidden("WebSockets from pages of another site are refused")

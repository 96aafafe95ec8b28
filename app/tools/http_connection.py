"""Connections to addresses that were checked beforehand, with a watch over every wait."""

from __future__ import annotations

import http.client
import io
import os
import select
import socket
import ssl
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from threading import Lock
from typing import Any, cast

import certifi

from app.domain.texts import t
from app.tools.http_safety import Target
from ordinaut.tools import ToolFailed

_LOOK_EVERY = 0.2
_CONNECT_SECONDS = 10.0
_IDLE_SECONDS = 15.0
_IDLE_PER_TARGET = 4
_IDLE_TARGETS = 64


@dataclass(frozen=True, slots=True)
class Watch:
    """How long an exchange may go on: until `deadline` of the monotonic clock, or until told to stop."""

    deadline: float
    should_stop: Callable[[], bool]

    def remaining(self, at_most: float = float("inf")) -> float:
        """Seconds left, no more than `at_most`.

        Raises:
            ToolFailed: `timeout` when none are left, `stopped` when the run is.
        """
        if self.should_stop():
            raise ToolFailed(t("The request was abandoned because its run is being stopped"), type="stopped")
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise ToolFailed(t("The request took longer than it may"), type="timeout")
        return min(left, at_most)


class WatchedReader(io.RawIOBase):
    """Reads a socket in short waits: a server sending a byte now and then cannot outlast the watch."""

    def __init__(self, sock: socket.socket, file: io.BufferedIOBase, watch: Callable[[], Watch]) -> None:
        super().__init__()
        self._sock = sock
        # A socket stays open while a file made of it is, even when the connection has let go of it.
        self._file = file
        self._watch = watch

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        self._file.close()
        super().close()

    def readinto(self, buffer: Any) -> int:
        while True:
            self._sock.settimeout(self._watch().remaining(_LOOK_EVERY))
            try:
                return self._sock.recv_into(buffer)
            except TimeoutError:
                continue


class PinnedConnection(http.client.HTTPConnection):
    """A connection to one of the checked addresses of an origin; SNI and certificate are the target's."""

    auto_open = 0

    def __init__(self, target: Target, addresses: Sequence[str], watch: Watch) -> None:
        super().__init__(target.host, target.port)
        self._target = target
        self._addresses = addresses
        self.watch = watch
        self.idle_since = 0.0

    def connect(self) -> None:
        """Connect to the first address that answers, and shake hands when the scheme is https.

        Raises:
            OSError: No address answered, or the handshake failed (`ssl.SSLError`).
            ToolFailed: The watch is over.
        """
        self.sock = self._first_answer()
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._target.scheme == "https":
            self.sock.settimeout(self.watch.remaining(_CONNECT_SECONDS))
            self.sock = tls_context().wrap_socket(self.sock, server_hostname=self._target.host)

    def exchange(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes | None
    ) -> http.client.HTTPResponse:
        """Send one request to the origin and read the head of its answer."""
        sock = cast(socket.socket, self.sock)
        sock.settimeout(self.watch.remaining())
        self.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for name, value in headers.items():
            self.putheader(name, value)
        self.endheaders(body)
        return self.getresponse()

    def response_class(self, sock: socket.socket, *args: Any, **kwargs: Any) -> http.client.HTTPResponse:  # type: ignore[override]
        """What `getresponse` makes: a response that reads under the watch of the exchange under way."""
        response = http.client.HTTPResponse(sock, *args, **kwargs)
        reader = WatchedReader(sock, response.fp, lambda: self.watch)
        response.fp = cast(Any, io.BufferedReader(reader))
        return response

    def reusable(self) -> bool:
        """Whether the other side seems still there and has said nothing unasked."""
        if self.sock is None or time.monotonic() - self.idle_since > _IDLE_SECONDS:
            return False
        poll = select.poll()
        poll.register(self.sock, select.POLLIN | select.POLLHUP | select.POLLERR)
        return not poll.poll(0)

    def _first_answer(self) -> socket.socket:
        failure: OSError = OSError(t("no address"))
        for position, address in enumerate(self._addresses):
            # What time there is is shared among the addresses left, so that a dead first one leaves some.
            share = self.watch.remaining(_CONNECT_SECONDS) / (len(self._addresses) - position)
            try:
                return socket.create_connection((address, self._target.port), timeout=max(share, 0.05))
            except OSError as error:
                failure = error
        raise failure


_Idle = dict[tuple[object, ...], list[PinnedConnection]]


@cache
def tls_context() -> ssl.SSLContext:
    """Certificates verified against the system's authorities and certifi's; TLS 1.2 or later."""
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


class IdleConnections:
    """Connections between two uses, by origin and checked addresses; forgotten after a fork."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._owner = os.getpid()
        self._idle: _Idle = {}
        weakref.finalize(self, _close_all, self._idle)

    def take(self, target: Target, addresses: Sequence[str]) -> PinnedConnection | None:
        """A live connection to one of these addresses, or None."""
        with self._lock:
            self._forget_parent()
            waiting = self._idle.get(_key(target, addresses), [])
            while waiting:
                connection = waiting.pop()
                if connection.reusable():
                    return connection
                connection.close()
        return None

    def give(self, target: Target, addresses: Sequence[str], connection: PinnedConnection) -> None:
        """Keep a connection whose answer was read to its end, or close it when there are enough."""
        connection.idle_since = time.monotonic()
        with self._lock:
            self._forget_parent()
            if len(self._idle) >= _IDLE_TARGETS:
                _close_all(self._idle)
            waiting = self._idle.setdefault(_key(target, addresses), [])
            if len(waiting) < _IDLE_PER_TARGET:
                waiting.append(connection)
                return
        connection.close()

    def close(self) -> None:
        """Close what is idle."""
        with self._lock:
            _close_all(self._idle)

    def _forget_parent(self) -> None:
        if self._owner != os.getpid():
            # The parent goes on using these sockets: closing this process's copies sends nothing on them.
            self._owner = os.getpid()
            _close_all(self._idle)


def _close_all(idle: _Idle) -> None:
    for waiting in idle.values():
        for connection in waiting:
            connection.close()
    idle.clear()


def _key(target: Target, addresses: Sequence[str]) -> tuple[object, ...]:
    return (*target.origin, *sorted(addresses))

"""The outside world: a small HTTP service that writes down each call, and can hold, fail or kill its caller."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import psutil

HOLD_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Call:
    """One call: its Idempotency-Key (`<run id>:<step id>`), its path, and when it came (`time.monotonic()`)."""

    key: str
    path: str
    at: float


class Target(ThreadingHTTPServer):
    """Answers by path: `/ok`, `/slow/<seconds>`, `/hold`, `/status/<code>`, `/kill`."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self._lock = threading.Lock()
        self._calls: list[Call] = []
        self._doors: defaultdict[str, threading.Event] = defaultdict(threading.Event)

    def url(self, path: str) -> str:
        """A URL of this server."""
        return f"http://127.0.0.1:{self.server_address[1]}{path}"

    def note(self, call: Call) -> None:
        """Write a call down."""
        with self._lock:
            self._calls.append(call)

    def calls(self, run_id: str = "", step: str = "") -> list[Call]:
        """The calls so far, of one run and one step of it."""
        with self._lock:
            return [one for one in self._calls if one.key.startswith(run_id) and one.key.endswith(step)]

    def door(self, name: str) -> threading.Event:
        """What `/hold` waits for."""
        with self._lock:
            return self._doors[name]

    def open_all(self) -> None:
        """Let everybody go who is held."""
        with self._lock:
            for door in self._doors.values():
                door.set()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A caller that was killed is no news here."""


@contextmanager
def effect_target() -> Iterator[Target]:
    """A running target."""
    server = Target()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.open_all()
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Target

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is printed."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        key = self.headers.get("Idempotency-Key", "")
        self.server.note(Call(key, self.path, time.monotonic()))
        _, action, *rest = self.path.split("/")
        status = 200
        if action == "slow":
            time.sleep(float(rest[0]))
        elif action == "hold":
            self.server.door(key.partition(":")[0]).wait(HOLD_SECONDS)
        elif action == "kill":
            _kill_peer(self.client_address)
        elif action == "status":
            status = int(rest[0])
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_POST  # noqa: N815


def _kill_peer(address: Any) -> None:
    """SIGKILL the process at the other end of a connection."""
    for connection in psutil.net_connections(kind="tcp4"):
        if connection.pid and connection.laddr and tuple(connection.laddr) == tuple(address):
            with suppress(ProcessLookupError):
                os.kill(connection.pid, signal.SIGKILL)

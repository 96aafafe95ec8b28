"""Requests are sent again where that is safe, and streams go on after a lost connection."""

from __future__ import annotations

import socket
import threading

import pytest

from app.cli.exits import TIMED_OUT, UNREACHABLE
from app.cli.remote.connection import Call, Connection
from app.cli.remote.follow import follow
from app.cli.remote.refusals import Refused, Stopped
from app.cli.remote.servers import Server

OK = b'HTTP/1.1 200 OK\r\nContent-Length: 11\r\nConnection: close\r\n\r\n{"ok":true}'
BUSY = b"HTTP/1.1 503 Busy\r\nRetry-After: 0\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"
STUCK = b"HTTP/1.1 503 Busy\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"
LOST = b""
SILENT = b"silent"
STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"


class Scripted:
    """Answers each connection with the next of its answers, and keeps what was asked."""

    def __init__(self, *answers: bytes) -> None:
        self._answers = answers
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.asked: list[str] = []
        self.connection = Connection(Server(f"http://127.0.0.1:{self._socket.getsockname()[1]}", "oat_secret"))
        self._open: list[socket.socket] = []
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Scripted:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join(10)
        for one in (*self._open, self._socket):
            one.close()

    def _serve(self) -> None:
        for answer in self._answers:
            peer, _ = self._socket.accept()
            self.asked.append(peer.recv(65_536).decode())
            if answer == SILENT:
                self._open.append(peer)
                continue
            with peer:
                peer.sendall(answer)

    def header(self, name: str) -> list[str | None]:
        """Its value in each request."""
        return [
            next((line.partition(": ")[2] for line in one.split("\r\n") if line.startswith(f"{name}: ")), None)
            for one in self.asked
        ]


POST = Call(method="POST", path="/events", body={})


@pytest.mark.parametrize(
    ("call", "answers"),
    [
        (Call(path="/tasks"), (LOST, LOST, OK)),
        (POST, (LOST, OK)),
        (POST, (BUSY, BUSY, OK)),
        (Call(method="POST", path="/tasks", body={}, again=False), (BUSY, OK)),
        (Call(method="DELETE", path="/tasks/1"), (LOST, OK)),
    ],
)
def test_it_is_sent_again(call: Call, answers: tuple[bytes, ...]) -> None:
    with Scripted(*answers) as server:
        assert server.connection.ask(call).body == {"ok": True}
    keys = set(server.header("Idempotency-Key"))
    assert len(keys) == 1 and (None in keys) == (call.method != "POST")


@pytest.mark.parametrize(
    ("call", "answers", "code"),
    [
        (Call(method="POST", path="/tasks", body={}, again=False), (LOST,), UNREACHABLE),
        (Call(path="/tasks"), (LOST,) * 4, UNREACHABLE),
        (Call(path="/tasks"), (STUCK,), UNREACHABLE),
        (Call(method="POST", path="/tasks", body={}, again=False, seconds=0.2), (SILENT,), TIMED_OUT),
    ],
)
def test_it_gives_up(call: Call, answers: tuple[bytes, ...], code: int) -> None:
    with Scripted(*answers) as server, pytest.raises(Stopped) as caught:
        server.connection.ask(call)
    assert caught.value.exit_code == code and len(server.asked) == len(answers)
    assert "oat_secret" not in str(caught.value)


def test_a_stream_goes_on_after_the_last_id() -> None:
    first, second = b"id: 7\ndata: a\n\nid: 8\nda", b"id: 8\ndata: b\n\n"
    with Scripted(STREAM + first, LOST, BUSY, STREAM + second) as server:
        found = follow(server.connection, "/events/stream", {}, "6")
        assert [next(found).data, next(found).data] == ["a", "b"]
    assert server.header("Last-Event-ID") == ["6", "7", "7", "7"]


def test_a_stream_that_is_refused_ends_at_once() -> None:
    answer = b"HTTP/1.1 403 No\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"
    with Scripted(answer) as server, pytest.raises(Refused):
        next(follow(server.connection, "/events/stream", {}))

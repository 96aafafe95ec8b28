"""What a real gunicorn cannot read as a request is refused in the one shape of errors."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator

import orjson
import pytest

from tests.servers import REPOSITORY, free_port, wait_for

MEMBERS = {"error", "message", "details", "request_id", "type", "title", "status", "instance"}


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """The port of a web process."""
    port = free_port()
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.fakes.http_server", str(port)],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONWARNINGS": "default"},
        stderr=subprocess.DEVNULL,
    )
    wait_for(lambda: _listens(port), seconds=60)
    yield port
    server.terminate()
    server.wait(30)


def _listens(port: int) -> bool:
    with socket.socket() as trial:
        return trial.connect_ex(("127.0.0.1", port)) == 0


def spoken(port: int, *pieces: bytes) -> tuple[bytes, bytes]:
    """Head and body of the answer to these bytes; the server closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as line:
        for piece in pieces:
            line.sendall(piece)
        answer = b""
        while chunk := line.recv(65536):
            answer += chunk
    head, _, body = answer.partition(b"\r\n\r\n")
    return head, body


@pytest.mark.parametrize(
    ("said", "status", "sentence"),
    [
        (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414, "too long"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX-Long: " + b"a" * 9000 + b"\r\n\r\n", 431, "too many or too long"),
        (b"GET / HTTP/1.1\r\n" + b"X-A: b\r\n" * 200 + b"\r\n", 431, "too many or too long"),
        (b"what is this\r\n\r\n", 400, "not HTTP"),
        (b"GET / HTTP/9.9\r\nHost: x\r\n\r\n", 400, "not HTTP"),
        (b"GET / HTTP/1.1\r\nHost x\r\n\r\n", 400, "not HTTP"),  # a header without a colon
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: mangled\r\n\r\n", 501, "not supported"),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400, "not HTTP"),
    ],
)
def test_what_is_no_request_is_refused_in_the_one_shape(port: int, said: bytes, status: int, sentence: str) -> None:
    head, body = spoken(port, said)
    assert head.startswith(b"HTTP/1.1 %d " % status), head
    assert b"Content-Type: application/json" in head and b"Connection: close" in head
    answer = orjson.loads(body)
    assert set(answer) == MEMBERS
    assert answer["status"] == status and sentence in answer["message"]
    assert answer["request_id"].encode() in head


def test_the_server_goes_on(port: int) -> None:
    spoken(port, b"garbage\r\n\r\n")
    head, _ = spoken(port, b"GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")

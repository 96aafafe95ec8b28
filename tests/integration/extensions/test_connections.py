"""Streams and WebSockets of an extension under the real server: they count, they end, and they harm nobody."""

from __future__ import annotations

import http.client
import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
import requests
from simple_websocket import Client, ConnectionClosed

from tests.faults.stack import Stack
from tests.integration.extensions.conftest import LAB
from tests.servers import Databases, wait_for

THREADS = 8
MOST = 6
"""Three quarters of the threads."""


@pytest.fixture
def stack(databases: Databases, tmp_path: Path) -> Iterator[Stack]:
    """One web process with few threads."""
    url = databases.sqlite(tmp_path / "ordinaut.db")
    settings = {"ORDINAUT_EXT_PATHS": str(LAB), "ORDINAUT_WEB_THREADS": str(THREADS), "LOG_LEVEL": "WARNING"}
    stack = Stack(tmp_path, database_url=url, redis_url="redis://127.0.0.1:1/0", **settings)
    yield stack.start("web").ready()
    stack.stop()


def websocket(stack: Stack, path: str, **headers: str) -> Client:
    return Client(f"ws://127.0.0.1:{stack.port}{path}", headers=headers)


def stream(stack: Stack, path: str = "/ext/lab/ticks") -> requests.Response:
    return requests.get(f"http://127.0.0.1:{stack.port}{path}", stream=True, timeout=30)


def handshake(stack: Stack, path: str, **headers: str) -> int:
    """The status that a client gets which asks for a WebSocket."""
    words = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    with closing(http.client.HTTPConnection("127.0.0.1", stack.port, timeout=30)) as connection:
        connection.request("GET", path, headers={**words, **headers})
        with connection.getresponse() as answer:
            return answer.status


def close_code(client: Client) -> int:
    with pytest.raises(ConnectionClosed) as closed:
        client.receive(timeout=20)
    return int(closed.value.reason)


def test_a_socket_talks_and_a_stream_ticks(stack: Stack) -> None:
    # This client names the host without its port.
    client = websocket(stack, "/ext/lab/ws/echo/r1", Origin="http://127.0.0.1")
    client.send("hello")
    assert json.loads(client.receive(timeout=10)) == {"room": "r1", "message": "hello"}
    client.close()
    with closing(stream(stack)) as answer:
        lines = answer.iter_lines()
        seen = [next(lines) for _ in range(10)]
    assert answer.headers["Content-Type"].startswith("text/event-stream")
    # What lies between is silence, too short for a heartbeat.
    assert b"data: 0" in seen and b"data: 2" in seen and b": still here" not in seen


def test_they_end_soon_after_sigterm(stack: Stack) -> None:
    with ExitStack() as open_ones:
        streams = [open_ones.enter_context(closing(stream(stack))) for _ in range(2)]
        for answer in streams:
            assert next(answer.iter_lines()) == b": ok"
        echo, deaf = websocket(stack, "/ext/lab/ws/echo/a"), websocket(stack, "/ext/lab/ws/deaf")
        process = stack.programs["web"].process
        assert process is not None
        begun = time.monotonic()
        os.kill(process.pid, signal.SIGTERM)
        assert [close_code(echo), close_code(deaf)] == [1012, 1012]
        for answer in streams:
            answer.content  # noqa: B018 - read to its end
        assert process.wait(10) == 0
        assert time.monotonic() - begun < 5


def test_they_hold_no_more_than_their_share_of_the_threads(stack: Stack) -> None:
    with ExitStack() as open_ones:
        for _ in range(MOST - 1):
            open_ones.enter_context(closing(stream(stack)))
        last = websocket(stack, "/ext/lab/ws/echo/a")
        refused = stack.request("GET", "/ext/lab/ticks")
        assert (refused.status_code, refused.json()["error"]) == (503, "unavailable")
        assert int(refused.headers["Retry-After"]) > 0
        assert handshake(stack, "/ext/lab/ws/echo/a") == 503
        assert stack.get("/ext/lab/")["text"] == "Salut"
        last.close()
        wait_for(lambda: handshake(stack, "/ext/lab/ws/echo/a") == 101, what="the slot to be free again")


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        # each row: a socket that is not opened, and the status it is refused with
        ("/ext/lab/ws/echo/a", {"Origin": "http://evil.example"}, 403),
        ("/ext/lab/ws/nothing", {}, 404),
        ("/ext/nobody/ws/echo", {}, 404),
    ],
)
def test_a_socket_that_cannot_be_opened_is_told_why(
    stack: Stack, path: str, headers: dict[str, Any], status: int
) -> None:
    assert handshake(stack, path, **headers) == status


def test_a_message_that_is_too_long_ends_the_socket(stack: Stack) -> None:
    client = websocket(stack, "/ext/lab/ws/echo/a")
    client.send("x" * 70_000)
    assert close_code(client) == 1009


def test_what_breaks_in_the_middle_ends_cleanly_and_is_counted(stack: Stack) -> None:
    client = websocket(stack, "/ext/lab/ws/crash")
    client.send("x")
    assert close_code(client) == 1011
    with closing(stream(stack, "/ext/lab/broken")) as answer:
        assert answer.content.endswith(b"data: 1\n\n")
    assert stack.get("/ext/status")["extensions"]["lab"]["metrics"]["errors_total"] == 2
    assert stack.get("/ext/lab/")["text"] == "Salut"


def test_a_socket_that_would_end_the_process_ends_itself(stack: Stack) -> None:
    process = stack.programs["web"].process
    client = websocket(stack, "/ext/lab/ws/exit")
    client.send("x")
    assert close_code(client) == 1011
    assert stack.get("/ext/lab/")["text"] == "Salut"
    assert process is not None and process.poll() is None


def test_two_web_processes_say_the_same(stack: Stack) -> None:
    stack.start("web-2")
    other = int(stack.programs["web-2"].env["PORT"])
    wait_for(lambda: _status(other) is not None, seconds=60, what="the second web process")
    assert _state(_status(other)) == "discovered"
    for _ in range(3):
        stack.get("/ext/lab/")
    mine, theirs = stack.get("/ext/status"), _status(other)
    assert _state(mine) == _state(theirs) == "loaded"
    assert theirs["extensions"]["lab"] == mine["extensions"]["lab"]
    assert theirs == mine
    assert mine["extensions"]["lab"]["metrics"]["requests_total"] == 3
    stack.kill("web", signal.SIGTERM)
    stack.programs["web"].wait(20)
    assert _state(_status(other)) == "discovered"
    assert _status(other)["extensions"]["lab"]["metrics"]["requests_total"] == 3


def _status(port: int) -> Any:
    try:
        return requests.get(f"http://127.0.0.1:{port}/ext/status", timeout=10).json()
    except requests.ConnectionError:
        return None


def _state(status: Any) -> str:
    return str(status["extensions"]["lab"]["state"])

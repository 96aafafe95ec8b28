"""Long answers under a real server: they begin at once, and let go of it when it is told to stop."""

from __future__ import annotations

import http.client
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest

from tests.servers import free_port, wait_for

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def server(port: int) -> Iterator[subprocess.Popen[bytes]]:
    """A gunicorn that answers."""
    process = subprocess.Popen([sys.executable, "-m", "tests.fakes.http_server", str(port)], cwd=ROOT)
    wait_for(lambda: _status(port, "/health/live") == 200, what="gunicorn to answer")
    yield process
    process.kill()
    process.wait()


@contextmanager
def get(port: int, path: str) -> Iterator[http.client.HTTPResponse]:
    """The answer to a GET, as it comes."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        connection.request("GET", path)
        with connection.getresponse() as answer:
            yield answer


def _status(port: int, path: str) -> int:
    try:
        with get(port, path) as answer:
            return answer.status
    except OSError:
        return 0


def test_a_stream_begins_at_once_and_ends_soon_after_sigterm(server: subprocess.Popen[bytes], port: int) -> None:
    with ExitStack() as stack:
        streams = [stack.enter_context(get(port, "/runs/r1/stream")) for _ in range(5)]
        assert [stream.readline() for stream in streams] == [b": ok\n"] * 5
        assert _status(port, "/runs/r1") == 200
        begun = time.monotonic()
        server.send_signal(signal.SIGTERM)
        assert all(b"event: state" in stream.read() for stream in streams)
    assert server.wait(10) == 0
    assert time.monotonic() - begun < 3


def test_a_long_poll_answers_when_the_server_stops(server: subprocess.Popen[bytes], port: int) -> None:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        connection.request("GET", "/runs/r1/wait?timeout=50")
        with get(port, "/runs/r1/stream") as later:
            # The poll was sent first: once this stream has begun, it is under way.
            assert later.readline() == b": ok\n"
            server.send_signal(signal.SIGTERM)
        assert b'"timed_out":true' in connection.getresponse().read()


def test_a_client_that_hangs_up_frees_its_slot_within_seconds(server: subprocess.Popen[bytes], port: int) -> None:
    with ExitStack() as stack:
        for _ in range(8):
            assert stack.enter_context(get(port, "/runs/r1/stream")).readline() == b": ok\n"
        for _ in range(4):
            poll = stack.enter_context(closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)))
            poll.request("GET", "/runs/r1/wait?timeout=50")
        wait_for(lambda: _status(port, "/runs/r1/stream") == 503, what="every slot to be taken")
        assert _status(port, "/runs/r1/stream") == 503
    # Not by the heartbeat, which is sent after 10 seconds, nor by the end of the polls.
    with ExitStack() as stack:
        for _ in range(12):
            wait_for(lambda: _begins(stack, port), seconds=6, what="a slot")


def _begins(stack: ExitStack, port: int) -> bool:
    """Whether one more stream could be opened; it stays open."""
    return stack.enter_context(get(port, "/runs/r1/stream")).status == 200

"""Streams of events under real web processes: every one hears what any of them publishes, and lets go when told to."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.servers import REPOSITORY, free_port, wait_for


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def web(port: int, sqlite_url: str, redis_url: str, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Two web processes on one port."""
    env = {
        "PATH": os.defpath,
        "PORT": str(port),
        "WEB_CONCURRENCY": "2",
        "DATABASE_URL": sqlite_url,
        "REDIS_URL": redis_url,
        "ORDINAUT_HOME": str(tmp_path),
        "LOG_LEVEL": "WARNING",
    }
    process = subprocess.Popen([sys.executable, str(REPOSITORY / "bin" / "ordinaut"), "web"], env=env, cwd=tmp_path)
    wait_for(lambda: _up(port), seconds=60, what="the web processes to answer")
    yield process
    process.kill()
    process.wait()


def _up(port: int) -> bool:
    try:
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=5)) as connection:
            connection.request("GET", "/health/live")
            return connection.getresponse().status == 200
    except OSError:
        return False


def publish(port: int, number: int) -> str:
    """Publish an event; its id."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        body = json.dumps({"topic": "shop.a", "payload": {"n": number}})
        connection.request("POST", "/events", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        details: Any = json.loads(answer.read())["details"]
    return str(details["event_id"])


@contextmanager
def listening(port: int, last_id: str | None = None) -> Iterator[Iterator[tuple[str, Any]]]:
    """`(id, event)` of a stream, as they come."""
    headers = {} if last_id is None else {"Last-Event-ID": last_id}
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        connection.request("GET", "/events/stream?topic=shop.*", headers=headers)
        answer = connection.getresponse()
        assert answer.readline() == b": ok\n"
        yield _events(answer)


def _events(answer: http.client.HTTPResponse) -> Iterator[tuple[str, Any]]:
    identity = ""
    while line := answer.readline().decode():
        if line.startswith("id: "):
            identity = line[4:-1]
        elif line.startswith("data: "):
            yield identity, json.loads(line[6:])


def test_every_listener_hears_whatever_any_process_publishes(web: subprocess.Popen[bytes], port: int) -> None:
    with ExitStack() as stack:
        # Enough connections for each of the two processes to have some.
        streams = [stack.enter_context(listening(port)) for _ in range(8)]
        ids = [publish(port, number) for number in range(12)]
        for stream in streams:
            assert [next(stream)[0] for _ in ids] == ids
    with listening(port, ids[4]) as stream:
        assert [next(stream)[1]["payload"]["n"] for _ in range(7)] == list(range(5, 12))


def test_streams_end_soon_after_sigterm(web: subprocess.Popen[bytes], port: int) -> None:
    with ExitStack() as stack:
        streams = [stack.enter_context(listening(port)) for _ in range(6)]
        begun = time.monotonic()
        web.send_signal(signal.SIGTERM)
        assert [list(stream) for stream in streams] == [[]] * 6
        assert time.monotonic() - begun < 3
    assert web.wait(10) == 0

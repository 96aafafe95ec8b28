"""Real servers, over pipes and over HTTP: what calls come to when all is well, and when it is not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import psutil
import pytest

from app.domain.mcp import RemoteCall, Server
from app.tools.mcp_pool import Pool
from ordinaut import ToolFailed
from tests.integration.mcp.conftest import FAKE
from tests.servers import free_port, wait_for


@pytest.fixture
def pool() -> Iterator[Pool]:
    """Its servers are gone when the test is over."""
    one = Pool()
    yield one
    one.close()
    assert [child for child in psutil.Process().children() if _is_piped(child)] == []


def _is_piped(child: psutil.Process) -> bool:
    words = child.cmdline()
    return FAKE in words and "http" not in words


def piped(**more: Any) -> Server:
    return Server(name="fake", where="fake", command=sys.executable, args=(FAKE,), **more)


@pytest.fixture(scope="module")
def http_server() -> Iterator[Server]:
    """The same over HTTP; the client speaks to it in the newest version that both know."""
    port = free_port()
    process = subprocess.Popen([sys.executable, FAKE, "http", str(port)], stderr=subprocess.DEVNULL)
    one = Server(name="fake", where="http", url=f"http://127.0.0.1:{port}/mcp")
    probe = Pool()

    def listens() -> bool:
        try:
            return bool(probe.listed(one))
        except ToolFailed:
            return False

    wait_for(listens, seconds=30, what="the server to listen")
    probe.close()
    yield one
    process.terminate()
    process.wait(10)


def call(pool: Pool, server: Server, tool: str, within: float = 20, **arguments: Any) -> Any:
    return pool.call(server, RemoteCall(tool=tool, arguments=arguments, seconds=within))


def failure(pool: Pool, server: Server, tool: str, within: float = 20, **arguments: Any) -> tuple[str, bool]:
    """Kind of a failure, and whether it is worth another try."""
    with pytest.raises(ToolFailed) as failed:
        call(pool, server, tool, within, **arguments)
    return failed.value.type, failed.value.retryable


@pytest.mark.parametrize("how", ["pipe", "http"])
def test_tools_are_listed_with_their_hints_and_called(pool: Pool, http_server: Server, how: str) -> None:
    server = piped() if how == "pipe" else http_server
    version, tools = pool.listed(server)
    named = {tool.name: tool for tool in tools}
    assert version >= "2025-11-25" and list(named) == ["boom", "die", "echo", "picture", "pid", "slow"]
    assert (named["pid"].read_only, named["pid"].destructive) == (True, False)
    assert (named["slow"].destructive, named["slow"].idempotent) == (True, False), "what says nothing may do anything"
    assert (named["echo"].destructive, named["echo"].idempotent) == (False, True)
    assert call(pool, server, "echo", text="Salut") == {"text": "Salut"}
    assert failure(pool, server, "boom") == ("tool_error", True)
    assert failure(pool, server, "echo", nothing=1)[1] is True
    assert failure(pool, server, "slow", 0.5, seconds=30) == ("timeout", True)
    assert call(pool, server, "echo", text="still there") == {"text": "still there"}


def test_one_process_serves_all_calls_and_another_follows_when_it_dies(pool: Pool) -> None:
    first = call(pool, piped(), "pid")["pid"]
    assert call(pool, piped(), "pid")["pid"] == first
    assert failure(pool, piped(), "die") == ("connection_lost", True)
    assert call(pool, piped(), "pid")["pid"] != first
    os.kill(call(pool, piped(), "pid")["pid"], signal.SIGKILL)
    wait_for(lambda: _works(pool), seconds=20, what="a new server")


def _works(pool: Pool) -> bool:
    try:
        return bool(call(pool, piped(), "pid"))
    except ToolFailed:
        return False


def test_progress_is_told_and_a_call_that_nobody_wants_is_given_up(pool: Pool, tmp_path: Path) -> None:
    told: list[str] = []
    mark = tmp_path / "mark"
    wish = RemoteCall(
        tool="slow",
        arguments={"seconds": 60, "mark": str(mark)},
        seconds=60,
        should_stop=lambda: len(told) >= 2,
        progress=told.append,
    )
    with pytest.raises(ToolFailed) as failed:
        pool.call(piped(), wish)
    assert failed.value.type == "canceled" and told[0] == "tick (1/600)"
    wait_for(mark.exists, seconds=10, what="the server to hear of it")


def test_calls_from_many_threads_share_a_connection(pool: Pool) -> None:
    answers: list[Any] = []
    threads = [
        threading.Thread(target=lambda n=n: answers.append(call(pool, piped(), "echo", text=str(n)))) for n in range(16)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(int(one["text"]) for one in answers) == list(range(16))


def test_a_forked_process_has_connections_of_its_own(pool: Pool) -> None:
    mine = call(pool, piped(), "pid")["pid"]
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writer, str(call(pool, piped(), "pid")["pid"]).encode())
            pool.close()
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    theirs = int(os.read(reader, 100))
    os.close(reader)
    os.close(writer)
    assert theirs != mine and not psutil.pid_exists(theirs)
    assert call(pool, piped(), "pid")["pid"] == mine


@pytest.mark.parametrize(
    ("server", "kind", "again"),
    [
        (Server(name="x", where="x", command="/nowhere/at/all"), "command_not_found", False),
        (Server(name="x", where="x", command=sys.executable, args=("-c", "pass")), "connection_lost", True),
        (
            Server(
                name="x",
                where="x",
                command=sys.executable,
                args=("-c", "import sys; sys.stdin.read()"),  # It hears, and never answers.
                connect_timeout_seconds=0.5,
            ),
            "connect_timeout",
            True,
        ),
        (Server(name="x", where="x", url="http://127.0.0.1:1/mcp"), "unreachable", True),
    ],
)
def test_servers_that_are_not_there(pool: Pool, server: Server, kind: str, again: bool) -> None:
    assert failure(pool, server, "anything") == (kind, again)


class _Refuses(BaseHTTPRequestHandler):
    """Answers everything with the status of its path."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(int(self.path.strip("/")))
        self.send_header("Retry-After", "7")
        self.send_header("Content-Length", "4")
        self.end_headers()
        self.wfile.write(b"no!\n")

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@pytest.mark.parametrize(
    ("status", "kind", "again"),
    [
        (401, "unauthorized", False),
        (403, "forbidden", False),
        (404, "http_404", False),
        (429, "http_429", True),
        (503, "http_503", True),
    ],
)
def test_what_http_says_is_kept(pool: Pool, status: int, kind: str, again: bool) -> None:
    with HTTPServer(("127.0.0.1", 0), _Refuses) as target:
        threading.Thread(target=target.serve_forever, daemon=True).start()
        server = Server(name="x", where="x", url=f"http://127.0.0.1:{target.server_port}/{status}")
        with pytest.raises(ToolFailed) as failed:
            call(pool, server, "anything")
        target.shutdown()
    assert (failed.value.type, failed.value.retryable) == (kind, again)
    if again:
        assert failed.value.details["retry_after_seconds"] == 7


def test_an_idle_connection_is_closed() -> None:
    pool = Pool(idle_seconds=0.2)
    served = call(pool, piped(), "pid")["pid"]
    wait_for(lambda: not psutil.pid_exists(served), seconds=20, what="the server to be ended")
    began = time.monotonic()
    pool.close()
    assert time.monotonic() - began < 20

"""Real web processes: what one revokes all refuse within five seconds, and after a restart."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.servers import REPOSITORY, free_port, wait_for

ORDINAUT = [sys.executable, str(REPOSITORY / "bin" / "ordinaut")]


class Web:
    """Two web processes behind one port."""

    def __init__(self, port: int) -> None:
        self.port = port

    def ask(self, method: str, path: str, body: Any = None, token: str = "") -> tuple[int, Any]:
        """Status and JSON of one request on a connection of its own."""
        headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.loads(error.read() or b"null")

    def answers(self) -> bool:
        """Whether anybody listens."""
        try:
            return self.ask("GET", "/health/live")[0] == 200
        except OSError:
            return False


@contextmanager
def serving(environment: dict[str, str]) -> Iterator[Web]:
    """The web processes of an installation."""
    process = subprocess.Popen([*ORDINAUT, "web"], env=environment, stdin=subprocess.DEVNULL)
    web = Web(int(environment["PORT"]))
    try:
        wait_for(lambda: web.answers() or process.poll() is not None, seconds=30, what="the web process")
        yield web
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


def test_a_revocation_reaches_every_process_and_survives(sqlite_url: str, tmp_path: Path) -> None:
    environment = {
        "PATH": os.defpath,
        "ORDINAUT_HOME": str(tmp_path / "home"),
        "DATABASE_URL": sqlite_url,
        "ORDINAUT_AUTH": "jwt",
        "WEB_CONCURRENCY": "2",
        "ORDINAUT_RATE_LIMIT": "100000/minute",  # asking all the time is what this test does
        "PORT": str(free_port()),
        "LOG_LEVEL": "WARNING",
    }
    made = json.loads(subprocess.check_output([*ORDINAUT, "agent", "create", "ana", "--json"], env=environment))
    with serving(environment) as web:
        login = {"agent_id": made["agent_id"], "agent_secret": made["agent_secret"]}
        token = web.ask("POST", "/agents/auth/token", login)[1]["access_token"]
        assert {web.ask("GET", "/tasks", token=token)[0] for _ in range(20)} == {200}
        assert web.ask("POST", "/agents/auth/revoke", {}, token)[0] == 200
        revoked = time.monotonic()
        wait_for(lambda: {web.ask("GET", "/tasks", token=token)[0] for _ in range(20)} == {401}, what="all to refuse")
        assert time.monotonic() - revoked < 5.5
        other = web.ask("POST", "/agents/auth/token", login)[1]["access_token"]
    with serving(environment) as web:
        # The key of a development installation outlives its processes as well.
        assert web.ask("GET", "/tasks", token=token)[0] == 401
        assert web.ask("GET", "/tasks", token=other)[0] == 200

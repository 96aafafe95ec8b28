"""A server of tasks, as tests see it from outside: see `tests.fakes.mcp_task_server`."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import requests

from tests.servers import REPOSITORY, wait_for

SERVER = str(REPOSITORY / "tests" / "fakes" / "mcp_task_server.py")


class Remote:
    """The server in a process of its own, and what it has seen."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/mcp"
        self._port = port
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Begin, or begin anew with nothing in mind."""
        self._process = subprocess.Popen([sys.executable, SERVER, str(self._port)], env={"PYTHONPATH": str(REPOSITORY)})
        wait_for(self.answers, seconds=30, what="the server to answer")

    def answers(self) -> bool:
        """Whether it is there."""
        try:
            return bool(self.seen())
        except requests.ConnectionError:
            return False

    def stop(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)

    def seen(self) -> Any:
        """`{works, calls}`."""
        return requests.get(f"http://127.0.0.1:{self._port}/seen", timeout=10).json()

    def works(self) -> list[Any]:
        """Its tasks."""
        return list(self.seen()["works"])

    def open(self, admits: bool) -> None:
        """Let nobody in until it is opened again: 503."""
        requests.post(f"http://127.0.0.1:{self._port}/{'open' if admits else 'close'}", timeout=10).raise_for_status()

"""The real thing: `ordinaut up` with web, worker, beat and its Valkey, talked to over HTTP as a user would."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.fakes.http_target import HttpTarget, http_target
from tests.servers import REPOSITORY, free_port, wait_for

PATIENCE = 60.0
"""Seconds after which a test gives up: the machine may be busy with something else."""

# Without a browser on this machine there is no page to look at; CI has one.
_IN_A_BROWSER = ["test_docs_page.py", "test_oauth.py", "test_webui_page.py", "test_webui_story.py"]
collect_ignore = [] if shutil.which("chromium") else _IN_A_BROWSER


class Instance:
    """One `ordinaut up` with a home of its own."""

    def __init__(self, home: Path, **environ: str) -> None:
        self.home = home
        self.port = free_port()
        self.log = home.with_suffix(".log")
        self._environ = environ
        self._process: psutil.Popen | None = None
        self._seen: dict[int, psutil.Process] = {}

    def start(self) -> Instance:
        """Start it and wait until it says that it is ready."""
        environ = {"PATH": os.environ["PATH"], "PORT": str(self.port), "ORDINAUT_HOME": str(self.home)}
        environ |= {"ORDINAUT_HTTP_ALLOWED_HOSTS": "127.0.0.1"}
        environ |= dict.fromkeys(("ORDINAUT_RATE_LIMIT", "ORDINAUT_MCP_RATE_LIMIT"), "100000/minute")
        with self.log.open("wb") as log:
            self._process = psutil.Popen(
                [sys.executable, str(REPOSITORY / "bin" / "ordinaut"), "up"],
                env=environ | self._environ,
                stdout=log,
                stderr=log,
            )
        wait_for(self._ready, seconds=PATIENCE, what=f"{self.log} to say that it is ready")
        self.family()
        return self

    def _ready(self) -> bool:
        assert self._process and self._process.poll() is None, self.output
        return "Ordinaut is ready" in self.output

    @property
    def output(self) -> str:
        """What it printed so far."""
        return self.log.read_text(encoding="utf-8")

    def family(self) -> list[psutil.Process]:
        """Every process it started that is alive."""
        if self._process and self._process.is_running() and self._process.status() != psutil.STATUS_ZOMBIE:
            self._seen |= {child.pid: child for child in self._process.children(recursive=True)}
        return [one for one in self._seen.values() if _alive(one)]

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Signal it and wait for its end; its exit code."""
        assert self._process
        self.family()
        self._process.send_signal(number)
        return int(self._process.wait(PATIENCE))

    def clean(self) -> None:
        """Leave nothing, whatever the test did."""
        for one in [*self.family(), *([self._process] if self._process else [])]:
            if _alive(one):
                one.kill()

    @contextmanager
    def answer(self, method: str, path: str, body: Any = None, **headers: str) -> Iterator[http.client.HTTPResponse]:
        """The answer to a request as it comes; `Last_Event_ID` is the header Last-Event-ID."""
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)) as connection:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            data = None if body is None else json.dumps(body)
            connection.request(method, path, data, {"Content-Type": "application/json", **named})
            with connection.getresponse() as answer:
                yield answer

    def call(self, method: str, path: str, body: Any = None, *, expect: int = 200) -> Any:
        """The JSON of an answer; AssertionError with it when its status is not the expected one."""
        with self.answer(method, path, body) as answer:
            data = answer.read()
        assert answer.status == expect, data
        return json.loads(data) if data else None

    def task(self, *steps: dict[str, Any], **fields: Any) -> Any:
        """A new task: manual, but for what is given."""
        base = {"title": "A task", "schedule_kind": "manual", "payload": {"pipeline": list(steps)}}
        return self.call("POST", "/tasks", {**base, **fields}, expect=201)

    def run(self, task: Any) -> str:
        """The id of a run of the task that is asked for here."""
        return str(self.call("POST", f"/tasks/{task['id']}/run_now", {}, expect=202)["run_id"])

    def ended(self, run_id: str) -> Any:
        """The run when it has ended."""
        run = self.call("GET", f"/runs/{run_id}/wait?timeout=50")
        assert not run["timed_out"], run
        return run


def _alive(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


@pytest.fixture(scope="session")
def ordinaut(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """The session's instance."""
    instance = Instance(tmp_path_factory.mktemp("e2e") / "home")
    try:
        yield instance.start()
        assert instance.stop() == 0, instance.output
    finally:
        instance.clean()


@pytest.fixture
def another(tmp_path: Path) -> Iterator[Instance]:
    """An instance of the test's own, not started yet."""
    instance = Instance(tmp_path / "home")
    yield instance
    instance.clean()


@pytest.fixture
def target() -> Iterator[HttpTarget]:
    """A server that steps may call."""
    with http_target() as server:
        yield server

"""Ordinaut as it really runs: web, worker and beat as processes of their own, to be signalled and restarted."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
import uuid
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import psutil
import psycopg
import requests

from tests.servers import REPOSITORY, free_port, wait_for

LEASE = 4.0
DRAIN = 3.0
POOL = 2
PATIENCE = 60.0
"""Seconds a test waits for what must come: the machine may be busy with other tests."""


class Program:
    """One `ordinaut web|worker|beat`, in a session of its own, with its lines in a file."""

    def __init__(self, name: str, env: Mapping[str, str], log: Path) -> None:
        self.name = name
        self.kind = name.partition("-")[0]
        self.env = env
        self.log = log
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        """Whether its main process is alive."""
        return self.process is not None and self.process.poll() is None

    def start(self) -> None:
        """Start it, or start it again."""
        self.kill()
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(REPOSITORY / "bin" / "ordinaut"), self.kind],
                env=dict(self.env),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def children(self) -> list[psutil.Process]:
        """The processes it has forked that are alive."""
        if not self.running or self.process is None:
            return []
        with suppress(psutil.NoSuchProcess):
            found = psutil.Process(self.process.pid).children(recursive=True)
            return [child for child in found if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]
        return []

    def has_pool(self) -> bool:
        """Whether a worker has forked the processes of its pool; those it starts for extensions are others."""
        with suppress(psutil.NoSuchProcess):
            return sum("workers.extensions" not in child.cmdline() for child in self.children()) >= POOL
        return False

    def signal(self, number: signal.Signals) -> None:
        """Signal the main process and everything it forked, which is what a platform does."""
        if self.process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, number)

    def kill(self) -> None:
        """SIGKILL all of it and collect the main process."""
        if self.process is not None:
            self.signal(signal.SIGKILL)
            self.process.wait(PATIENCE)

    def wait(self, seconds: float) -> int:
        """Its exit code; subprocess.TimeoutExpired when it does not end."""
        assert self.process is not None
        return self.process.wait(seconds)

    def text(self) -> str:
        """What it has written so far."""
        return self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""


class Stack:
    """Any number of programs on one database and one Valkey, and a client of their API."""

    def __init__(self, folder: Path, *, database_url: str, redis_url: str, **environ: str) -> None:
        self.folder = folder
        self.database_url = database_url
        self.port = free_port()
        self.programs: dict[str, Program] = {}
        self.slowest = 0.0
        """Seconds that the slowest answer took since this was last set to zero."""
        self._env = {
            "PATH": os.environ["PATH"],
            "ORDINAUT_HOME": str(folder),
            "DATABASE_URL": database_url,
            "REDIS_URL": redis_url,
            "ORDINAUT_AUTH": "off",
            "ORDINAUT_LEASE_SECONDS": f"{LEASE:g}",
            "ORDINAUT_DRAIN_SECONDS": f"{DRAIN:g}",
            "ORDINAUT_RATE_LIMIT": "1000000/minute",
            "ORDINAUT_HTTP_ALLOWED_HOSTS": "127.0.0.1",
            "ORDINAUT_WEB_THREADS": "16",
            "ORDINAUT_WORKER_CONCURRENCY": str(POOL),
            "LOG_FORMAT": "json",
            **environ,
        }
        folder.mkdir(parents=True, exist_ok=True)

    # Processes.

    def start(self, *names: str) -> Stack:
        """Start programs: `web`, `worker`, `beat`, or one more of a kind as in `worker-2`; those alive stay."""
        for name in names:
            if name not in self.programs:
                # A second web listens on a port of its own and is for being there, not for being asked.
                port = self.port if name == "web" else free_port()
                env = {**self._env, "PORT": str(port)}
                self.programs[name] = Program(name, env, self.folder / f"{name}.log")
            if not self.programs[name].running:
                self.programs[name].start()
        return self

    def ready(self) -> Stack:
        """Wait until the web answers and every worker has its pool; what does not run is left out."""
        for program in self.programs.values():
            if program.kind == "worker" and program.running:
                wait_for(program.has_pool, seconds=PATIENCE, what=f"the pool of {program.name}")
        if "web" in self.programs and self.programs["web"].running:
            wait_for(self.answers, seconds=PATIENCE, what="the web to answer")
        return self

    def whole(self) -> Stack:
        """One of each running, and nothing else: how a test finds the stack."""
        for name in [name for name in self.programs if "-" in name]:
            self.remove(name)
        for program in self.programs.values():
            program.signal(signal.SIGCONT)
        return self.start("web", "worker", "beat").ready()

    def restart(self, name: str) -> None:
        """Kill what is left of a program and start it anew."""
        self.programs[name].start()

    def remove(self, name: str) -> None:
        """Kill a program and forget it."""
        self.programs.pop(name).kill()

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> None:
        """Signal all processes of a program."""
        self.programs[name].signal(number)
        if number == signal.SIGKILL:
            self.programs[name].wait(PATIENCE)

    def freeze(self, name: str) -> None:
        """SIGSTOP all processes of a program."""
        self.kill(name, signal.SIGSTOP)

    def thaw(self, name: str) -> None:
        """SIGCONT them."""
        self.kill(name, signal.SIGCONT)

    def stop(self) -> None:
        """End everything, politely and then not."""
        for program in self.programs.values():
            program.signal(signal.SIGCONT)
            program.signal(signal.SIGTERM)
        deadline = time.monotonic() + 10
        for program in self.programs.values():
            with suppress(subprocess.TimeoutExpired):
                program.wait(max(0.1, deadline - time.monotonic()))
            program.kill()

    def holder(self, run_id: str) -> tuple[str, int]:
        """The program and the pool process that hold a run."""
        [(owner,)] = self.query("SELECT lease_owner FROM runs WHERE id = ?", run_id)
        pid = int(str(owner).rpartition("/")[2])
        for name, program in self.programs.items():
            if pid in [child.pid for child in program.children()]:
                return name, pid
        raise AssertionError(f"nobody holds the run: {owner}")

    # The API.

    def request(self, method: str, path: str, *, timeout: float = 30, **options: Any) -> requests.Response:
        """One request on a connection of its own."""
        url = f"http://127.0.0.1:{self.port}{path}"
        answer = requests.request(method, url, timeout=timeout, headers={"Connection": "close"}, **options)
        self.slowest = max(self.slowest, answer.elapsed.total_seconds())
        return answer

    def answers(self) -> bool:
        """Whether the web is ready to serve."""
        try:
            return self.request("GET", "/health/ready", timeout=5).status_code == 200
        except requests.RequestException:
            return False

    def get(self, path: str) -> Any:
        """The answer to a GET that must succeed."""
        answer = self.request("GET", path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def task(self, pipeline: Sequence[Mapping[str, Any]], **fields: Any) -> str:
        """Create a task, manual unless told otherwise; its id."""
        body = {
            "title": f"t {uuid.uuid4().hex[:8]}",
            "schedule_kind": "manual",
            "backoff_seconds": 0,
            "payload": {"params": {}, "pipeline": list(pipeline)},
        }
        answer = self.request("POST", "/tasks", json=body | fields)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def run_now(self, task_id: str, key: str | None = None) -> str:
        """Start a run by hand; its id."""
        answer = self.request("POST", f"/tasks/{task_id}/run_now", json={"idempotency_key": key} if key else {})
        assert answer.status_code == 202, answer.text
        return str(answer.json()["run_id"])

    def start_run(self, pipeline: Sequence[Mapping[str, Any]], **fields: Any) -> str:
        """A task of its own, started by hand; the id of its run."""
        return self.run_now(self.task(pipeline, **fields))

    def ended(self, run_id: str, *, seconds: float = PATIENCE) -> dict[str, Any]:
        """The run once it has ended."""
        ask = "SELECT finished_at FROM runs WHERE id = ? AND finished_at IS NOT NULL"
        wait_for(lambda: self.query(ask, run_id), seconds=seconds, what=f"run {run_id} to end")
        run: dict[str, Any] = self.get(f"/runs/{run_id}")
        return run

    # The database.

    def query(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """Rows of a SELECT, read past the product."""
        if self.database_url.startswith("sqlite"):
            path = self.database_url.removeprefix("sqlite:///")
            with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=15)) as connection:
                return connection.execute(sql, values).fetchall()
        with psycopg.connect(self.database_url.replace("+psycopg", "")) as pg:
            return pg.execute(sql.replace("?", "%s").encode(), values).fetchall()

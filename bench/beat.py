"""Beat's tick with 1,000, 10,000 and 100,000 tasks: idle, and with ten of them due.

`SchedulingService.tick` itself, with a doorbell that only counts; each size in a process of its own, whose memory is
measured around the ticks. The peer is celery beat's own scheduler with as many crontab entries (its memory at
100,000 entries is more than a gigabyte: it is asked for the smaller sizes only), whose tick sends nothing.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import psutil
from celery import Celery
from celery.beat import ScheduleEntry, Scheduler
from celery.schedules import crontab
from sqlalchemy import text

from app.queueing.silent import SilentRunQueue
from app.services.scheduling import SchedulingService
from app.storage.database import Database
from app.storage.tables import tasks
from bench.stage import Stage, arguments, make_task, median, stage, store, table

SIZES = (1_000, 10_000, 100_000)
PEER_SIZES = SIZES[:2]
DUE = 10
ROUNDS = 15
LIMITS = {"sqlite": 2.0, "postgresql": 5.0}


def _fill(scene: Stage, size: int) -> None:
    """Tasks with distinct ids that fire at the same minute of a day far away; copies of one row."""
    far = datetime.now(UTC) + timedelta(days=30)
    task = make_task(
        schedule_kind="cron", schedule_expr="30 4 * * *", next_run_at=far, next_due_at=far, overlap="allow"
    )
    store(scene.units, [task])
    names = [column.name for column in tasks.c]
    chosen = {"id": "'t-' || number", "next_due_at": "next_due_at + number", "next_run_at": "next_run_at + number"}
    numbers = (
        "(WITH RECURSIVE n(number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM n"
        f" WHERE number < {size}) SELECT number FROM n)"
    )
    listed = ", ".join(chosen.get(name, name) for name in names)
    copy = f"INSERT INTO tasks ({', '.join(names)}) SELECT {listed} FROM tasks, {numbers} AS numbers"
    with scene.engine.begin() as connection:
        connection.execute(text(copy))
    with scene.engine.connect().execution_options(isolation_level="AUTOCOMMIT", read_only=True) as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("ANALYZE"))


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1000


def _child(url: str) -> None:
    """Measure in this process and print JSON."""
    process = psutil.Process()
    database = Database(url, pool_size=2, sqlite_synchronous="NORMAL", lease_seconds=30)
    service = SchedulingService(units=database.units, queue=SilentRunQueue(), clock=database.clock)
    for _ in range(20):
        service.tick()
    before = process.memory_info().rss
    idle = median([_timed(service.tick) for _ in range(100)])
    fired = []
    for number in range(ROUNDS):
        past = int((time.time() - 1) * 1e6)
        with database.units() as unit:
            unit.tasks._connection.execute(
                text(f"UPDATE tasks SET next_due_at = :past, next_run_at = :past WHERE id IN ({_ids(number)})"),
                {"past": past},
            )
        fired.append(_timed(service.tick))
    memory = process.memory_info().rss
    database.close()
    print(json.dumps({"idle": idle, "due": median(fired), "growth": (memory - before) / 1e6, "rss": memory / 1e6}))


def _ids(number: int) -> str:
    return ", ".join(f"'t-{1 + number * DUE + one}'" for one in range(DUE))


def _peer(size: int) -> None:
    """Celery beat's scheduler, idle."""
    process = psutil.Process()
    before = process.memory_info().rss
    celery = Celery("peer", broker="memory://", set_as_current=False)
    scheduler = Scheduler(celery, lazy=True)
    for number in range(size):
        entry = ScheduleEntry(f"t{number}", "bench.noop", schedule=crontab(minute=30, hour=4, app=celery), app=celery)
        scheduler.schedule[f"t{number}"] = entry
    scheduler.tick()
    idle = median([_timed(scheduler.tick) for _ in range(20)])
    memory = process.memory_info().rss
    print(json.dumps({"idle": idle, "growth": (memory - before) / 1e6}))


def _ask(kind: str, what: str) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-m", "bench.beat"],
        env=os.environ | {"BENCH_KIND": kind, "BENCH_OF": what},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    answer: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return answer


def main() -> None:
    """Print the table."""
    asked = arguments(__doc__)
    rows: list[tuple[object, ...]] = []
    peers = {size: _ask("peer", str(size)) for size in PEER_SIZES}
    for database in asked.database:
        smallest = 0.0
        for size in SIZES:
            with stage(database) as scene:
                _fill(scene, size)
                ours = _ask("ours", scene.database_url)
            smallest = smallest or ours["rss"]
            ratio = ours["rss"] / smallest
            theirs = peers.get(size, {"idle": float("nan"), "growth": float("nan")})
            met = ours["due"] <= LIMITS[database] and ratio <= 1.2
            rows.append(
                (
                    f"{size:,}",
                    database,
                    ours["idle"],
                    ours["due"],
                    ours["rss"],
                    ours["growth"],
                    ratio,
                    theirs["idle"],
                    theirs["growth"],
                    met,
                )
            )
    head = ["tasks", "database", "idle tick ms", f"{DUE} due ms", "RSS MB", "grown MB", "RSS / RSS at 1k"]
    table([*head, "celery beat idle ms", "celery beat grown MB", "met"], rows)


if __name__ == "__main__":
    match os.environ.get("BENCH_KIND"):
        case "ours":
            _child(os.environ["BENCH_OF"])
        case "peer":
            _peer(int(os.environ["BENCH_OF"]))
        case _:
            main()

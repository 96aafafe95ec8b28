"""Runs a second: three pure steps, and three steps with effects, in two processes of the real worker.

All runs are queued in one transaction while the worker idles; the time is that from the first run's start to the last
one's end, as the runs' own rows have it. Two Celery workers of two processes take a no-op in the same rounds.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import psutil
from sqlalchemy import func, select

from app.domain.ids import new_id
from app.domain.runs import NewRun
from app.domain.tasks import Task
from app.queueing.broker import make_celery
from app.queueing.celery_queue import CeleryRunQueue
from app.storage.tables import runs
from bench.peer import Peer
from bench.stage import EFFECT, PURE, Stage, arguments, make_task, median, stage, store, table, until

ROUNDS = 3


class Ours:
    """The real worker, and the means to give it runs of a task."""

    def __init__(self, scene: Stage) -> None:
        self._scene = scene
        self._queue = CeleryRunQueue(make_celery(scene.valkey.url))
        self._worker = psutil.Process(scene.start("-m", "bench.hands").pid)
        self.cpu_us = 0.0

    def prepare(self, uses: str) -> Task:
        """A task of three such steps, and one run of it, so that everything has been imported."""
        task = make_task(uses)
        store(self._scene.units, [task])
        self.rate(task, 40)
        return task

    def rate(self, task: Task, count: int) -> float:
        """Runs a second."""
        now = datetime.now(UTC)
        new = [
            NewRun(
                id=new_id(),
                task_id=task.id,
                definition_id=task.definition_id,
                trigger="manual",
                scheduled_for=now,
                priority=5,
                max_attempts=1,
            )
            for _ in range(count)
        ]
        with self._scene.units() as unit:
            unit.runs.add(new, now)
        return count / self.worked_off(new[0].id, count)

    def worked_off(self, first_id: str, count: int) -> float:
        """Seconds from the first start to the last end of so many runs, the oldest of which has this id."""
        before = self.cpu()
        self._queue.ring(2)
        until(self._scene, lambda: self._ended(first_id) >= count, f"{count} runs")
        self.cpu_us = (self.cpu() - before) / count * 1e6
        mine = select(func.min(runs.c.started_at), func.max(runs.c.finished_at)).where(runs.c.id >= first_id)
        with self._scene.units(read_only=True) as unit:
            first, last = unit.tasks._connection.execute(mine).one()
        return float((last - first).total_seconds())

    def cpu(self) -> float:
        """Seconds of CPU that the worker's processes have used, and a PostgreSQL server's."""
        family = [self._worker, *self._worker.children(recursive=True), *self._scene.servers()]
        times = [one.cpu_times() for one in family]
        return float(sum(one.user + one.system for one in times))

    def _ended(self, first: str) -> int:
        time.sleep(0.15)
        query = select(func.count()).where(runs.c.id >= first, runs.c.status == "succeeded")
        with self._scene.units(read_only=True) as unit:
            return int(unit.tasks._connection.execute(query).scalar_one())


def main() -> None:
    """Print the table."""
    asked = arguments(__doc__, count={"type": int, "default": 4000, "help": "runs of pure steps in each round"})
    rows: list[tuple[object, ...]] = []
    for database in asked.database:
        with stage(database) as scene:
            rows += _measure(scene, database, asked.count)
    head = ["what", "database", "runs/s", "Celery defaults/s", "Celery fastest/s", "x defaults", "x fastest"]
    table([*head, "our CPU µs a run", "met"], rows)


def _measure(scene: Stage, database: str, count: int) -> list[tuple[object, ...]]:
    ours, defaults, fastest = Ours(scene), Peer(scene), Peer(scene, fastest=True)
    pure, effect = ours.prepare(PURE), ours.prepare(EFFECT)
    defaults.prepare(count // 4)
    fastest.prepare(count)
    turns: dict[str, Callable[[], float]] = {
        "pure": lambda: ours.rate(pure, count),
        "defaults": defaults.rate,
        "effect": lambda: ours.rate(effect, count // 8),
        "fastest": fastest.rate,
    }
    seen: dict[str, list[float]] = {name: [] for name in turns}
    cpu: dict[str, list[float]] = {name: [] for name in turns}
    for _ in range(ROUNDS):
        for name, turn in turns.items():
            seen[name].append(turn())
            cpu[name].append(ours.cpu_us)
    print(database, {name: [round(value) for value in values] for name, values in seen.items()}, flush=True)
    pure_rate, one, effect_rate, other = (median(values) for values in seen.values())
    against = (one, other)
    return [
        _row("3 pure steps", database, pure_rate, against, median(cpu["pure"]), (4.0, 1.2)),
        _row("3 effects", database, effect_rate, against, median(cpu["effect"]), (1.0, 0.0)),
    ]


def _row(what: str, database: str, rate: float, against: tuple[float, float], *more: Any) -> tuple[object, ...]:
    cpu, goals = more
    ratios = [rate / other for other in against]
    met = all(ratio >= goal for ratio, goal in zip(ratios, goals, strict=True))
    return what, database, rate, *against, *ratios, cpu, met


if __name__ == "__main__":
    main()

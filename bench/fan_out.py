"""A list of 1,000 items in the real worker of two processes: items a second, one after another and side by side.

The same work as plain steps is the measure beside it: runs of ten steps each that come to 1,000 steps. The time is that
from the first start to the last end, as the rows have it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import text

from app.domain.ids import new_id
from app.domain.runs import NewRun
from app.domain.tasks import Task
from app.queueing.broker import make_celery
from app.queueing.celery_queue import CeleryRunQueue
from bench.stage import EFFECT, PURE, Stage, arguments, make_task, median, stage, store, table, until

ITEMS = 1_000
STEPS = 10
ROUNDS = 3


def a_list(uses: str, side_by_side: int) -> list[dict[str, Any]]:
    """One step with a list."""
    each = {"id": "each", "uses": uses, "foreach": list(range(ITEMS)), "max_parallel": side_by_side}
    return [{**each, "with": {"value": "${item}"}}]


def plain(uses: str) -> list[dict[str, Any]]:
    """Steps without one."""
    return [{"id": f"s{number}", "uses": uses, "with": {"value": number}} for number in range(STEPS)]


class Worker:
    """The real worker, and the means to give it runs."""

    def __init__(self, scene: Stage) -> None:
        self._scene = scene
        self._queue = CeleryRunQueue(make_celery(scene.valkey.url))
        scene.start("-m", "bench.hands")

    def seconds(self, task: Task, count: int) -> float:
        """How long so many runs of the task take, from the first start to the last end."""
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
        self._queue.ring(2)
        until(self._scene, lambda: self._ended(task.id, new[0].id) >= count, f"{count} runs")
        with self._scene.engine.connect() as connection:
            found = connection.execute(
                text("SELECT MIN(started_at), MAX(finished_at) FROM runs WHERE task_id = :task AND id >= :first"),
                {"task": task.id, "first": new[0].id},
            ).one()
        return float(found[1] - found[0]) / 1e6

    def _ended(self, task_id: str, first: str) -> int:
        time.sleep(0.1)
        with self._scene.engine.connect().execution_options(read_only=True) as connection:
            return int(
                connection.execute(
                    text(
                        "SELECT COUNT(*) FROM runs WHERE task_id = :task AND id >= :first AND part IS NULL"
                        " AND status = 'succeeded'"
                    ),
                    {"task": task_id, "first": first},
                ).scalar_one()
            )


def _measure(scene: Stage, database: str) -> list[tuple[object, ...]]:
    worker = Worker(scene)
    rows: list[tuple[object, ...]] = []
    for uses, what in ((PURE, "pure"), (EFFECT, "effects")):
        turns: dict[str, tuple[Task, int]] = {
            "plain steps": (_task(scene, plain(uses)), ITEMS // STEPS),
            "one after another": (_task(scene, a_list(uses, 1)), 1),
            "side by side, 10": (_task(scene, a_list(uses, 10)), 1),
            "side by side, 100": (_task(scene, a_list(uses, 100)), 1),
        }
        seen: dict[str, list[float]] = {name: [] for name in turns}
        for task, count in turns.values():
            worker.seconds(task, count)
        for _ in range(ROUNDS):
            for name, (task, count) in turns.items():
                seen[name].append(worker.seconds(task, count))
        base = median(seen["plain steps"])
        rows += [(what, name, database, ITEMS / median(values), base / median(values)) for name, values in seen.items()]
    return rows


def _task(scene: Stage, pipeline: Sequence[dict[str, Any]]) -> Task:
    task = make_task(payload={"params": {}, "pipeline": list(pipeline)})
    store(scene.units, [task])
    return task


def main() -> None:
    """Print the table."""
    asked = arguments(__doc__)
    rows: list[tuple[object, ...]] = []
    for database in asked.database:
        with stage(database) as scene:
            rows += _measure(scene, database)
    table(["1,000 of", "how", "database", "items/s", "× plain steps"], rows)


if __name__ == "__main__":
    main()

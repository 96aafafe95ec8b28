"""What limits cost: runs of one pure step without any, and with each of them, in two processes of the real worker.

Each round stores the runs and waits for the last one's end, so that both what making a run costs and what working it
off costs is in it. Keys and lines are many enough that no limit makes anybody wait: it is their price that is measured.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from app.domain.ids import new_id
from app.domain.runs import NewRun
from app.domain.tasks import Task
from bench.runs import Ours
from bench.stage import PURE, Stage, arguments, make_task, median, stage, store, table

ROUNDS = 5
KEYS = 50
TASKS = 200
GOAL = 1.1
"""The price of a limit, as a multiple of a run without."""

Shape = Callable[[NewRun, int], NewRun]
SHAPES: dict[str, Shape] = {
    "none": lambda run, _: run,
    "priority": lambda run, number: replace(run, priority=1 + number % 9),
    "concurrency_key": lambda run, number: replace(run, concurrency_key=f"key-{number % KEYS}", concurrency_limit=1000),
    "queue_all": lambda run, _: replace(run, in_line=True),
    "dedupe_key": lambda run, number: replace(run, dedupe_key=f"key-{run.id}", dedupe_window_seconds=3600),
}


def _made(tasks: Sequence[Task], shape: Shape, count: int) -> list[NewRun]:
    # A few minutes old, so that no priority makes a run wait for another one's age.
    due = datetime.now(UTC) - timedelta(minutes=20)
    owners = [tasks[number % len(tasks)] for number in range(count)]
    plain = [
        NewRun(
            id=new_id(),
            task_id=task.id,
            definition_id=task.definition_id,
            trigger="manual",
            scheduled_for=due,
            priority=5,
            max_attempts=1,
        )
        for task in owners
    ]
    return [shape(run, number) for number, run in enumerate(plain)]


def _seen(scene: Stage, ours: Ours, runs: Sequence[NewRun]) -> tuple[float, float]:
    """Runs a second, from their making to the last one's end; and what making one took this process, in µs of CPU."""
    began, now, spent = time.perf_counter(), datetime.now(UTC), time.process_time()
    with scene.units() as unit:
        for run in runs:
            assert run.dedupe_key is None or unit.dedupe.accept(run, now) is None
        unit.runs.add(runs, now)
    made, spent = time.perf_counter() - began, time.process_time() - spent
    return len(runs) / (made + ours.worked_off(runs[0].id, len(runs))), spent / len(runs) * 1e6


def main() -> None:
    """Print the table."""
    asked = arguments(__doc__, count={"type": int, "default": 4000, "help": "runs in each round"})
    rows: list[tuple[object, ...]] = []
    for database in asked.database:
        with stage(database) as scene:
            rows += _measure(scene, database, asked.count)
    table(["limit", "database", "runs/s", "x a run without", "goal", "met", "making, CPU µs"], rows)


def _measure(scene: Stage, database: str, count: int) -> list[tuple[object, ...]]:
    ours = Ours(scene)
    ours.prepare(PURE)
    tasks = [make_task(PURE) for _ in range(TASKS)]
    store(scene.units, tasks)
    seen: dict[str, list[tuple[float, float]]] = {name: [] for name in SHAPES}
    for _ in range(ROUNDS):
        for name, shape in SHAPES.items():
            seen[name].append(_seen(scene, ours, _made(tasks, shape, count)))
    print(database, {name: [round(rate) for rate, _ in values] for name, values in seen.items()}, flush=True)
    medians = {name: [median(column) for column in zip(*values, strict=True)] for name, values in seen.items()}
    plain = medians["none"][0]
    priced = [(name, rate, plain / rate, making) for name, (rate, making) in medians.items()]
    return [(name, database, rate, price, GOAL, price <= GOAL, making) for name, rate, price, making in priced]


if __name__ == "__main__":
    main()

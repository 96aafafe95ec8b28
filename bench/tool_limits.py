"""What a limit that is never reached costs a run of three steps with effects: a rate, and a concurrency.

One worker in this process, without a broker, takes the same runs in turns; the ratio is the cost of the limit alone.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime

from app.domain.ids import new_id
from app.domain.runs import NewRun
from app.domain.tasks import Task
from app.domain.tool_limits import Rate, ToolLimit, ToolLimits
from app.services.tool_turns import ToolTurns
from app.storage.database import Database
from bench.stage import EFFECT, Stage, arguments, make_task, median, stage, store, table
from tests.fakes.hands import Bell, Hands

ROUNDS = 7
GOAL = 0.9
LIMITS = {
    "none": (),
    "rate": (ToolLimit(name=EFFECT, rates=(Rate(100_000, 1),)),),
    "concurrency": (ToolLimit(name=EFFECT, concurrency=10),),
}


def _worker(database: Database, limits: tuple[ToolLimit, ...]) -> Hands:
    turns = ToolTurns(units=database.units, queue=Bell(), limits=ToolLimits(limits))
    return Hands(database.ledger, {EFFECT: lambda call: call.arguments["value"]}, turns=turns)


def _queue(scene: Stage, task: Task, count: int) -> None:
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
    with scene.units() as unit:
        unit.runs.add(new, now)


def _measure(scene: Stage, name: str, count: int) -> list[tuple[object, ...]]:
    database = Database(scene.database_url, pool_size=2, sqlite_synchronous="NORMAL", lease_seconds=30)
    scene.ends.callback(database.close)
    task = make_task(EFFECT)
    store(scene.units, [task])
    workers = {limit: _worker(database, limits) for limit, limits in LIMITS.items()}
    seen: dict[str, list[float]] = {limit: [] for limit in workers}
    for _ in range(ROUNDS):
        for limit, worker in workers.items():
            _queue(scene, task, count)
            began = time.perf_counter()
            done = 0
            while done < count:
                done += worker.executor.drain()
            seen[limit].append(count / (time.perf_counter() - began))
    rates = {limit: median(values) for limit, values in seen.items()}
    return [
        (limit, name, rate, rate / rates["none"], rate / rates["none"] >= GOAL)
        for limit, rate in rates.items()
        if limit != "none"
    ] + [("none", name, rates["none"], 1.0, True)]


def main() -> None:
    """Print the table."""
    asked = arguments(__doc__, count={"type": int, "default": 300, "help": "runs in each round"})
    rows: list[tuple[object, ...]] = []
    for database in asked.database:
        with stage(database) as scene:
            rows += _measure(scene, database, asked.count)
    table(["limit", "database", "runs/s", "x without", "met"], rows)


if __name__ == "__main__":
    main()

"""How late: from the moment a task is due to the start of its first step, with the real beat and the real worker.

Trickle: one task falls due at a time; half-way between two of them a Celery worker gets one message, so that both
are measured in the same minute. Burst: a thousand tasks fall due at the same instant, alone and with 2 % of slow runs
(400 ms) among them; the slow ones do not count, the ones behind them do.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from sqlalchemy import func, select

from app.domain.tasks import Task
from app.storage.journal import unpack
from app.storage.tables import occurrences, run_journal, runs
from bench.peer import Peer
from bench.stage import PURE, SLEEP, Stage, arguments, make_task, median, quantile, stage, store, table, until

GAP = 0.3
SLOW_MS = 400
BURSTS = ((1000, 0, 250.0, 3), (300, 6, 600.0, 2), (1000, 20, 600.0, 1))
"""How many, how many slow ones among them, the goal for p99 in ms, and rounds."""


class Late:
    """Beat and worker at work, and how late the tasks of a batch began."""

    def __init__(self, scene: Stage) -> None:
        self._scene = scene
        scene.start("-m", "bench.hands")
        scene.start("bin/ordinaut", "beat")
        self.give([make_task(due=datetime.now(UTC)) for _ in range(40)])
        time.sleep(1.0)  # the second child's imports are over too

    def give(self, tasks: Sequence[Task], wait: float = 40) -> list[float]:
        """Store tasks, wait until each has run once, and say how late each first step began, in ms."""
        store(self._scene.units, tasks)
        return self.look(tasks, wait)

    def look(self, tasks: Sequence[Task], wait: float = 40) -> list[float]:
        """The same for tasks that are stored already; one that never ran would be waited for in vain."""
        ids = [task.id for task in tasks]
        until(self._scene, lambda: self._ended(ids) == len(ids), f"{len(ids)} runs", wait)
        query = (
            select(occurrences.c.task_id, occurrences.c.effective_at, run_journal.c.first, run_journal.c.records)
            .join(run_journal, run_journal.c.run_id == occurrences.c.run_id)
            .order_by(occurrences.c.task_id, run_journal.c.first)
            .where(occurrences.c.task_id >= min(ids))
        )
        late: dict[str, float] = {}
        with self._scene.engine.connect().execution_options(read_only=True) as connection:
            for task_id, due, first, text in connection.execute(query):
                steps = (record for record in unpack([(first, text)], 0) if record.kind == "step")
                for step in steps:
                    late.setdefault(task_id, _since(due, step.body["started_at"]))
        return [late[task_id] for task_id in ids]

    def _ended(self, ids: Sequence[str]) -> int:
        time.sleep(0.3)
        query = select(func.count(func.distinct(runs.c.task_id))).where(
            runs.c.task_id >= min(ids), runs.c.status == "succeeded"
        )
        with self._scene.engine.connect().execution_options(read_only=True) as connection:
            return int(connection.execute(query).scalar_one())


def _since(due: datetime, began: str) -> float:
    return (datetime.fromisoformat(began) - due).total_seconds() * 1000


def main() -> None:
    """Print the table."""
    asked = arguments(__doc__, occurrences={"type": int, "default": 70}, only={"choices": ["trickle", "burst"]})
    rows: list[tuple[object, ...]] = []
    for database in asked.database:
        with stage(database) as scene:
            late = Late(scene)
            if asked.only != "burst":
                rows += _trickle(scene, late, database, asked.occurrences)
            if asked.only != "trickle":
                rows += _bursts(late, database)
    table(["due → first step started, ms", "database", "n", "p50", "p99", "most", "peer p50", "peer p99", "met"], rows)


def _trickle(scene: Stage, late: Late, database: str, count: int) -> list[tuple[object, ...]]:
    peer = Peer(scene)
    start = datetime.now(UTC) + timedelta(seconds=2)
    # Not in step with beat's own rhythm: an irrational part of the gap.
    dues = [start + timedelta(seconds=GAP * number + 0.0618 * (number % 3)) for number in range(count)]
    tasks = [make_task(due=due) for due in dues]
    store(scene.units, tasks)
    for due in dues:
        time.sleep(max(0.0, (due - datetime.now(UTC)).total_seconds() + GAP / 2))
        peer.send()
    peer.wait(count)
    ours = late.look(tasks)
    theirs = [value * 1000 for value in peer.meter.latencies]
    good = median(ours) <= 2 * median(theirs) and quantile(ours, 0.99) <= 25
    return [("trickle", database, count, *_quantiles(ours), median(theirs), quantile(theirs, 0.99), good)]


def _bursts(late: Late, database: str) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for size, slow, limit, rounds in BURSTS:
        seen = [_burst(late, size, slow) for _ in range(rounds)]
        p50, p99, most = (median(values) for values in zip(*map(_quantiles, seen), strict=True))
        name = f"{size:,} at once, {slow} slow: the quick" if slow else f"{size:,} at once"
        # Two processes, runs in order: nobody can start earlier than half of the slow ones before it take.
        floor = f"floor {slow / 2 * SLOW_MS * 0.99:.0f}" if slow else ""
        rounds_p99 = "/".join(f"{quantile(one, 0.99):.0f}" for one in seen)
        rows.append(
            (f"{name} (p99 of each round {rounds_p99})", database, size, p50, p99, most, "", floor, p99 <= limit)
        )
    return rows


def _burst(late: Late, size: int, slow: int) -> list[float]:
    """The lateness of the quick ones; the slow ones lie evenly among them."""
    every = size // slow if slow else size + 1
    due = datetime.now(UTC) + timedelta(seconds=2.5)
    tasks = [make_task(SLEEP if number % every == every - 1 else PURE, 1, due) for number in range(size)]
    found = late.give(tasks)
    return [value for number, value in enumerate(found) if number % every != every - 1]


def _quantiles(values: Sequence[float]) -> tuple[float, float, float]:
    return median(values), quantile(values, 0.99), max(values)


if __name__ == "__main__":
    main()

"""What 10,000 waiting runs cost: beat's look at them, a published event, a settled run; with them and without.

Everything in this process, with the services that beat, web and workers use; the runs sleep till tomorrow, wait for an
event that does not come, or for a child. Both sides are measured in turns.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from sqlalchemy import text

from app.domain.clock import SystemClock
from app.queueing.silent import SilentRunQueue
from app.services.events import EventService
from app.services.lifecycle import Herald
from app.services.publishing import Publisher, Triggers
from app.services.scheduling import SchedulingService
from app.services.waking import Waker
from bench.stage import Stage, arguments, make_task, median, stage, store, table

WAITING = 10_000
ROUNDS = 200


def _fill(scene: Stage) -> None:
    """A third sleeps, a third waits for an event on a topic of its own kind, a third for a child."""
    task = make_task()
    store(scene.units, [task])
    numbers = (
        "(WITH RECURSIVE n(number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM n"
        f" WHERE number < {WAITING}) SELECT number FROM n)"
    )
    far = int((time.time() + 86_400) * 1e6)
    runs = (
        "INSERT INTO runs (id, task_id, definition_id, trigger, status, scheduled_for, available_at, priority, rank,"
        " attempt, max_attempts, fence, created_at, active_us, claimed_length, losses, journal_length)"
        f" SELECT 'r-' || number, '{task.id}', '{task.definition_id}', 'manual', 'waiting', 1, 1, 5, 1, 0, 1, 1, 1, 0,"
        f" 0, 0, 0 FROM {numbers} AS numbers"
    )
    waits = (
        "INSERT INTO waits (id, run_id, step_id, attempt, kind, created_at, due_at, topic, head, child_run_id)"
        " SELECT 'w-' || number, 'r-' || number, 's', 1,"
        " CASE number % 3 WHEN 0 THEN 'sleep' WHEN 1 THEN 'event' ELSE 'child' END, 1,"
        f" CASE number % 3 WHEN 0 THEN {far} + number END,"
        " CASE number % 3 WHEN 1 THEN 'waited.for.' || number END,"
        " CASE number % 3 WHEN 1 THEN 'waited.for.' || number END,"
        f" CASE number % 3 WHEN 2 THEN 'r-' || (number - 1) END FROM {numbers} AS numbers"
    )
    with scene.engine.begin() as connection:
        connection.execute(text(runs))
        connection.execute(text(waits))
    with scene.engine.connect().execution_options(isolation_level="AUTOCOMMIT", read_only=True) as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("ANALYZE"))


def _milliseconds(work: Callable[[], object]) -> float:
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        work()
        times.append((time.perf_counter() - began) * 1000)
    return median(times)


def _works(scene: Stage) -> dict[str, Callable[[], object]]:
    units, clock, queue = scene.units, SystemClock(), SilentRunQueue()
    publisher = Publisher(Triggers())
    herald = Herald(publisher=publisher, clock=clock, queue=queue)
    scheduling = SchedulingService(units=units, queue=queue, clock=clock, herald=herald)
    waker = Waker(units=units, queue=queue, clock=clock, herald=herald)
    events = EventService(
        units=units,
        clock=clock,
        queue=queue,
        publisher=publisher,
        herald=herald,
        published=lambda: None,
        listen=_nobody,
    )
    return {
        "beat: an idle tick": lambda: (scheduling.tick(), waker.look()),
        "beat: looking for lost children": waker._end_lost,
        "an event published that nobody waits for": lambda: events.publish("other.topic", {}, source="bench"),
    }


def _nobody(*_: Any, **__: Any) -> Any:
    raise AssertionError


def main() -> None:
    """Print the table."""
    asked = arguments(__doc__)
    rows: list[tuple[object, ...]] = []
    for database in asked.database:
        with stage(database) as empty, stage(database) as full:
            _fill(full)
            for (what, without), with_them in zip(_works(empty).items(), _works(full).values(), strict=True):
                pair = [(_milliseconds(without), _milliseconds(with_them)) for _ in range(3)]
                rows.append((what, database, median([one for one, _ in pair]), median([one for _, one in pair])))
    table(["what, ms", "database", "without", f"with {WAITING:,} waiting"], rows)


if __name__ == "__main__":
    main()

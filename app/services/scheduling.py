"""Beat's work: turn due occurrences into runs, once each, and say how long to sleep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial

from app.domain.clock import Clock
from app.domain.dedupe import deduped_reason
from app.domain.errors import Unavailable
from app.domain.ids import new_id
from app.domain.next_run import aimed_at
from app.domain.occurrences import Verdict, judge
from app.domain.ports import RunQueue, UnitOfWork, UnitsOfWork
from app.domain.run_limits import MOST_UNENDED, taken
from app.domain.runs import NewRun
from app.domain.tasks import OccurrenceRecord, Task
from app.services.lifecycle import Herald, task_facts
from app.telemetry import emit

BATCH = 200
"""Tasks in one transaction."""
MOST = 1000
"""Occurrences after which a transaction takes no further task."""
LONGEST_SLEEP = 0.2
"""Seconds; a task created meanwhile is at most this late."""
RINGS = 4
"""Doorbells after a tick: a worker that finds more than it takes wakes the next one."""


class SchedulingService:
    """Any number may tick at once: due rows are locked, and an occurrence has one row in the store."""

    def __init__(self, *, units: UnitsOfWork, queue: RunQueue, clock: Clock, herald: Herald | None = None) -> None:
        self._herald = herald or Herald.silent(clock, queue)
        self._units = units
        self._queue = queue
        self._clock = clock
        self._foreseen: datetime | None = None
        """When the last look found that something would be due."""

    def tick(self) -> float:
        """Fire what is due; the seconds until there may be more.

        Raises:
            Unavailable: the database does not answer; nothing was fired, and nothing is lost.
        """
        now = self._clock.now()
        if self._foreseen is not None and self._foreseen <= now:
            self._foreseen = None  # slept until just then: another look would only make it late
            return self._fire(now)
        with self._units(read_only=True) as unit:
            next_due, next_run = unit.tasks.next_due_at(), unit.runs.next_available_at()
        if next_run is not None and next_run <= now:
            # A retry has come due, or a doorbell was lost. Workers find such runs by themselves, only later.
            self._queue.ring()
        if next_due is not None and next_due <= now:
            return self._fire(now)
        self._foreseen = next_due
        return _sleep(now, next_due, next_run)

    def _fire(self, now: datetime) -> float:
        """One bounded batch of due tasks, in one transaction."""
        with self._units() as unit:
            telling = self._herald.opened(unit, "task.completed")
            entrance = _Entrance(unit, now)
            verdicts = self._judged(unit, now, entrance)
            tasks = {verdict.task.id: verdict.task for verdict in verdicts}
            # An edited schedule may come upon a moment that has its row already: that one has been dealt with.
            records = unit.tasks.add_occurrences([record for verdict in verdicts for record in verdict.records])
            runs = entrance.runs(records)
            unit.runs.add(runs, now)
            unit.tasks.advance(list(tasks.values()))
            for task in tasks.values():
                if task.status == "completed":
                    telling.tell("task.completed", task_facts(task))
        if runs:
            self._queue.ring(min(len(runs), RINGS))
        for record in records:
            emit("occurrence.decided", record=record, at=now)
        return 0.0

    def _judged(self, unit: UnitOfWork, now: datetime, entrance: _Entrance) -> list[Verdict]:
        due = unit.tasks.due(now, BATCH)
        busy = unit.runs.busy_tasks([task.id for task in due if task.overlap in MOST_UNENDED])
        verdicts: list[Verdict] = []
        handled = 0
        for task in due:
            if handled >= MOST:
                break  # the others stay due, and the next tick comes at once
            try:
                enter = partial(entrance.enter, task)
                verdicts.append(judge(task, now, busy=busy.get(task.id, 0), enter=enter))
            except Unavailable:
                raise
            except Exception as error:  # noqa: BLE001 - such as a zone that has left the database: the others go on
                emit("task.unreadable", task_id=task.id, error=error)
                verdicts.append(Verdict(replace(aimed_at(task, None), status="paused"), ()))
            handled += len(verdicts[-1].records)
        return verdicts


class _Entrance:
    """Makes the runs of occurrences that nothing else keeps from firing, as far as limits allow."""

    def __init__(self, unit: UnitOfWork, now: datetime) -> None:
        self._unit = unit
        self._now = now
        self._made: dict[str, NewRun] = {}

    def enter(self, task: Task, record: OccurrenceRecord) -> OccurrenceRecord:
        """The occurrence with its run, or with the reason why it has none."""
        run = taken(_new_run(task, record), task)
        if not isinstance(run, NewRun):
            return replace(record, outcome="dropped_limit", reason=run)
        earlier = self._unit.dedupe.accept(run, self._now)
        if earlier is not None:
            reason = deduped_reason(run.dedupe_window_seconds)
            return replace(record, outcome="deduped", reason=reason, run_id=earlier)
        self._made[run.id] = run
        return replace(record, run_id=run.id)

    def runs(self, records: Sequence[OccurrenceRecord]) -> list[NewRun]:
        """Those of them whose occurrences are these; the others give their keys back."""
        kept = [self._made.pop(record.run_id) for record in records if record.run_id in self._made]
        for run in self._made.values():
            if run.dedupe_key is not None:
                self._unit.dedupe.release(run.task_id, run.id)
        return kept


def _new_run(task: Task, record: OccurrenceRecord) -> NewRun:
    return NewRun(
        id=new_id(),
        task_id=task.id,
        definition_id=task.definition_id,
        trigger="schedule",
        nominal_at=record.nominal_at,
        scheduled_for=record.effective_at,
        priority=task.priority,
        max_attempts=task.max_retries + 1,
        depth=task.depth,
    )


def _sleep(now: datetime, *moments: datetime | None) -> float:
    waits = [(moment - now).total_seconds() for moment in moments if moment is not None and moment > now]
    return max(0.0, min([LONGEST_SLEEP, *waits]))

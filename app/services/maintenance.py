"""Housekeeping beside the schedule: dead workers' runs, and history past its age."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta

from app.domain.clock import Clock
from app.domain.execution import RunLedger
from app.domain.ports import RunQueue, UnitsOfWork
from app.telemetry import emit

SWEEP_SECONDS = 1.0
PURGE_SECONDS = 60.0
PURGE_BATCH = 500
PURGE_PAUSE_SECONDS = 0.5
"""Between two batches while there is more to delete, so that work goes on beside it."""


class Housekeeper:
    """Does each chore when its time has come, sooner when it left something; cheap to ask at every tick."""

    def __init__(
        self, *, ledger: RunLedger, units: UnitsOfWork, queue: RunQueue, clock: Clock, retention_days: int
    ) -> None:
        self._ledger = ledger
        self._units = units
        self._queue = queue
        self._clock = clock
        self._retention = timedelta(days=retention_days)
        self._due: dict[str, float] = {}

    def look(self) -> None:
        """Do what has come due."""
        self._every("sweep", SWEEP_SECONDS, self.sweep)
        self._every("purge", PURGE_SECONDS, self.purge)

    def _every(self, name: str, seconds: float, chore: Callable[[], bool]) -> None:
        now = time.monotonic()
        if now >= self._due.get(name, 0.0):
            self._due[name] = now + seconds
            if chore():
                self._due[name] = now + PURGE_PAUSE_SECONDS

    def sweep(self) -> bool:
        """Queue again, or fail, the runs whose lease has run out."""
        rescued = self._ledger.rescue()
        if rescued:
            emit("run.rescued", runs=rescued)
            self._queue.ring(rescued)
        return False

    def purge(self) -> bool:
        """Delete a batch of runs that ended before the retention; whether there may be more. Occurrences stay."""
        with self._units() as unit:
            purged = unit.runs.purge(self._clock.now() - self._retention, PURGE_BATCH)
        if purged:
            emit("run.purged", runs=purged)
        return purged == PURGE_BATCH


class TaskPauser:
    """Pauses a task whose last runs have all failed."""

    def __init__(self, *, units: UnitsOfWork, pause: Callable[[str, str], None]) -> None:
        self._units = units
        self._pause = pause

    def failed(self, task_id: str, limit: int) -> None:
        """A run of the task has failed; `limit` failures in a row pause it."""
        with self._units(read_only=True) as unit:
            outcomes = unit.runs.last_outcomes(task_id, limit)
        if outcomes == ["failed"] * limit:
            self._pause(task_id, f"Its last {limit} runs failed")

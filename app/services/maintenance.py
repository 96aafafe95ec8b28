"""Housekeeping beside the schedule: dead workers' runs, and history past its age."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta

from app.domain.budgets import KEPT as COUNTS_KEPT
from app.domain.budgets import BudgetUnits
from app.domain.clock import Clock, to_micros
from app.domain.errors import NotFound
from app.domain.events import position_at
from app.domain.execution import RunLedger
from app.domain.idempotency import KEPT
from app.domain.ports import RunQueue, UnitsOfWork
from app.domain.texts import tn
from app.services.relay import Relay
from app.telemetry import emit

SWEEP_SECONDS = 1.0
PURGE_SECONDS = 60.0
PURGE_BATCH = 500
FORGET_AFTER = timedelta(days=1)
"""How long sessions, revocations and tickets that have run out are kept."""
PURGE_PAUSE_SECONDS = 0.5
"""Between two batches while there is more to delete, so that work goes on beside it."""


class Housekeeper:
    """Does each chore when its time has come, sooner when it left something; cheap to ask at every tick."""

    def __init__(
        self,
        *,
        ledger: RunLedger,
        units: BudgetUnits,
        queue: RunQueue,
        clock: Clock,
        retention_days: int,
        events: EventUpkeep | None = None,
    ) -> None:
        self._ledger = ledger
        self._units = units
        self._queue = queue
        self._clock = clock
        self._retention = timedelta(days=retention_days)
        self._events = events
        self._due: dict[str, float] = {}

    def look(self) -> None:
        """Do what has come due."""
        self._every("sweep", SWEEP_SECONDS, self.sweep)
        self._every("purge", PURGE_SECONDS, self.purge)
        if self._events is not None:
            self._every("relay", SWEEP_SECONDS, self._events.carry)
            self._every("trim", PURGE_SECONDS, self._events.trim)

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
        """Delete a batch of runs that ended before the retention; whether there may be more. Occurrences stay.

        What has run out is forgotten with them: tokens, keys, calls that count against no limit or
        budget any more.
        """
        with self._units() as unit:
            now = self._clock.now()
            purged = unit.runs.purge(now - self._retention, PURGE_BATCH)
            unit.agents.forget(now - FORGET_AFTER)
            unit.tool_turns.tidy()
            unit.budgets.tidy(now - COUNTS_KEPT)
            forgotten = unit.dedupe.purge(now, PURGE_BATCH)
            old_keys = unit.keys.purge(now - KEPT, PURGE_BATCH)
        if purged:
            emit("run.purged", runs=purged)
        return PURGE_BATCH in (purged, forgotten, old_keys)


class EventUpkeep:
    """What beat does for events: see that they reach Redis, and delete the old ones."""

    def __init__(self, *, units: UnitsOfWork, clock: Clock, retention_days: int, relay: Relay | None = None) -> None:
        self._units = units
        self._clock = clock
        self._retention = timedelta(days=retention_days)
        self._relay = relay

    def carry(self) -> bool:
        """Have carried on what whoever published it could not; nothing is ever left to do at once."""
        return self._relay is not None and self._relay.look()

    def trim(self) -> bool:
        """Delete a batch of events past the retention; whether there may be more."""
        border = position_at(to_micros(self._clock.now() - self._retention))
        with self._units() as unit:
            trimmed = unit.events.trim(border, PURGE_BATCH)
        if trimmed:
            emit("event.trimmed", events=trimmed)
        return trimmed == PURGE_BATCH


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
            self._pause(task_id, tn("Its last run failed", "Its last {count} runs failed", limit))

    def lost(self, task_id: str) -> None:
        """A run of the task has failed because its workers died: nobody who knew its limit is left to count."""
        with self._units(read_only=True) as unit:
            try:
                limit = unit.tasks.get(task_id).pause_after_failures
            except NotFound:
                return
        if limit is not None:
            self.failed(task_id, limit)

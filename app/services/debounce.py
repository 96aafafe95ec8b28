"""Beat's part in bursts of events: once they have stopped, the task runs for the last of them."""

from __future__ import annotations

from datetime import datetime

from app.domain.clock import Clock
from app.domain.ports import RunQueue, UnitOfWork, UnitsOfWork
from app.domain.tasks import BY_EVENT, OccurrenceRecord
from app.domain.texts import t
from app.services.publishing import Starting
from ordinaut import Event

BATCH = 100
"""Bursts that end in one transaction."""
LONGEST_SLEEP = 0.2
"""Seconds; a burst that began meanwhile ends at most this late."""
RINGS = 4


class Debouncer:
    """Any number may be at work: a burst is taken once."""

    def __init__(self, *, units: UnitsOfWork, queue: RunQueue, clock: Clock) -> None:
        self._units = units
        self._queue = queue
        self._clock = clock

    def look(self) -> float:
        """End the bursts that are over; the seconds until there may be more."""
        now = self._clock.now()
        with self._units(read_only=True) as unit:
            next_at = unit.debounces.next_at()
        if next_at is None:
            return LONGEST_SLEEP
        if next_at > now:
            return min(LONGEST_SLEEP, (next_at - now).total_seconds())
        with self._units() as unit:
            started = _end(unit, now)
        if started:
            self._queue.ring(min(started, RINGS))
        return 0.0


def _end(unit: UnitOfWork, now: datetime) -> int:
    """End a batch; how many runs that started."""
    ids = unit.debounces.due(now, BATCH)
    # The tasks first, as whoever publishes does, so that the two never wait for each other.
    starting = Starting(unit.events, now, set(ids))
    started = 0
    for task_id in sorted(ids):
        event = unit.debounces.take(task_id, now)
        if event is None:
            continue
        task = starting.tasks.get(task_id)
        if task is None or task.schedule_kind not in BY_EVENT:
            unit.tasks.add_occurrences([_missed(task_id, event)])
            continue
        started += len(starting.by(event, [task_id], quiet=True).triggered)
    starting.write()
    return started


def _missed(task_id: str, event: Event) -> OccurrenceRecord:
    reason = t("The task was no longer active when the events had stopped")
    at = event.published_at
    return OccurrenceRecord(task_id=task_id, nominal_at=at, effective_at=at, outcome="skipped_snooze", reason=reason)

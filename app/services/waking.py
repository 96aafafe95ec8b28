"""Beat's part in waiting: ends what is due, and mends what a crash between two transactions left behind."""

from __future__ import annotations

import time
from datetime import datetime

from app.domain.approvals import ApprovalUnit, ApprovalUnits
from app.domain.clock import Clock, to_micros
from app.domain.ports import RunQueue
from app.domain.waits import OpenWait, Resolution
from app.services.approvals import expire
from app.services.lifecycle import Herald, Telling
from app.services.run_ends import cancel_run

BATCH = 200
"""Waits ended in one transaction."""
TIDY_SECONDS = 1.0
LOST_SECONDS = 10.0
RINGS = 4
LONGEST_SLEEP = 0.2
"""Seconds; a wait stored meanwhile is at most this late."""


class Waker:
    """Any number may be at work: waits are locked, and end once."""

    def __init__(self, *, units: ApprovalUnits, queue: RunQueue, clock: Clock, herald: Herald) -> None:
        self._units = units
        self._queue = queue
        self._clock = clock
        self._herald = herald
        self._tidied_at = float("-inf")
        self._searched_at = float("-inf")

    def look(self) -> float:
        """End a batch of waits that are due; the seconds until there may be more."""
        with self._units(read_only=True) as unit:
            due_at = unit.waits.next_due_at()
        if due_at is None:
            return LONGEST_SLEEP
        left = (due_at - to_micros(self._clock.now())) / 1_000_000
        if left > 0:
            return min(left, LONGEST_SLEEP)
        self._wake()
        return 0.0

    def _wake(self) -> None:
        with self._units() as unit:
            telling = self._herald.opened(unit, "approval.expired")
            woken = sum(_end(unit, wait, telling) for wait in unit.waits.due(BATCH))
        if woken:
            self._queue.ring(min(woken, RINGS))

    def tidy(self) -> None:
        """Stop children for which nobody waits any more; now and then look for waits whose child has ended unseen."""
        now = time.monotonic()
        if now - self._tidied_at >= TIDY_SECONDS:
            self._tidied_at = now
            self._stop_orphans()
        if now - self._searched_at >= LOST_SECONDS:
            self._searched_at = now
            self._end_lost()

    def _stop_orphans(self) -> None:
        with self._units(read_only=True) as unit:
            orphans = unit.waits.orphans(BATCH)
        for run_id in orphans:
            self._stop(run_id, self._clock.now())

    def _stop(self, run_id: str, now: datetime) -> None:
        with self._units() as unit:
            telling = self._herald.opened(unit, "run.canceled")
            cancel_run(unit, unit.runs.get(run_id), now, telling)

    def _end_lost(self) -> None:
        with self._units(read_only=True) as unit:
            lost = unit.waits.lost(BATCH)
        for wait_id, resolution in lost:
            with self._units() as unit:
                unit.waits.resolve(wait_id, resolution)


def _end(unit: ApprovalUnit, wait: OpenWait, telling: Telling) -> bool:
    if wait.kind == "approval":
        expire(unit, wait, telling)
    if wait.kind == "child":
        unit.waits.let_go(wait)
    return unit.waits.resolve(wait.id, wait.then or Resolution())

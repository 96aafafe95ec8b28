"""Beat's part in limits: runs whose time in line has come, runs that are to be cancelled, lines that stand still."""

from __future__ import annotations

import time
from datetime import datetime

from app.domain.clock import Clock, to_micros
from app.domain.errors import NotFound
from app.domain.gates import GateUnits
from app.services.lifecycle import Herald
from app.services.run_ends import cancel_run

SWEEP_SECONDS = 1.0
"""How often every line is looked at."""
LONGEST_SLEEP = 0.2
"""Seconds; a run that is to be cancelled meanwhile waits this long."""


class Gatekeeper:
    """Any number may be at work: what one does the others find done."""

    def __init__(self, *, units: GateUnits, clock: Clock, herald: Herald) -> None:
        self._units = units
        self._clock = clock
        self._herald = herald
        self._swept_at = float("-inf")

    def look(self) -> float:
        """Do what has come due; the seconds until there may be more."""
        now = self._clock.now()
        with self._units(read_only=True) as unit:
            later, stopping = unit.gates.next_later_at(), unit.gates.stopping()
        for run_id in stopping:
            self._stop(run_id, now)
        if later is not None and later <= to_micros(now):
            with self._units() as unit:
                unit.gates.come_due()
            return 0.0
        self._sweep()
        return LONGEST_SLEEP if later is None else min(LONGEST_SLEEP, (later - to_micros(now)) / 1_000_000)

    def _stop(self, run_id: str, now: datetime) -> None:
        with self._units() as unit:
            telling = self._herald.opened(unit, "run.canceled")
            try:
                cancel_run(unit, unit.runs.get(run_id), now, telling)
            except NotFound:
                return  # its task has been deleted meanwhile

    def _sweep(self) -> None:
        """Let lines go on that nobody has moved: see `stalled`."""
        if time.monotonic() - self._swept_at < SWEEP_SECONDS:
            return
        self._swept_at = time.monotonic()
        with self._units(read_only=True) as unit:
            tasks, keys = unit.gates.stalled()
        if tasks or keys:
            with self._units() as unit:
                for task_id in tasks:
                    unit.gates.touched(task_id, None)
                for key in keys:
                    unit.gates.touched(None, key)

"""What beat does for webhooks: forget what need not be known any longer."""

from __future__ import annotations

import time

from app.domain.clock import Clock
from app.domain.hooks import REMEMBERED, HookUnits

PURGE_SECONDS = 60.0
PURGE_BATCH = 500


class WebhookUpkeep:
    """Cheap to ask at every tick."""

    def __init__(self, *, units: HookUnits, clock: Clock) -> None:
        self._units = units
        self._clock = clock
        self._due = 0.0

    def look(self) -> None:
        """Do it when its time has come, sooner when it left something."""
        if time.monotonic() >= self._due:
            self._due = time.monotonic() + (0.0 if self.purge() else PURGE_SECONDS)

    def purge(self) -> bool:
        """Forget a batch of deliveries; whether there may be more."""
        with self._units() as unit:
            return unit.hooks.forget(self._clock.now() - REMEMBERED, PURGE_BATCH) >= PURGE_BATCH

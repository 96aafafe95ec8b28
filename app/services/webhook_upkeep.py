"""What beat does for webhooks: forget what need not be known any longer."""

from __future__ import annotations

import time
from datetime import timedelta

from app.domain.clock import Clock
from app.domain.hooks import REMEMBERED
from app.domain.webhooks import WebhookUnits

PURGE_SECONDS = 60.0
PURGE_BATCH = 500


class WebhookUpkeep:
    """Cheap to ask at every tick.

    Args:
        retention_days: How long deliveries that have ended are kept.
    """

    def __init__(self, *, units: WebhookUnits, clock: Clock, retention_days: int) -> None:
        self._retention = timedelta(days=retention_days)
        self._units = units
        self._clock = clock
        self._due = 0.0

    def look(self) -> None:
        """Do it when its time has come, sooner when it left something."""
        if time.monotonic() >= self._due:
            self._due = time.monotonic() + (0.0 if self.purge() else PURGE_SECONDS)

    def purge(self) -> bool:
        """Forget a batch of deliveries; whether there may be more."""
        now = self._clock.now()
        with self._units() as unit:
            forgotten = unit.hooks.forget(now - REMEMBERED, PURGE_BATCH)
            purged = unit.webhooks.purge(now - self._retention, PURGE_BATCH)
        return max(forgotten, purged) >= PURGE_BATCH

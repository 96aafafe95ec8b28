"""What becomes of webhooks, heard from telemetry."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.domain.metrics import WEBHOOK_DELIVERIES, WEBHOOK_DURATION
from app.services.meters import Meters


class WebhookMeters:
    """A subscriber of `app.telemetry`."""

    def __init__(self, meters: Meters) -> None:
        self._deliveries = meters.counter(WEBHOOK_DELIVERIES)
        self._duration = meters.histogram(WEBHOOK_DURATION)

    def hear(self, event: str, facts: Mapping[str, Any]) -> None:
        """Count what concerns webhooks."""
        if event == "webhook.sent":
            self._deliveries.labels(facts["outcome"]).inc()
            self._duration.observe(facts["seconds"])
        elif event == "webhook.disabled" and facts["given_up"]:
            # What still waited for an address that is given up is not tried any more.
            self._deliveries.labels("failed").inc(facts["given_up"])

"""Celery beat with our scheduler: every tick asks the database, so any number of beats may run."""

from __future__ import annotations

from typing import Any

from celery.beat import Scheduler

from app.domain.errors import Unavailable
from app.telemetry import emit
from workers.mcp_watch import McpWatcher
from workers.webhook_senders import WebhookSenders

PAUSE_SECONDS = 1.0


class TickScheduler(Scheduler):
    """Celery's beat calls `tick` and sleeps as long as it says."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._beat: Any = None
        self._senders: WebhookSenders | None = None
        self._watcher: McpWatcher | None = None
        super().__init__(*args, **kwargs)

    def tick(self, *_: Any, **__: Any) -> float:
        """Fire what is due, keep the house; seconds to sleep."""
        if self._beat is None:
            self._beat = self.app.conf.ordinaut.beat()
            self._start_senders()
            self._start_watcher()
        try:
            return float(self._beat())
        except Unavailable as error:
            emit("beat.waiting", error=error)
            return PAUSE_SECONDS
        except Exception as error:  # noqa: BLE001 - one bad row must not stop every schedule
            emit("beat.failed", error=error)
            return PAUSE_SECONDS

    def setup_schedule(self) -> None:
        """There are no static entries: everything to be fired is a row."""

    def close(self) -> None:
        """Let the senders come to an end; there is nothing to write down."""
        for helper in (self._senders, self._watcher):
            if helper is not None:
                helper.stop()

    def _start_senders(self) -> None:
        parts = self.app.conf.ordinaut
        self._senders = WebhookSenders(parts.webhook_sending(), poll=parts.poll_seconds)
        self._senders.start()

    def _start_watcher(self) -> None:
        self._watcher = McpWatcher(self.app.conf.ordinaut.mcp_watch())
        self._watcher.start()

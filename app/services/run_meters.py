"""What becomes of runs, heard from telemetry."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any

from app.domain.clock import SECOND
from app.domain.execution import Settlement
from app.domain.metrics import QUEUE_WAIT, RUN_DURATION, SCHEDULE_LAG, TASK_EXECUTIONS
from app.domain.tasks import OccurrenceRecord
from app.services.meters import Meters

WORDS: Mapping[str, str] = MappingProxyType({"succeeded": "success", "failed": "failed", "canceled": "canceled"})
"""How a run ended -> what `task_executions_total` calls it."""


class RunMeters:
    """A subscriber of `app.telemetry`; on the hot path, so every meter is looked up once."""

    def __init__(self, meters: Meters) -> None:
        executions, durations = meters.counter(TASK_EXECUTIONS), meters.histogram(RUN_DURATION)
        self._ended = {status: (executions.labels(word), durations.labels(word)) for status, word in WORDS.items()}
        self._wait = meters.histogram(QUEUE_WAIT)
        self._lag = meters.histogram(SCHEDULE_LAG)

    def hear(self, event: str, facts: Mapping[str, Any]) -> None:
        """Count what concerns runs."""
        if event == "run.settled":
            self._settled(facts["settlement"])
        elif event == "occurrence.decided":
            self._decided(facts["record"], facts["at"])
        elif event == "run.ended":
            # Out of the queue, or with the death of its worker: nobody knows how long it was worked on.
            self._ended[facts["status"]][0].inc()

    def _settled(self, settlement: Settlement) -> None:
        run = settlement.run
        if run.part is not None:
            return
        if settlement.lines and run.journal_length == 0 and run.attempt == 1:
            # The last line is as old as the settlement; the clocks of two machines may differ a little.
            began = settlement.lines[-1][0] - settlement.active_us
            self._wait.observe(max(0, began - run.scheduled_for) / SECOND)
        ended = self._ended.get(settlement.status)
        if ended is not None:
            executions, durations = ended
            executions.inc()
            durations.observe((run.active_us + settlement.active_us) / SECOND)

    def _decided(self, record: OccurrenceRecord, at: datetime) -> None:
        if record.outcome == "fired":
            self._lag.observe(max(0.0, (at - record.effective_at).total_seconds()))

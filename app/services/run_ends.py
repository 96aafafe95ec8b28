"""Ending a run from outside of its worker."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from app.domain.events import run_depth
from app.domain.ports import UnitOfWork
from app.domain.runs import ENDED, Run
from app.services.lifecycle import Telling, run_facts
from app.telemetry import emit


def cancel_run(unit: UnitOfWork, run: Run, now: datetime, telling: Telling) -> Literal["canceled", "running"] | None:
    """End a run that no worker holds (`canceled`), or ask the worker that holds it (`running`); None: it has ended.

    What it waited for is forgotten; its children follow within a second or so, see `app.services.waking`.
    """
    # Twice, since a worker may give the run back between the two questions.
    for _ in range(2 if run.status not in ENDED else 0):
        unit.waits.drop(run.id)
        if unit.runs.cancel_queued(run.id, now):
            unit.waits.ended_unseen(run.id, "canceled", None)
            if run.part is None:
                telling.tell("run.canceled", run_facts(run, "canceled"), depth=run_depth(run.event, run.depth))
                unit.after_commit(lambda: emit("run.ended", run_id=run.id, status="canceled"))
            return "canceled"
        if unit.runs.request_cancel(run.id, now):
            return "running"
    return None

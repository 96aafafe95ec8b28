"""A call of which nobody knows how it ended: its worker died in it, or was stopped."""

from __future__ import annotations

from app.domain.pipelines.model import Step
from app.domain.pipelines.outcome import Failed
from app.domain.runs import RunError
from app.domain.texts import t


def outcome_unknown(step: Step) -> Failed:
    """The step's failure where the call is not made again; whether it took effect, somebody has to find out."""
    message = t("The worker was lost while it called {tool}: nobody knows whether that took effect", tool=step.uses)
    return Failed(RunError(type="outcome_unknown", message=message, step_id=step.id), retryable=False)

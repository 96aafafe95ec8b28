"""A call of which nobody knows how it ended: its worker died in it, or was stopped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from app.domain.pipelines.model import OnUnknown, Step
from app.domain.pipelines.outcome import Failed
from app.domain.runs import RunError
from app.domain.texts import t
from app.domain.waits import Resolution
from ordinaut import Tool

Word = Literal["retry", "succeeded", "skipped", "failed"]
"""What somebody may answer: call again, or what the call came to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What somebody found out about a call.

    Attributes:
        output: For `succeeded`: what later steps see.
        by, note: Who says so, and why.
    """

    word: Word
    output: Any
    by: str
    note: str

    def as_resolution(self) -> Resolution:
        """How the wait for it ends."""
        return Resolution(output={"word": self.word, "output": self.output, "by": self.by, "note": self.note})

    @classmethod
    def of(cls, resolution: Resolution) -> Answer:
        """The same, read back."""
        body: Mapping[str, Any] = resolution.output
        return cls(word=body["word"], output=body["output"], by=body["by"], note=body["note"])

    @property
    def mark(self) -> dict[str, str]:
        """For the record of the step's end."""
        return {"by": self.by, "note": self.note}

    def meant(self, step: Step) -> Resolution | None:
        """What the step came to; None where it is to be called again."""
        if self.word == "retry":
            return None
        if self.word == "failed":
            error = outcome_unknown(step).error
            return Resolution(error=RunError(type=error.type, message=error.message, details=self.mark))
        return Resolution(output=self.output if self.word == "succeeded" else None)


def decide(step: Step, tool: Tool, *, alone: bool) -> OnUnknown:
    """What the step says, else what suits the tool.

    Every call carries an `Idempotency-Key` that stays the same, so it is made again, unless it may undo or end
    something that cannot be had back and the tool does not promise that once more does nothing more.

    Args:
        alone: Whether the run is one of its own. A part of another has nobody to ask, and fails instead.
    """
    harmless = tool.pure or tool.read_only or tool.idempotent
    wanted = step.on_unknown or ("ask" if tool.destructive and not harmless else "retry")
    return "fail" if wanted == "ask" and not alone else wanted


def outcome_unknown(step: Step) -> Failed:
    """The step's failure where the call is not made again; whether it took effect, somebody has to find out."""
    message = t("The worker was lost while it called {tool}: nobody knows whether that took effect", tool=step.uses)
    return Failed(RunError(type="outcome_unknown", message=message, step_id=step.id), retryable=False)

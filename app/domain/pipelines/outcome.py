"""What an attempt at a step came to, and what follows for its run: values, decided in one place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from app.domain.pipelines.model import Step
from app.domain.pipelines.plan import Plan
from app.domain.pipelines.retry import backoff_delay, may_retry
from app.domain.runs import RunError
from app.domain.texts import t
from app.domain.waits import Errand, Wait


@dataclass(frozen=True, slots=True)
class Succeeded:
    """The tool answered."""

    output: Any


@dataclass(frozen=True, slots=True)
class Skipped:
    """The step's condition did not hold."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The step could not be done.

    Attributes:
        retryable: False when the same input cannot end differently.
        retry_after: Seconds the other side asked us to wait, if it did.
    """

    error: RunError
    retryable: bool = True
    retry_after: float = 0.0


@dataclass(frozen=True, slots=True)
class Waits:
    """The answer will come later, and the run waits for it without a worker; see `app.domain.waits.Parked`."""

    wait: Wait
    again: Mapping[str, Any] | None = None
    errand: Errand | None = None

    @property
    def kept(self) -> dict[str, Any]:
        """What its record says more, where the tool is called again: what it wants back, and whether it follows."""
        return {} if self.again is None else {"again": self.again, "follows": self.errand is not None}


Outcome = Succeeded | Skipped | Failed | Waits


@dataclass(frozen=True, slots=True)
class GoOn:
    """The step's failure becomes its output, and the run goes on."""


@dataclass(frozen=True, slots=True)
class TryStepAgain:
    """The run waits in the queue, then tries the same step; this costs no attempt of the run."""

    delay_seconds: float


@dataclass(frozen=True, slots=True)
class TryRunAgain:
    """The run waits in the queue, then continues at this step as its next attempt."""

    delay_seconds: float


@dataclass(frozen=True, slots=True)
class GiveUp:
    """The run has failed."""


Consequence = GoOn | TryStepAgain | TryRunAgain | GiveUp


@dataclass(frozen=True, slots=True)
class Tries:
    """What has been tried: failures of the step within the run's present attempt, that attempt, and how many it has."""

    step: int
    run: int
    most: int


def after_failure(failed: Failed, *, step: Step, plan: Plan, tries: Tries, random: Callable[[], float]) -> Consequence:
    """What follows from a failed step; `random` gives numbers in [0, 1) for jitter."""
    if may_retry(step, attempt=tries.step, error_type=failed.error.type, retryable=failed.retryable):
        delay = backoff_delay(step.backoff_strategy, step.backoff_seconds, tries.step, random=random)
        return TryStepAgain(max(delay, failed.retry_after))
    if step.on_error == "continue":
        return GoOn()
    if failed.retryable and tries.run < tries.most:
        delay = backoff_delay(plan.backoff_strategy, plan.backoff_seconds, tries.run, random=random)
        return TryRunAgain(max(delay, failed.retry_after))
    return GiveUp()


def step_timed_out(step: Step) -> Failed:
    """A call that took longer than its step allows."""
    message = t("Step {step} did not end within {seconds} s", step=step.id, seconds=f"{step.timeout_seconds:g}")
    return Failed(RunError(type="timeout", message=message, step_id=step.id))


def run_timed_out(seconds: int, step: Step | None) -> RunError:
    """A run that took longer than its task allows."""
    message = t("The run did not end within {seconds} s", seconds=seconds)
    return RunError(type="run_timeout", message=message, step_id=step.id if step else None)

"""Whether a failed step tries again, and how long it waits before."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from app.domain.pipelines.model import Step

DELAY_LIMIT: Final = 3_600.0


def may_retry(step: Step, *, attempt: int, error_type: str, retryable: bool) -> bool:
    """Decides after a failure whether the step gets another attempt.

    Args:
        step: Its `max_retries` and `retry_on` decide.
        attempt: Number of the attempt that failed, from 1.
        error_type: Kind of the failure, as `ToolFailed.type` has it.
        retryable: False when another attempt cannot end differently; then `retry_on` does not help either.
    """
    if attempt > step.max_retries or not retryable:
        return False
    return not step.retry_on or error_type in step.retry_on


def backoff_delay(strategy: str, base_seconds: float, attempt: int, *, random: Callable[[], float]) -> float:
    """Returns the seconds to wait after a failed attempt, at most 3,600.

    `fixed` is always the base, `linear` the base times the attempt. `exponential_jitter` doubles from the
    base and takes equal jitter: half of that for sure and a random share of the other half, so that steps
    which failed together do not come back together, and yet none comes back at once.

    Args:
        strategy: `fixed`, `linear` or `exponential_jitter`.
        base_seconds: The wait after the first failure (for `exponential_jitter`: its upper end).
        attempt: Number of the attempt that failed, from 1.
        random: Returns a number from 0 up to 1, as `random.random` does.
    """
    if strategy == "fixed":
        return min(base_seconds, DELAY_LIMIT)
    if strategy == "linear":
        return min(base_seconds * attempt, DELAY_LIMIT)
    # From 2**32 on every base of note is at the limit; larger exponents would overflow a float.
    ceiling = min(base_seconds * 2.0 ** min(attempt - 1, 32), DELAY_LIMIT)
    return ceiling / 2 + ceiling / 2 * random()

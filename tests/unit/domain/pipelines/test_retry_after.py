"""What another side's `Retry-After` does to the next attempt, of a step and of a run."""

from __future__ import annotations

from typing import Any

import pytest

from app.domain.pipelines.model import Step, parse_pipeline
from app.domain.pipelines.outcome import Tries, TryRunAgain, TryStepAgain, after_failure
from app.domain.pipelines.plan import Plan
from app.services.steps import LONGEST_WAIT, failed
from ordinaut import ToolFailed

HOUR = 3600.0


def a_step(**keys: Any) -> Step:
    """A step that waits a second between attempts."""
    keys = {"id": "a", "uses": "http.request", "backoff_strategy": "fixed", "backoff_seconds": 1, **keys}
    (step,) = parse_pipeline([keys]).steps
    return step


def a_plan(step: Step) -> Plan:
    """Its run waits two seconds."""
    return Plan(
        title="",
        caller="me",
        steps=(step,),
        params={},
        timeout_seconds=60,
        backoff_strategy="fixed",
        backoff_seconds=2,
        pause_after_failures=None,
    )


@pytest.mark.parametrize(
    ("told", "of_step", "of_run"),
    [
        # nobody said anything: the task's own waits
        ({}, 1, 2),
        ({"retry_after_seconds": 0}, 1, 2),
        # longer than the own wait, and longer than any backoff
        ({"retry_after_seconds": 7}, 7, 7),
        ({"retry_after_seconds": 2 * HOUR}, 2 * HOUR, 2 * HOUR),
        # a day at most
        ({"retry_after_seconds": 10**9}, LONGEST_WAIT, LONGEST_WAIT),
        # what is no number of seconds
        ({"retry_after_seconds": float("nan")}, 1, 2),
        ({"retry_after_seconds": float("inf")}, 1, 2),
        ({"retry_after_seconds": "soon"}, 1, 2),
        ({"retry_after_seconds": -5}, 1, 2),
    ],
)
def test_the_next_attempt_is_not_before_the_other_side_wants_it(
    told: dict[str, Any], of_step: float, of_run: float
) -> None:
    failure = ToolFailed("Too many", type="unexpected_status", details={"status": 429, **told})
    for step, expected in ((a_step(max_retries=1), TryStepAgain(of_step)), (a_step(), TryRunAgain(of_run))):
        outcome = failed(failure, step)
        tries = Tries(step=1, run=1, most=2)
        assert after_failure(outcome, step=step, plan=a_plan(step), tries=tries, random=lambda: 0.5) == expected

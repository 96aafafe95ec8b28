"""Waits between attempts, and whether there is another one."""

from __future__ import annotations

from typing import Any

import pytest

from app.domain.pipelines.model import Step
from app.domain.pipelines.retry import backoff_delay, may_retry
from app.domain.templates import compile_template


@pytest.mark.parametrize(
    ("strategy", "attempt", "random", "delay"),
    [
        ("fixed", 1, 0.0, 5),
        ("fixed", 9, 0.0, 5),
        ("linear", 1, 0.0, 5),
        ("linear", 3, 0.0, 15),
        ("exponential_jitter", 1, 0.0, 2.5),  # never at once
        ("exponential_jitter", 1, 1.0, 5),
        ("exponential_jitter", 3, 0.5, 15),
        ("exponential_jitter", 5_000, 1.0, 3_600),  # capped, no overflow
        ("linear", 5_000, 0.0, 3_600),
    ],
)
def test_delay(strategy: str, attempt: int, random: float, delay: float) -> None:
    assert backoff_delay(strategy, 5, attempt, random=lambda: random) == delay


@pytest.mark.parametrize(
    ("policy", "attempt", "retryable", "again"),
    [
        ({}, 1, True, False),  # no retries by default
        ({"max_retries": 2}, 2, True, True),
        ({"max_retries": 2}, 3, True, False),
        ({"max_retries": 2}, 1, False, False),
        ({"max_retries": 2, "retry_on": ("timeout",)}, 1, True, True),
        ({"max_retries": 2, "retry_on": ("other",)}, 1, True, False),
        ({"max_retries": 2, "retry_on": ("timeout",)}, 1, False, False),
    ],
)
def test_may_retry(policy: dict[str, Any], attempt: int, retryable: bool, again: bool) -> None:
    step = Step(id="a", uses="data.set", arguments=compile_template({}), **policy)
    assert may_retry(step, attempt=attempt, error_type="timeout", retryable=retryable) is again

"""Parsing: defaults, and what is compiled."""

from __future__ import annotations

from app.domain.pipelines.model import parse_pipeline


def test_defaults() -> None:
    (step,) = parse_pipeline([{"uses": "data.set"}]).steps
    assert (step.id, step.save_as, step.condition) == ("step_1", None, None)
    assert (step.timeout_seconds, step.max_retries, step.backoff_seconds) == (30.0, 0, 5.0)
    assert (step.backoff_strategy, step.retry_on, step.on_error) == ("exponential_jitter", (), "fail")
    assert step.arguments.render({}) == {}


def test_everything_given() -> None:
    document = {
        "id": "a",
        "uses": "data.set",
        "with": {"value": "${params.n}"},
        "save_as": "b",
        "if": "params.n > 2",
        "timeout_seconds": 1,
        "retry_on": ["timeout"],
        "on_error": "continue",
    }
    (step,) = parse_pipeline([document]).steps
    scope = {"params": {"n": 3}}
    assert step.arguments.render(scope) == {"value": 3}
    assert step.condition is not None
    assert step.condition.holds(scope)
    assert (step.save_as, step.retry_on, step.on_error) == ("b", ("timeout",), "continue")

"""What a journal says about its steps."""

from __future__ import annotations

from typing import Any

from app.domain.journal import StepView, fold_steps
from app.domain.runs import Record
from tests.fakes.http_runs import NOON

NINE, TEN = "2026-11-24T09:00:00Z", "2026-11-24T10:00:00Z"


def folded(*bodies: dict[str, Any]) -> dict[str, StepView]:
    """The fold of step records with these bodies."""
    return fold_steps(Record(number, NOON, "step", body) for number, body in enumerate(bodies, 1))


def step(status: str, attempt: int = 1, **members: Any) -> dict[str, Any]:
    """The body of a record of step `a`."""
    return {"id": "a", "uses": "http.request", "status": status, "attempt": attempt, **members}


def test_an_attempt_is_one_entry_though_it_has_two_records() -> None:
    opened = step("running", started_at=NINE, input={"x": 1})
    closed = step("succeeded", finished_at=TEN, output=[2])
    (view,) = folded(opened, closed).values()
    assert (view.status, view.input, view.output) == ("succeeded", {"x": 1}, [2])
    assert (view.started_at, view.finished_at) == (NINE, TEN)
    assert len(view.attempts) == 1


def test_a_pure_step_has_one_record_only() -> None:
    (view,) = folded(step("succeeded", started_at=NINE, finished_at=TEN, input=1, output=2)).values()
    assert (view.input, view.output, len(view.attempts)) == (1, 2, 1)


def test_attempts_are_kept_in_order_and_the_last_one_counts() -> None:
    error = {"type": "timeout", "message": "slow"}
    (view,) = folded(
        step("running"), step("failed", error=error), step("running", 2), step("succeeded", 2, output=1)
    ).values()
    assert [(one.attempt, one.status) for one in view.attempts] == [(1, "failed"), (2, "succeeded")]
    assert view.attempts[0].error == error
    assert (view.error, view.output) == (None, 1)


def test_an_attempt_whose_worker_went_away_is_shown_as_interrupted() -> None:
    (view,) = folded(step("running"), step("running", 2)).values()
    assert view.attempts[0].status == "failed"
    assert view.attempts[0].error is not None
    assert view.attempts[0].error["type"] == "interrupted"
    assert view.status == "running"


def test_the_first_attempt_of_a_new_try_of_the_run_is_an_attempt_of_its_own() -> None:
    (view,) = folded(step("failed"), step("running")).values()
    assert [one.status for one in view.attempts] == ["failed", "running"]


def test_steps_stand_in_the_order_they_began_and_other_records_are_passed_over() -> None:
    records = [
        Record(1, NOON, "state", {"status": "running"}),
        Record(2, NOON, "step", {**step("succeeded"), "id": "b"}),
        Record(3, NOON, "log", {"level": "info", "message": "x"}),
        Record(4, NOON, "step", step("running")),
    ]
    assert list(fold_steps(records)) == ["b", "a"]

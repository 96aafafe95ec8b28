"""Runs are executed, retried and resumed, on both databases."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Engine

from app.domain.ids import new_id
from app.storage.ledger import SqlRunLedger
from app.storage.unit_of_work import SqlUnitsOfWork
from ordinaut import ToolCall, ToolFailed
from tests.contract.conftest import make_ledger
from tests.fakes.hands import Hands, in_thread
from tests.fakes.pipelines import get, pipeline, refuse, step, steps_of
from tests.fakes.rows import queued, stored


def test_a_pipeline_runs_to_its_end(units: SqlUnitsOfWork, ledger: SqlRunLedger) -> None:
    task = pipeline(
        step("a", "pure.echo", **{"with": {"v": "${params.n}"}}, save_as="first"),
        step("b", **{"with": {"v": "${steps.first.v}", "t": "n=${steps.a.v}"}}, **{"if": "steps.a.v == `1`"}),
        step("c", **{"if": "params.n > 5"}),
    )
    (run_id,) = queued(units, stored(units, task))
    hands = Hands(ledger, {"pure.echo": lambda call: dict(call.arguments), "fx.do": lambda call: dict(call.arguments)})
    assert hands.executor.drain() == 1
    run = get(units, run_id)
    assert (run.status, run.output, run.attempt, run.error) == ("succeeded", {"v": 1, "t": "n=1"}, 1, None)
    assert steps_of(units, run_id) == [
        ("a", "succeeded", 1),
        ("b", "running", 1),  # committed before the effect
        ("b", "succeeded", 1),
        ("c", "skipped", 1),
    ]


def test_params_of_the_run_go_over_those_of_the_task(units: SqlUnitsOfWork, ledger: SqlRunLedger) -> None:
    task = stored(units, pipeline(step("a", "pure.echo", **{"with": {"v": "${params}"}})))
    (run_id,) = queued(units, task, params={"n": 2, "m": None})
    Hands(ledger, {"pure.echo": lambda call: dict(call.arguments)}).executor.drain()
    assert get(units, run_id).output == {"v": {"n": 2, "m": None}}


def test_a_run_keeps_the_pipeline_it_was_queued_with(units: SqlUnitsOfWork, ledger: SqlRunLedger) -> None:
    task = stored(units, pipeline(step("a", "pure.echo", **{"with": {"v": "old"}})))
    (run_id,) = queued(units, task)
    with units() as unit:
        unit.tasks.save(replace(task, version=2, payload={"params": {}, "pipeline": []}, definition_id=new_id()))
    Hands(ledger, {"pure.echo": lambda call: dict(call.arguments)}).executor.drain()
    assert get(units, run_id).output == {"v": "old"}


def test_a_step_is_retried_without_costing_the_run_an_attempt(units: SqlUnitsOfWork, ledger: SqlRunLedger) -> None:
    answers = iter([ToolFailed("busy", type="busy"), ToolFailed("busy", type="busy"), {"ok": True}])

    def flaky(call: ToolCall) -> Any:
        answer = next(answers)
        if isinstance(answer, ToolFailed):
            raise answer
        return answer

    (run_id,) = queued(units, stored(units, pipeline(step("a", max_retries=2), max_retries=0)))
    hands = Hands(ledger, {"fx.do": flaky})
    hands.executor.drain()
    run = get(units, run_id)
    assert (run.status, run.attempt, run.output) == ("succeeded", 1, {"ok": True})
    assert [row[1:] for row in steps_of(units, run_id)] == [
        ("running", 1), ("failed", 1), ("running", 2), ("failed", 2), ("running", 3), ("succeeded", 3),
    ]  # fmt: skip
    assert hands.keys() == ["a", "a", "a"]


def test_a_retried_run_does_not_repeat_finished_effects(units: SqlUnitsOfWork, ledger: SqlRunLedger) -> None:
    task = pipeline(step("a"), step("b", "fx.no"), max_retries=2)
    (run_id,) = queued(units, stored(units, task))
    hands = Hands(ledger, {"fx.do": lambda call: 1, "fx.no": refuse(type="busy")})
    hands.executor.drain()
    run = get(units, run_id)
    assert (run.status, run.attempt, run.success) == ("failed", 3, False)
    assert run.error == {"type": "busy", "message": "No", "step_id": "b"}
    assert hands.keys() == ["a", "b", "b", "b"]


@pytest.mark.parametrize(
    ("keys", "kinds", "calls"),
    [
        ({"max_retries": 2}, {"retryable": False}, 1),  # cannot end differently
        ({"max_retries": 2, "retry_on": ["busy"]}, {"type": "other"}, 1),
        ({"max_retries": 2, "retry_on": ["busy"]}, {"type": "busy"}, 3),
        ({"max_retries": 2}, {"type": "busy"}, 3),
    ],
)
def test_what_is_worth_another_try(
    units: SqlUnitsOfWork, ledger: SqlRunLedger, keys: Mapping[str, Any], kinds: Mapping[str, Any], calls: int
) -> None:
    (run_id,) = queued(units, stored(units, pipeline(step("a", "fx.no", **keys), max_retries=0)))
    hands = Hands(ledger, {"fx.no": refuse(**kinds)})
    hands.executor.drain()
    assert len(hands.calls) == calls
    assert get(units, run_id).status == "failed"


def test_on_error_continue_makes_the_error_the_output(units: SqlUnitsOfWork, ledger: SqlRunLedger) -> None:
    task = pipeline(
        step("a", "fx.no", on_error="continue"),
        step("b", "pure.echo", **{"with": {"v": "${steps.a.error.type}"}}),
    )
    (run_id,) = queued(units, stored(units, task))
    hands = Hands(ledger, {"fx.no": refuse(type="gone"), "pure.echo": lambda call: dict(call.arguments)})
    hands.executor.drain()
    assert (get(units, run_id).status, get(units, run_id).output) == ("succeeded", {"v": "gone"})


def crash(call: ToolCall) -> Any:
    """A tool with a bug."""
    raise KeyError("secret detail")


@pytest.mark.parametrize(
    ("one", "kind"),
    [
        (step("a", "pure.echo", **{"with": {"v": "${params.nope}"}}), "template_error"),
        (step("a", "pure.echo", **{"if": "params.nope > 1"}), "template_error"),
        (step("a", "fx.crash"), "tool_crashed"),
        (step("a", "fx.odd"), "invalid_output"),
        (step("a", "fx.missing"), "unknown_tool"),  # it was there when the task was saved
    ],
)
def test_every_way_to_fail_names_its_kind_and_its_step(
    units: SqlUnitsOfWork, ledger: SqlRunLedger, one: Mapping[str, Any], kind: str
) -> None:
    (run_id,) = queued(units, stored(units, pipeline(one, max_retries=0)))
    Hands(ledger, {"pure.echo": lambda call: 1, "fx.crash": crash, "fx.odd": lambda call: object()}).executor.drain()
    error = get(units, run_id).error
    assert error is not None and (error["type"], error["step_id"]) == (kind, "a")
    assert "secret detail" not in str(error)


def test_long_output_is_cut_with_a_mark(units: SqlUnitsOfWork, ledger: SqlRunLedger) -> None:
    (run_id,) = queued(units, stored(units, pipeline(step("a"))))
    Hands(ledger, {"fx.do": lambda call: "x" * (2 * 1024 * 1024)}).executor.drain()
    output = get(units, run_id).output
    assert output["truncated"] is True and output["bytes"] == 2 * 1024 * 1024 + 2


def test_a_worker_taking_over_repeats_only_the_unfinished_step(engine: Engine, units: SqlUnitsOfWork) -> None:
    ledger = make_ledger(engine, lease_seconds=0.0)
    started, never = threading.Event(), threading.Event()

    def hang(call: ToolCall) -> Any:
        started.set()
        never.wait()

    (run_id,) = queued(units, stored(units, pipeline(step("a"), step("b", "fx.b"))))
    dying = Hands(ledger, {"fx.do": lambda call: {"v": 7}, "fx.b": hang})
    in_thread(dying.executor.drain)
    assert started.wait(10)
    assert ledger.rescue() == 1
    heir = Hands(ledger, {"fx.do": lambda call: {"v": 8}, "fx.b": lambda call: "done"}, owner="node/2")
    heir.executor.drain()
    run = get(units, run_id)
    assert (run.status, run.attempt, run.output) == ("succeeded", 2, "done")
    assert dying.keys() == ["a", "b"] and heir.keys() == ["b"]
    assert heir.calls[0].idempotency_key == dying.calls[1].idempotency_key == f"{run_id}:b"
    assert steps_of(units, run_id)[-1] == ("b", "succeeded", 2)


def test_a_lease_counts_from_before_it_was_asked_for(
    units: SqlUnitsOfWork, ledger: SqlRunLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    queued(units, stored(units, pipeline(step("pure.echo"))))
    asked: list[float] = []
    exchange = ledger.exchange

    def noted(*given: Any, **named: Any) -> Any:
        asked.append(time.monotonic())
        return exchange(*given, **named)

    monkeypatch.setattr(ledger, "exchange", noted)
    hands = Hands(ledger, {"pure.echo": lambda call: None})
    assert hands.executor.drain() == 1
    # An answer may take long: a lease that counted from its coming would seem to hold when it is over.
    assert hands.executor.renewed_at <= asked[-1]

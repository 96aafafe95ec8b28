"""Runs are executed, retried, resumed, stopped and handed back, on both databases."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Engine

from app.domain.errors import Unavailable
from app.domain.execution import Settlement
from app.domain.ids import new_id
from app.domain.runs import Run
from app.domain.tasks import Task
from app.services.execution import Pace
from app.storage.ledger import SqlRunLedger
from app.storage.unit_of_work import SqlUnitsOfWork
from ordinaut import ToolCall, ToolFailed
from tests.contract.conftest import make_ledger
from tests.fakes.hands import Hands, in_thread
from tests.fakes.rows import a_task, queued, stored


def pipeline(*steps: Mapping[str, Any], **fields: Any) -> Task:
    """A task with these steps."""
    return a_task(
        **{"backoff_strategy": "fixed", "backoff_seconds": 0, **fields},
        payload={"params": {"n": 1}, "pipeline": list(steps)},
    )


def step(name: str, uses: Any = "fx.do", **keys: Any) -> dict[str, Any]:
    """One step."""
    return {"id": name, "uses": uses, "backoff_strategy": "fixed", "backoff_seconds": 0, **keys}


def refuse(**kinds: Any) -> Callable[[ToolCall], Any]:
    """A tool that always fails."""

    def run(call: ToolCall) -> Any:
        raise ToolFailed("No", **kinds)

    return run


def get(units: SqlUnitsOfWork, run_id: str) -> Run:
    """The run as it stands."""
    with units(read_only=True) as unit:
        return unit.runs.get(run_id)


def steps_of(units: SqlUnitsOfWork, run_id: str) -> list[tuple[str, str, int]]:
    """`(id, status, attempt)` of its journal's step records."""
    with units(read_only=True) as unit:
        records = unit.runs.journal(run_id)
    return [(r.body["id"], r.body["status"], r.body["attempt"]) for r in records if r.kind == "step"]


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


def hanging(started: threading.Event) -> Callable[[ToolCall], Any]:
    """A call that neither ends nor listens."""

    def run(call: ToolCall) -> Any:
        started.set()
        threading.Event().wait()

    return run


def test_a_step_that_does_not_end_is_stopped_with_its_process(units: SqlUnitsOfWork, ledger: SqlRunLedger) -> None:
    started = threading.Event()
    task = pipeline(step("a", "fx.hang", timeout_seconds=0.05), max_retries=0)
    (run_id,) = queued(units, stored(units, task))
    hands = Hands(ledger, {"fx.hang": hanging(started)}, pace=Pace(grace=0.05))
    in_thread(hands.executor.drain)
    assert started.wait(10)
    hands.look_until(lambda: False)
    assert hands.exits == [70]
    run = get(units, run_id)
    assert run.status == "failed" and run.error is not None and run.error["type"] == "timeout"


def test_a_tool_that_listens_is_stopped_without_its_process(units: SqlUnitsOfWork, ledger: SqlRunLedger) -> None:
    def listening(call: ToolCall) -> Any:
        while not call.should_stop():
            threading.Event().wait(0.005)
        raise ToolFailed("Stopped", type="timeout")

    task = pipeline(step("a", "fx.slow", timeout_seconds=0.05), max_retries=0)
    (run_id,) = queued(units, stored(units, task))
    hands = Hands(ledger, {"fx.slow": listening}, pace=Pace(grace=5))
    worker = in_thread(hands.executor.drain)
    hands.look_until(lambda: not worker.is_alive())
    assert hands.exits == [] and get(units, run_id).status == "failed"


def test_the_time_limit_of_the_run_counts_over_all_its_steps(units: SqlUnitsOfWork, ledger: SqlRunLedger) -> None:
    task = pipeline(step("a"), step("b"), timeout_seconds=1, max_retries=3)
    (run_id,) = queued(units, stored(units, task))

    def until_the_deadline(call: ToolCall) -> Any:
        threading.Event().wait(max(0.0, call.deadline - time.monotonic()))

    hands = Hands(ledger, {"fx.do": until_the_deadline})
    hands.executor.drain()
    error = get(units, run_id).error
    assert hands.keys() == ["a"] and error is not None and error["type"] == "run_timeout"


def test_a_running_run_is_canceled(units: SqlUnitsOfWork, ledger: SqlRunLedger) -> None:
    started = threading.Event()
    (run_id,) = queued(units, stored(units, pipeline(step("a", "fx.hang"), max_retries=3)))
    hands = Hands(ledger, {"fx.hang": hanging(started)}, pace=Pace(lease=1, grace=0.05))
    in_thread(hands.executor.drain)
    assert started.wait(10)
    with units() as unit:
        unit.runs.request_cancel(run_id, get(units, run_id).created_at)
    hands.look_until(lambda: False)
    assert hands.exits == [70] and get(units, run_id).status == "canceled"


def test_a_stopping_worker_hands_its_run_back_unharmed(units: SqlUnitsOfWork, ledger: SqlRunLedger) -> None:
    started = threading.Event()
    task = stored(units, pipeline(step("a", "fx.hang"), max_retries=0))
    (first, second) = queued(units, task, 2)
    hands = Hands(ledger, {"fx.hang": hanging(started)}, pace=Pace(drain=0.05))
    stopping = threading.Event()
    hands.executor.stop_when(stopping.is_set)
    in_thread(hands.executor.drain)
    assert started.wait(10)
    stopping.set()
    hands.look_until(lambda: False)
    assert hands.exits == [70] and hands.bell.rings >= 1
    heir = Hands(ledger, {"fx.hang": lambda call: "done"}, owner="node/2")
    assert heir.executor.drain() == 2
    for run_id in (first, second):
        run = get(units, run_id)
        assert (run.status, run.attempt) == ("succeeded", 1)  # no attempt was lost


def test_a_stopping_worker_begins_no_effect(units: SqlUnitsOfWork, ledger: SqlRunLedger) -> None:
    stopping = threading.Event()
    (run_id,) = queued(units, stored(units, pipeline(step("a"), step("b"))))
    hands = Hands(ledger, {"fx.do": lambda call: stopping.set()})
    hands.executor.stop_when(stopping.is_set)
    hands.executor.drain()
    assert hands.keys() == ["a"] and get(units, run_id).status == "queued"
    stopping.clear()
    hands.executor.drain()
    assert hands.keys() == ["a", "b"]
    assert (get(units, run_id).status, get(units, run_id).attempt) == ("succeeded", 1)


def test_a_slow_call_gives_back_what_waits_behind_it(units: SqlUnitsOfWork, ledger: SqlRunLedger) -> None:
    started, go_on = threading.Event(), threading.Event()

    def slow(call: ToolCall) -> Any:
        started.set()
        go_on.wait(10)

    task = stored(units, pipeline(step("a", "fx.slow")))
    queued(units, task, 5)
    hands = Hands(ledger, {"fx.slow": slow})
    worker = in_thread(hands.executor.drain)
    assert started.wait(10)
    hands.look_until(lambda: not hands.executor.waiting)
    claimed = ledger.exchange("node/2", want=9).claimed
    assert len(claimed) == 4 and all(run.attempt == 1 for run in claimed)
    go_on.set()
    worker.join(10)


def test_a_run_that_is_to_be_cancelled_ends_before_its_first_step(units: SqlUnitsOfWork, ledger: SqlRunLedger) -> None:
    (run_id,) = queued(units, stored(units, pipeline(step("a", "pure.echo"))))
    (run,) = ledger.exchange("node/9", want=1).claimed
    with units() as unit:
        unit.runs.request_cancel(run_id, get(units, run_id).created_at)
    ledger.exchange("node/9", settle=[Settlement(run=run, status="queued", returned=True)])
    hands = Hands(ledger, {"pure.echo": lambda call: 1})
    hands.executor.drain()
    assert hands.calls == [] and get(units, run_id).status == "canceled"


def leave(call: ToolCall) -> Any:
    """A tool that thinks it owns the process."""
    raise SystemExit(3)


def test_a_tool_cannot_end_its_process(units: SqlUnitsOfWork, ledger: SqlRunLedger) -> None:
    (run_id,) = queued(units, stored(units, pipeline(step("a", "fx.leave"), max_retries=0)))
    hands = Hands(ledger, {"fx.leave": leave})
    hands.executor.drain()
    error = get(units, run_id).error
    assert error is not None and error["type"] == "tool_crashed"
    assert hands.executor.call_deadline is None


def test_odd_text_harms_only_the_run_that_holds_it(units: SqlUnitsOfWork, ledger: SqlRunLedger) -> None:
    odd = stored(units, pipeline(step("a", "pure.odd"), max_retries=0))
    good = stored(units, pipeline(step("a", "pure.echo")))
    (bad_id,), (good_id,) = queued(units, odd), queued(units, good)

    def log_and_fail(call: ToolCall) -> Any:
        call.log("info", "half \ud800")
        raise ToolFailed("also \ud800", details={"b": b"x"})

    hands = Hands(ledger, {"pure.odd": log_and_fail, "pure.echo": lambda call: "fine"})
    hands.executor.drain()
    assert (get(units, bad_id).status, get(units, good_id).status) == ("failed", "succeeded")


def test_nothing_stays_in_hand_when_something_unforeseen_happens(units: SqlUnitsOfWork, ledger: SqlRunLedger) -> None:
    queued(units, stored(units, pipeline(step("a", "pure.echo"))), 3)
    hands = Hands(ledger, {"pure.echo": unforeseen})
    with pytest.raises(KeyboardInterrupt):
        hands.executor.drain()
    assert hands.executor.held() == [] and hands.executor.call_deadline is None


def unforeseen(call: ToolCall) -> Any:
    """What no boundary is meant to catch."""
    raise KeyboardInterrupt


def test_a_definition_that_cannot_be_read_fails_its_run_with_a_sentence(
    units: SqlUnitsOfWork, ledger: SqlRunLedger
) -> None:
    task = replace(pipeline(), payload={"params": {}, "pipeline": [{"with": {}}]})
    (run_id,) = queued(units, stored(units, task))
    Hands(ledger, {}).executor.drain()
    error = get(units, run_id).error
    assert error is not None and error["type"] == "invalid_definition"


def test_a_task_whose_pausing_fails_harms_no_other_run(units: SqlUnitsOfWork, ledger: SqlRunLedger) -> None:
    task = stored(units, pipeline(step("a", "pure.no"), max_retries=0, pause_after_failures=1))
    ids = queued(units, task, 4)

    def away(task_id: str, limit: int) -> None:
        raise Unavailable

    hands = Hands(ledger, {"pure.no": refuse()})
    hands.executor._on_failure = away
    hands.executor.drain()
    assert {get(units, run_id).status for run_id in ids} == {"failed"}


def test_a_call_that_will_not_end_ends_its_process_whatever_the_database_says(
    units: SqlUnitsOfWork, ledger: SqlRunLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = threading.Event()
    queued(units, stored(units, pipeline(step("a", "fx.hang", timeout_seconds=0.05), max_retries=0)))
    hands = Hands(ledger, {"fx.hang": hanging(started)}, pace=Pace(grace=0.05))
    in_thread(hands.executor.drain)
    assert started.wait(10)
    monkeypatch.setattr(hands.executor, "settle_current", lambda settlement: 1 / 0)
    hands.look_until(lambda: False)
    assert hands.exits == [70]


def test_failures_in_a_row_are_reported(units: SqlUnitsOfWork, ledger: SqlRunLedger) -> None:
    task = stored(units, pipeline(step("a", "fx.no"), max_retries=0, pause_after_failures=2))
    queued(units, task, 1)
    hands = Hands(ledger, {"fx.no": refuse()})
    hands.executor.drain()
    assert hands.paused == [(task.id, 2)]

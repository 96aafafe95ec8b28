"""Time limits, cancellation, a stopping worker and whatever nobody foresaw, on both databases."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from app.domain.budgets import Budget, starts
from app.domain.errors import Unavailable
from app.domain.execution import Settlement
from app.services.execution import Pace
from app.storage.ledger import SqlRunLedger
from app.storage.unit_of_work import SqlUnitsOfWork
from ordinaut import ToolCall, ToolFailed
from tests.fakes.hands import Hands, counting, in_thread
from tests.fakes.pipelines import get, pipeline, refuse, step
from tests.fakes.rows import queued, stored
from tests.fakes.task_world import TurnedClock


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
        unit.runs.request_cancel(run_id, unit.runs.get(run_id).created_at)
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


def test_a_call_that_a_stopping_worker_does_not_begin_is_not_counted(
    units: SqlUnitsOfWork, ledger: SqlRunLedger
) -> None:
    with units() as unit:
        unit.budgets.put(Budget(name="all", hard=2))
    clock, stopping = TurnedClock(datetime.now(UTC)), threading.Event()
    (run_id,) = queued(units, stored(units, pipeline(step("a"), step("b"))))
    hands = Hands(ledger, {"fx.do": lambda call: stopping.set()}, allowances=counting(units, clock))
    hands.executor.stop_when(stopping.is_set)
    hands.executor.drain()
    with units(read_only=True) as unit:
        assert unit.budgets.count("all", starts("day", clock.now())).used == 1
    stopping.clear()
    hands.executor.drain()
    assert get(units, run_id).status == "succeeded"


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
        unit.runs.request_cancel(run_id, unit.runs.get(run_id).created_at)
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

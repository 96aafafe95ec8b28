"""A worker is lost in a call: whether the call is made again, on both databases."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from app.domain.pipelines.unknown import Answer, Word
from app.domain.runs import Run
from app.services.execution import Pace
from app.storage.ledger import SqlRunLedger
from app.storage.unit_of_work import SqlUnitsOfWork
from ordinaut import ToolCall
from tests.fakes.hands import Hands, in_thread
from tests.fakes.pipelines import get, pipeline, step, steps_of
from tests.fakes.rows import queued, stored

Ending = Callable[[Hands, SqlRunLedger], None]


def killed(hands: Hands, ledger: SqlRunLedger) -> None:
    """The process is gone, and its parent has seen it."""
    assert ledger.rescue([hands.executor.owner]) >= 1


def stopped(hands: Hands, ledger: SqlRunLedger) -> None:
    """The worker goes away, and the call takes longer than it may."""
    hands.executor.stop_when(lambda: True)
    hands.look_until(lambda: False)
    assert hands.exits == [70]


def lost_in(ledger: SqlRunLedger, tools: dict[str, Any], name: str, ending: Ending) -> None:
    """A first worker that is lost in a call of this tool."""
    begun = threading.Event()

    def held(call: ToolCall) -> Any:
        begun.set()
        threading.Event().wait()

    hands = Hands(ledger, {**tools, name: held}, owner="node/1", pace=Pace(drain=0.05))
    in_thread(hands.executor.drain)
    assert begun.wait(10)
    ending(hands, ledger)


def gone_on(units: SqlUnitsOfWork, ledger: SqlRunLedger, run_id: str, tools: dict[str, Any]) -> tuple[Run, list[str]]:
    """The run after a second worker, and the calls that this one made."""
    hands = Hands(ledger, tools, owner="node/2")
    assert hands.executor.drain() == 1
    return get(units, run_id), hands.keys()


TOOLS: dict[str, Any] = {"fx.order": lambda call: "ordered", "fx.after": lambda call: "after"}


@pytest.mark.parametrize("ending", [killed, stopped])
@pytest.mark.parametrize(
    ("keys", "status", "calls"),
    [
        ({}, "succeeded", ["a", "b"]),
        ({"on_unknown": "retry"}, "succeeded", ["a", "b"]),
        ({"on_unknown": "fail"}, "failed", []),
        ({"on_unknown": "fail", "on_error": "continue"}, "succeeded", ["b"]),
    ],
)
def test_the_call_is_made_again_unless_the_step_says_otherwise(
    units: SqlUnitsOfWork, ledger: SqlRunLedger, ending: Ending, keys: dict[str, Any], status: str, calls: list[str]
) -> None:
    (run_id,) = queued(units, stored(units, pipeline(step("a", "fx.order", **keys), step("b", "fx.after"))))
    lost_in(ledger, TOOLS, "fx.order", ending)
    run, made = gone_on(units, ledger, run_id, TOOLS)
    assert (run.status, made) == (status, calls)
    # It is no failure that another attempt could mend.
    assert run.error is None or run.error["type"] == "outcome_unknown"


@pytest.mark.parametrize(
    ("word", "status", "output", "calls"),
    [
        ("retry", "succeeded", "ordered", ["a"]),
        ("succeeded", "succeeded", "by hand", []),
        ("skipped", "succeeded", None, []),
        ("failed", "failed", None, []),
    ],
)
def test_a_run_that_asks_waits_for_an_answer(
    units: SqlUnitsOfWork, ledger: SqlRunLedger, word: Word, status: str, output: Any, calls: list[str]
) -> None:
    (run_id,) = queued(units, stored(units, pipeline(step("a", "fx.order", on_unknown="ask"))))
    lost_in(ledger, TOOLS, "fx.order", killed)
    run, made = gone_on(units, ledger, run_id, TOOLS)
    assert (run.status, made) == ("waiting", [])
    with units() as unit:
        wait = unit.waits.of_run(run_id)
        assert wait is not None and (wait.kind, wait.step_id) == ("answer", "a")
        answer = Answer(word=word, output="by hand", by="ana", note="asked them")
        assert unit.waits.resolve(wait.id, answer.as_resolution())
    run, made = gone_on(units, ledger, run_id, TOOLS)
    assert (run.status, run.output, made) == (status, output, calls)


def test_who_is_asked_twice_answers_twice(units: SqlUnitsOfWork, ledger: SqlRunLedger) -> None:
    (run_id,) = queued(units, stored(units, pipeline(step("a", "fx.order", on_unknown="ask"))))
    for _ in range(2):
        lost_in(ledger, TOOLS, "fx.order", killed)
        assert gone_on(units, ledger, run_id, TOOLS)[0].status == "waiting"
        with units() as unit:
            wait = unit.waits.of_run(run_id)
            assert wait is not None
            unit.waits.resolve(wait.id, Answer(word="retry", output=None, by="ana", note="n").as_resolution())
    run, made = gone_on(units, ledger, run_id, TOOLS)
    assert (run.status, made) == ("succeeded", ["a"])


def test_a_part_of_a_run_has_nobody_to_ask(units: SqlUnitsOfWork, ledger: SqlRunLedger) -> None:
    branches = [[step("a", "fx.order", on_unknown="ask")], [step("b", "pure.b")]]
    (run_id,) = queued(units, stored(units, pipeline({"id": "both", "parallel": branches})))
    tools = {**TOOLS, "pure.b": lambda call: "b"}
    lost_in(ledger, tools, "fx.order", killed)
    hands = Hands(ledger, tools, owner="node/2")
    while hands.executor.drain():
        continue
    run = get(units, run_id)
    assert run.status == "failed" and run.error is not None and run.error["type"] == "outcome_unknown"


def test_what_ended_before_the_worker_was_lost_is_known(units: SqlUnitsOfWork, ledger: SqlRunLedger) -> None:
    task = stored(units, pipeline(step("a", "fx.order", on_unknown="fail"), step("b", "fx.after")))
    (run_id,) = queued(units, task)
    lost_in(ledger, TOOLS, "fx.after", killed)
    run, made = gone_on(units, ledger, run_id, TOOLS)
    assert (run.status, made) == ("succeeded", ["b"])


def test_of_a_list_only_the_item_under_way_is_unknown(units: SqlUnitsOfWork, ledger: SqlRunLedger) -> None:
    arguments = {"foreach": [1, 2, 3], "with": {"v": "${item}"}, "on_unknown": "fail", "on_error": "continue"}
    (run_id,) = queued(units, stored(units, pipeline(step("a", "fx.each", **arguments))))
    begun = threading.Event()

    def echo(call: ToolCall) -> Any:
        return call.arguments["v"]

    def second_is_held(call: ToolCall) -> Any:
        if call.arguments["v"] == 2:
            begun.set()
            threading.Event().wait()
        return echo(call)

    hands = Hands(ledger, {"fx.each": second_is_held}, owner="node/1")
    in_thread(hands.executor.drain)
    assert begun.wait(10)
    killed(hands, ledger)
    run, made = gone_on(units, ledger, run_id, {"fx.each": echo})
    assert (run.output[0], run.output[2], made) == (1, 3, ["a[2]"])
    assert run.output[1]["error"]["type"] == "outcome_unknown"
    assert [status for _, status, _ in steps_of(units, run_id)].count("failed") == 1

"""What a rerun executes again when lists and branches are involved, on both databases."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from app.domain.clock import SystemClock
from app.domain.runs import Run
from app.services.lifecycle import Herald
from app.services.reruns import RerunRequest, RerunService
from app.storage.ledger import SqlRunLedger
from app.storage.unit_of_work import SqlUnitsOfWork
from ordinaut import ToolCall, ToolFailed
from tests.fakes.access import ANA
from tests.fakes.hands import Bell, Hands
from tests.fakes.pipelines import get, pipeline, step
from tests.fakes.rows import queued, stored


def worked_off(ledger: SqlRunLedger, tools: dict[str, Callable[[ToolCall], Any]]) -> list[str]:
    """Let a worker do all there is; the calls it made, without the run's id."""
    hands = Hands(ledger, tools)
    while hands.executor.drain():
        continue
    return sorted(hands.keys())


def again(units: SqlUnitsOfWork, run_id: str, start: str = "failed") -> str:
    """The id of a rerun."""
    clock, bell = SystemClock(), Bell()
    service = RerunService(units=units, queue=bell, clock=clock, herald=Herald.silent(clock))
    run, _ = service.rerun(run_id, RerunRequest(start=start), caller=ANA, request_id="")
    assert bell.rings == 1
    return run.id


def refuses(*values: int) -> Callable[[ToolCall], Any]:
    """A tool that gives back what it is given, but for these."""

    def run(call: ToolCall) -> Any:
        if call.arguments["v"] in values:
            raise ToolFailed("No", retryable=False)
        return call.arguments["v"]

    return run


def each(side_by_side: int) -> dict[str, Any]:
    return step("a", "fx.each", foreach=[1, 2, 3, 4], max_parallel=side_by_side, **{"with": {"v": "${item}"}})


@pytest.mark.parametrize("side_by_side", [1, 2])
def test_only_the_items_that_were_not_done_are_done_again(
    units: SqlUnitsOfWork, ledger: SqlRunLedger, side_by_side: int
) -> None:
    task = stored(units, pipeline(each(side_by_side), step("b", "pure.sum", **{"with": {"v": "${sum(steps.a)}"}})))
    (run_id,) = queued(units, task)
    worked_off(ledger, {"fx.each": refuses(4), "pure.sum": refuses()})
    first = get(units, run_id)
    assert first.status == "failed"
    done_before = outputs(units, first)
    new = again(units, run_id)
    calls = worked_off(ledger, {"fx.each": refuses(), "pure.sum": refuses()})
    assert calls == ["a[3]", "b"] and done_before == [1, 2, 3]
    assert (get(units, new).status, get(units, new).output) == ("succeeded", 10)


def outputs(units: SqlUnitsOfWork, run: Run) -> list[int]:
    """Outputs of the items that succeeded, as the journals of the run and its parts tell."""
    with units(read_only=True) as unit:
        journals = [unit.runs.journal(run.id), *unit.runs.parts(run.id)]
    bodies = [record.body for journal in journals for record in journal if record.kind == "step"]
    return sorted({body["output"] for body in bodies if body["status"] == "succeeded" and "item" in body})


def test_the_outputs_of_steps_in_branches_are_taken_over(units: SqlUnitsOfWork, ledger: SqlRunLedger) -> None:
    branches = [[step("x", "fx.each", **{"with": {"v": 1}})], [step("y", "fx.each", **{"with": {"v": 2}})]]
    last = step("last", "fx.last", **{"with": {"v": "${sum([steps.x, steps.y])}"}})
    (run_id,) = queued(units, stored(units, pipeline({"id": "both", "parallel": branches}, last)))
    tools = {"fx.each": refuses(), "fx.last": refuses(3)}
    assert worked_off(ledger, tools) == ["last", "x", "y"]
    assert get(units, run_id).status == "failed"
    new = again(units, run_id)
    assert worked_off(ledger, {**tools, "fx.last": refuses()}) == ["last"]
    assert get(units, new).output == 3
    # And from the branches on everything is done again.
    again(units, run_id, start="both")
    assert worked_off(ledger, tools) == ["last", "x", "y"]

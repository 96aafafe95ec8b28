"""Branches for each item of a list, on both databases."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, text

from app.domain.access import LOCAL
from app.domain.clock import SystemClock
from app.domain.journal import steps_with_parts
from app.services.lifecycle import Herald
from app.services.reruns import RerunRequest, RerunService
from app.services.run_ends import cancel_run
from app.services.waking import Waker
from app.storage.ledger import SqlRunLedger
from app.storage.unit_of_work import SqlUnitsOfWork
from app.tools.flow import flow_sleep_tool
from ordinaut import ToolCall, ToolFailed
from tests.contract.conftest import make_ledger
from tests.contract.test_fan_out import echo, hands, odd_fails, ran
from tests.fakes.hands import Hands
from tests.fakes.pipelines import get, pipeline, step
from tests.fakes.rows import queued, stored

__all__ = ["hands"]


def put(name: str, value: Any, uses: str = "pure.echo", **keys: Any) -> dict[str, Any]:
    """A step that gives a value."""
    return step(name, uses, **{"with": {"v": value}, **keys})


def ways(items: Any, *branches: list[dict[str, Any]], **keys: Any) -> dict[str, Any]:
    """These branches for each of these items."""
    return {"id": "ways", "foreach": items, "parallel": list(branches), **keys}


SUM = [put("a", "${item.n}", "fx.do"), put("a2", "${index}:${steps.a}:${steps.first}")]
SAY = [put("b", "${item}", "fx.do")]


@pytest.mark.parametrize("side_by_side", [1, 2, 5])
def test_a_list_of_what_the_branches_gave_in_order(units: SqlUnitsOfWork, hands: Hands, side_by_side: int) -> None:
    items = [{"n": 10}, {"n": 11}, {"n": 12}]
    run = ran(units, hands, put("first", 7), ways(items, SUM, SAY, max_parallel=side_by_side))
    assert run.status == "succeeded", run.error
    assert run.output == [[f"{n}:{10 + n}:7", {"n": 10 + n}] for n in range(3)]


def test_no_items_give_an_empty_list(units: SqlUnitsOfWork, hands: Hands) -> None:
    assert ran(units, hands, ways([], SAY)).output == []


def test_each_effect_has_a_key_of_its_own(units: SqlUnitsOfWork, hands: Hands) -> None:
    ran(units, hands, put("first", 7), ways([{"n": 1}, {"n": 2}], SUM, SAY, max_parallel=2))
    called = hands.keys()
    effects = sorted(key for key in called if key.endswith(("/a", "/b")))
    assert effects == ["ways[0]/a", "ways[0]/b", "ways[1]/a", "ways[1]/b"]


def test_lists_and_branches_inside(units: SqlUnitsOfWork, hands: Hands) -> None:
    """The item around a step is seen again after a list of its own, and in branches without a list."""
    own = put("own", "${item}", "fx.do", foreach="${item}", max_parallel=2)
    inner = {
        "id": "inner",
        "foreach": "${steps.own}",
        "parallel": [[put("deep", "${index}${item}", "fx.do")]],
    }
    plain = {"id": "plain", "parallel": [[put("far", "${item}")]]}
    run = ran(units, hands, ways([["x", "y"], ["z"]], [own, inner, plain, put("z", "${steps.inner} ${index} ${item}")]))
    assert run.status == "succeeded", run.error
    assert run.output == [['[["0x"],["1y"]] 0 ["x","y"]'], ['[["0z"]] 1 ["z"]']]
    called = hands.keys()
    assert [key for key in called if "deep" in key] == [
        "ways[0]/inner[0]/deep", "ways[0]/inner[1]/deep", "ways[1]/inner[0]/deep",
    ]  # fmt: skip
    assert {key for key in called if "own" in key} == {"ways[0]/own[0]", "ways[0]/own[1]", "ways[1]/own[0]"}


def test_a_condition_sees_the_item(units: SqlUnitsOfWork, hands: Hands) -> None:
    run = ran(units, hands, ways([1, 2], [put("a", "always"), put("b", "second", **{"if": "item > 1"})]))
    assert run.output == [["always"], ["second"]]


def test_long_names_give_keys_that_every_store_takes(units: SqlUnitsOfWork, hands: Hands) -> None:
    outer, inner = ways([1], [], id="o" * 100), ways([1], [put("i" * 100, 1, "fx.do")], id="p" * 100)
    outer["parallel"] = [[inner]]
    run = ran(units, hands, outer)
    (call,) = (call for call in hands.calls if "i" * 100 in call.idempotency_key)
    assert run.status == "succeeded" and len(call.idempotency_key) == 36 + 1 + 32 + 1 + 100


@pytest.mark.parametrize("side_by_side", [1, 2])
def test_a_failed_branch_fails_its_item_once_the_others_have_ended(
    units: SqlUnitsOfWork, hands: Hands, side_by_side: int
) -> None:
    odd = [put("odd", "${item}", "fx.odd")]
    run = ran(units, hands, ways([0, 1, 2, 4, 6, 8], odd, SAY, max_parallel=side_by_side))
    assert run.status == "failed" and run.error is not None
    assert (run.error["step_id"], run.error["details"]["failed_step"]) == ("ways", "odd")
    called = hands.keys()
    assert "ways[1]/b" in called and "ways[8]/b" not in called


@pytest.mark.parametrize("side_by_side", [1, 3])
def test_failed_items_are_outputs_where_the_step_goes_on(
    units: SqlUnitsOfWork, hands: Hands, side_by_side: int
) -> None:
    odd = [put("odd", "${item}", "fx.odd")]
    run = ran(units, hands, ways([0, 1, 2], odd, SAY, max_parallel=side_by_side, on_error="continue"))
    assert run.status == "succeeded"
    assert [one if isinstance(one, list) else one["error"]["step_id"] for one in run.output] == [
        [0, 0], "ways", [2, 2],
    ]  # fmt: skip


def test_the_run_counts_the_items_of_the_steps_in_branches(units: SqlUnitsOfWork, hands: Hands) -> None:
    odd = [put("odd", "${item}", "fx.odd")]
    run = ran(units, hands, ways([0, 1, 2], odd, SAY, max_parallel=3, on_error="continue"))
    with units(read_only=True) as unit:
        steps = steps_with_parts(unit.runs.journal(run.id), unit.runs.parts(run.id))
    counted = {
        one.id: one.items and (one.status, one.items.total, one.items.succeeded, one.items.failed)
        for one in steps.values()
    }
    assert counted == {
        "ways": ("succeeded", 3, 2, 1),
        "odd": ("failed", 3, 2, 1),
        "b": ("succeeded", 3, 3, 0),
    }


def test_a_cancelled_run_takes_all_of_it_along(units: SqlUnitsOfWork, ledger: SqlRunLedger, engine: Engine) -> None:
    hands, clock = Hands(ledger, {"pure.sleep": flow_sleep_tool().run}), SystemClock()
    nap = [step("nap", "pure.sleep", **{"with": {"seconds": 9}})]
    (run_id,) = queued(units, stored(units, pipeline(ways([600, 700], nap, max_parallel=2))))
    hands.executor.drain()
    herald = Herald.silent(clock)
    with units() as unit:
        cancel_run(unit, unit.runs.get(run_id), clock.now(), herald.opened(unit, "run.canceled"))
    for _ in range(3):
        Waker(units=units, queue=hands.bell, clock=clock, herald=herald).tidy()
        hands.executor.drain()
    with engine.begin() as connection:
        assert connection.execute(text("SELECT DISTINCT status FROM runs")).scalars().all() == ["canceled"]
        assert connection.execute(text("SELECT count(*) FROM waits")).scalar_one() == 0


class Dead(BaseException):
    """The worker is gone."""


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    items=st.integers(0, 9),
    branches=st.integers(1, 3),
    side_by_side=st.integers(1, 4),
    deaths=st.sets(st.integers(0, 40), max_size=6),
)
def test_whenever_workers_die_no_finished_effect_is_repeated(
    units: SqlUnitsOfWork, engine: Engine, items: int, branches: int, side_by_side: int, deaths: set[int]
) -> None:
    """At the calls in `deaths` the worker dies, before anything has happened."""
    done: Counter[str] = Counter()
    ledger, calls = make_ledger(engine), 0

    def fragile(call: ToolCall) -> Any:
        nonlocal calls
        calls += 1
        if calls - 1 in deaths:
            raise Dead
        done[call.idempotency_key] += 1
        return call.arguments["v"]

    lines = [
        [put(f"s{n}", f"{n}-${{item}}", "fx.do"), put(f"t{n}", f"${{steps.s{n}}}", "fx.do")] for n in range(branches)
    ]
    loop = ways(list(range(items)), *lines, max_parallel=side_by_side)
    (run_id,) = queued(units, stored(units, pipeline(loop, max_retries=20)))
    for life in range(20):
        hands = Hands(ledger, {"fx.do": fragile}, owner=f"node/{life}")
        try:
            hands.executor.drain()
            break
        except Dead:
            ledger.rescue([f"node/{life}"])
    run = get(units, run_id)
    assert run.status == "succeeded", run.error
    assert run.output == [[f"{n}-{item}" for n in range(branches)] for item in range(items)]
    assert len(done) == items * branches * 2 and set(done.values()) <= {1}


def test_what_others_gave_is_not_read_again_for_each_item(units: SqlUnitsOfWork, ledger: SqlRunLedger) -> None:
    hands = Hands(ledger, {"pure.echo": echo, "fx.odd": odd_fails})
    asked: list[int] = []
    parts = ledger.parts

    def counted(run_id: str, ids: Any = ()) -> Any:
        found = parts(run_id, ids)
        asked.append(len(found))
        return found

    ledger.parts = counted  # type: ignore[method-assign]
    ran(units, hands, ways(list(range(5)), [put("a", 1)], [put("b", 2)]))
    assert asked == [2] * 5


def test_a_run_that_repeats_another_does_only_the_items_that_are_not_done(
    units: SqlUnitsOfWork, ledger: SqlRunLedger
) -> None:
    broken = {"two"}

    def fragile(call: ToolCall) -> Any:
        if call.arguments["v"] in broken:
            raise ToolFailed("Broken", retryable=False)
        return call.arguments["v"]

    hands, clock = Hands(ledger, {"fx.do": fragile}), SystemClock()
    branches = [put("a", "${item}", "fx.do")], [put("b", "${item}", "fx.do")]
    first = ran(units, hands, ways(["one", "two", "three"], *branches))
    assert first.status == "failed"
    broken.clear()
    hands.calls.clear()
    reruns = RerunService(units=units, queue=hands.bell, clock=clock, herald=Herald.silent(clock))
    again, _ = reruns.rerun(first.id, RerunRequest(), caller=LOCAL, request_id="")
    hands.executor.drain()
    assert get(units, again.id).output == [["one"] * 2, ["two"] * 2, ["three"] * 2]
    keys = hands.keys()
    called = {key.partition("/")[0] for key in keys}
    assert called == {"ways[1]", "ways[2]"}

"""Steps for each item of a list, and branches side by side, on both databases."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, text

from app.domain.clock import SystemClock
from app.domain.journal import steps_with_parts
from app.domain.runs import Run
from app.services import steps
from app.services.lifecycle import Herald
from app.services.run_ends import cancel_run
from app.services.waking import Waker
from app.storage import ledger as stored_ledger
from app.storage import runs as stored_runs
from app.storage.ledger import SqlRunLedger
from app.storage.unit_of_work import SqlUnitsOfWork
from app.tools.flow import flow_sleep_tool
from ordinaut import ToolCall, ToolFailed
from tests.contract.conftest import make_ledger
from tests.fakes.hands import Hands, in_thread
from tests.fakes.pipelines import get, pipeline, step
from tests.fakes.rows import queued, stored


def echo(call: ToolCall) -> Any:
    """What it is given."""
    return call.arguments["v"]


def odd_fails(call: ToolCall) -> Any:
    """An effect that odd numbers do not get."""
    if call.arguments["v"] % 2:
        raise ToolFailed("Odd", retryable=False)
    return call.arguments["v"]


def each(items: Any, uses: str = "pure.echo", **keys: Any) -> dict[str, Any]:
    """A step for each of these."""
    return step("each", uses, foreach=items, **{"with": {"v": "${item}"}, **keys})


def ran(units: SqlUnitsOfWork, hands: Hands, *given: dict[str, Any], **fields: Any) -> Run:
    """The run of these steps, once nothing is left to do."""
    (run_id,) = queued(units, stored(units, pipeline(*given, **{"max_retries": 0, **fields})))
    hands.executor.drain()
    return get(units, run_id)


@pytest.fixture
def hands(ledger: SqlRunLedger) -> Hands:
    """A worker."""
    return Hands(ledger, {"pure.echo": echo, "fx.do": echo, "fx.odd": odd_fails})


@pytest.mark.parametrize(("side_by_side", "whole"), [(1, [0, 1, 2]), (2, [0, 1])])
def test_items_are_cut_once_all_together_take_too_much(
    units: SqlUnitsOfWork, hands: Hands, monkeypatch: pytest.MonkeyPatch, side_by_side: int, whole: list[int]
) -> None:
    monkeypatch.setattr(steps, "ITEMS_LIMIT_BYTES", 10_000)
    run = ran(units, hands, each([str(n) * 3_000 for n in range(6)], max_parallel=side_by_side))
    assert run.status == "succeeded"
    assert [n for n, one in enumerate(run.output) if isinstance(one, str)] == whole
    cut = run.output[-1]
    assert cut["truncated"] and cut["bytes"] == 3_002 and cut["excerpt"] == '"' + "5" * 255


def test_what_was_kept_counts_for_whoever_takes_over(
    engine: Engine, units: SqlUnitsOfWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steps, "ITEMS_LIMIT_BYTES", 10_000)
    ledger = make_ledger(engine, lease_seconds=0.0)
    begun, never = threading.Event(), threading.Event()

    def hangs_at_four(call: ToolCall) -> Any:
        if call.arguments["v"].startswith("4"):
            begun.set()
            never.wait()
        return call.arguments["v"]

    (run_id,) = queued(units, stored(units, pipeline(each([str(n) * 3_000 for n in range(6)], "fx.do"))))
    in_thread(Hands(ledger, {"fx.do": hangs_at_four}).executor.drain)
    assert begun.wait(10) and ledger.rescue() == 1
    Hands(ledger, {"fx.do": echo}, owner="node/2").executor.drain()
    output = get(units, run_id).output
    assert [isinstance(one, str) for one in output] == [True] * 3 + [False] * 3


@pytest.mark.parametrize("many", [1, 2])
def test_journals_of_parts_are_read_in_pages(
    units: SqlUnitsOfWork, hands: Hands, monkeypatch: pytest.MonkeyPatch, many: int
) -> None:
    for module in (stored_ledger, stored_runs):
        monkeypatch.setattr(module, "JOURNAL_ROWS", many)
    run = ran(units, hands, each([*range(9)], "fx.do", max_parallel=3))
    assert run.output == [*range(9)]
    with units(read_only=True) as unit:
        assert len(unit.runs.parts(run.id)) == 3
        done = [one for part in unit.runs.parts(run.id, "log") for one in part if one.body.get("status") == "succeeded"]
    assert len([one for one in done if one.kind == "step"]) == 9


@pytest.mark.parametrize("side_by_side", [1, 3])
@pytest.mark.parametrize("uses", ["pure.echo", "fx.do"])
def test_outputs_come_in_the_order_of_the_items(
    units: SqlUnitsOfWork, hands: Hands, uses: str, side_by_side: int
) -> None:
    after = step("after", "pure.echo", **{"with": {"v": "${steps.each[1]}"}})
    run = ran(units, hands, each([{"n": n} for n in range(7)], uses, max_parallel=side_by_side), after)
    assert (run.status, run.output) == ("succeeded", {"n": 1})
    assert [call.arguments["v"]["n"] for call in hands.calls if "each" in call.idempotency_key] == (
        [*range(7)] if side_by_side == 1 else [0, 3, 6, 1, 4, 2, 5]
    )


@pytest.mark.parametrize("items", [[], "${params.none || `[]`}"])
def test_no_items_give_an_empty_list(units: SqlUnitsOfWork, hands: Hands, items: Any) -> None:
    run = ran(units, hands, each(items, max_parallel=4))
    assert (run.status, run.output) == ("succeeded", [])


@pytest.mark.parametrize("items", ["${params.n}", "${params}"])
def test_what_is_no_list_fails_the_step(units: SqlUnitsOfWork, hands: Hands, items: str) -> None:
    run = ran(units, hands, each(items))
    assert run.error is not None and run.error["type"] == "invalid_items"


def test_index_and_steps_are_seen_by_each_item(units: SqlUnitsOfWork, hands: Hands) -> None:
    first = step("first", "pure.echo", **{"with": {"v": 10}})
    look: dict[str, Any] = {"with": {"v": "${index}:${item}:${steps.first}:${run.id}"}}
    run = ran(units, hands, first, each(["a", "b"], max_parallel=2, **look))
    assert run.output == [f"0:a:10:{run.id}", f"1:b:10:{run.id}"]


@pytest.mark.parametrize("side_by_side", [1, 3])
def test_failed_items_are_outputs_where_the_step_goes_on(
    units: SqlUnitsOfWork, hands: Hands, side_by_side: int
) -> None:
    run = ran(units, hands, each([0, 1, 2], "fx.odd", max_parallel=side_by_side, on_error="continue"))
    assert run.status == "succeeded"
    assert [one if isinstance(one, int) else one["error"]["type"] for one in run.output] == [0, "tool_failed", 2]


@pytest.mark.parametrize("side_by_side", [1, 2])
def test_a_failed_item_fails_the_step(units: SqlUnitsOfWork, hands: Hands, side_by_side: int) -> None:
    run = ran(units, hands, each([0, 1, 2, 4, 6, 8], "fx.odd", max_parallel=side_by_side))
    assert run.status == "failed" and run.error is not None
    assert (run.error["type"], run.error["step_id"]) == ("tool_failed", "each")


def test_parts_stop_once_a_sibling_has_failed(units: SqlUnitsOfWork, hands: Hands) -> None:
    ran(units, hands, each([1, *[0] * 199], "fx.odd", max_parallel=2))
    assert len(hands.calls) < 100


def test_each_item_has_a_key_of_its_own_that_lasts(units: SqlUnitsOfWork, hands: Hands) -> None:
    run = ran(units, hands, each([5, 6, 7], "fx.do", max_parallel=2))
    assert sorted(call.idempotency_key for call in hands.calls) == [f"{run.id}:each[{n}]" for n in range(3)]


def test_items_are_tried_again_by_themselves(units: SqlUnitsOfWork, ledger: SqlRunLedger) -> None:
    tried: Counter[int] = Counter()

    def second_time(call: ToolCall) -> Any:
        tried[call.arguments["v"]] += 1
        if tried[call.arguments["v"]] < 2:
            raise ToolFailed("Not yet")
        return call.arguments["v"]

    hands = Hands(ledger, {"fx.do": second_time})
    run = ran(units, hands, each([1, 2, 3], "fx.do", max_parallel=2, max_retries=1))
    assert (run.status, run.output, tried) == ("succeeded", [1, 2, 3], Counter({1: 2, 2: 2, 3: 2}))


def test_a_worker_that_dies_repeats_no_finished_item(units: SqlUnitsOfWork, engine: Engine) -> None:
    """Every seventh call kills the worker, until all items are done."""
    done: Counter[int] = Counter()
    first = make_ledger(engine)

    class Dead(BaseException):
        pass

    def fragile(call: ToolCall) -> Any:
        item = call.arguments["v"]
        if done.total() % 7 == 6 and done[item] == 0:
            done[-1] += 1
            raise Dead
        done[item] += 1
        return item

    (run_id,) = queued(units, stored(units, pipeline(each(list(range(60)), "fx.do", max_parallel=4), max_retries=10)))
    for life in range(200):
        hands = Hands(first, {"fx.do": fragile}, owner=f"node/{life}")
        try:
            hands.executor.drain()
        except Dead:
            first.rescue([f"node/{life}"])
        if get(units, run_id).status == "succeeded":
            break
    run = get(units, run_id)
    assert (run.status, run.output) == ("succeeded", list(range(60)))
    assert {item: count for item, count in done.items() if item >= 0 and count > 1} == {}


def test_branches_run_side_by_side_and_later_steps_see_their_outputs(units: SqlUnitsOfWork, hands: Hands) -> None:
    def put(name: str, value: Any) -> dict[str, Any]:
        return step(name, "pure.echo", **{"with": {"v": value}})

    nested = {"id": "inner", "parallel": [[put("c", 3)], [put("d", 4)]]}
    both = {"id": "both", "parallel": [[put("a", 1), put("a2", "${steps.a}")], [put("b", 2), nested]]}
    run = ran(units, hands, put("first", 0), both, put("last", "${steps.a2}-${steps.d}-${steps.both}"))
    assert (run.status, run.output) == ("succeeded", "1-4-[1,[3,4]]")


def test_a_failed_branch_fails_the_step_once_the_others_have_ended(units: SqlUnitsOfWork, hands: Hands) -> None:
    bad, good = step("bad", "fx.odd", **{"with": {"v": 1}}), step("good", "fx.do", **{"with": {"v": 1}})
    run = ran(units, hands, {"id": "both", "parallel": [[bad], [good]]})
    assert run.status == "failed" and run.error is not None
    assert (run.error["step_id"], run.error["details"]["failed_step"]) == ("both", "bad")
    assert len(hands.calls) == 2


def test_four_workers_share_the_items(units: SqlUnitsOfWork, engine: Engine) -> None:
    at_once, most, lock = 0, 0, threading.Lock()
    all_four = threading.Barrier(4, timeout=10)

    def counted(call: ToolCall) -> Any:
        nonlocal at_once, most
        with lock:
            at_once += 1
            most = max(most, at_once)
        if call.arguments["v"] < 4:
            all_four.wait()
        with lock:
            at_once -= 1
        return call.arguments["v"]

    (run_id,) = queued(units, stored(units, pipeline(each(list(range(40)), "fx.do", max_parallel=4))))
    workers = [Hands(make_ledger(engine), {"fx.do": counted}, owner=f"node/{n}") for n in range(4)]
    stop = threading.Event()

    def work(hands: Hands) -> None:
        while not stop.is_set():
            hands.executor.drain()

    threads = [threading.Thread(target=work, args=(hands,)) for hands in workers]
    for thread in threads:
        thread.start()
    try:
        _until(lambda: get(units, run_id).status == "succeeded")
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert (get(units, run_id).output, most) == (list(range(40)), 4)


def _until(holds: Callable[[], bool]) -> None:
    for _ in range(3000):
        if holds():
            return
        threading.Event().wait(0.01)
    raise AssertionError


def test_ten_thousand_items(units: SqlUnitsOfWork, hands: Hands) -> None:
    run = ran(units, hands, each(list(range(10_000)), max_parallel=50))
    assert run.status == "succeeded"
    assert run.output == list(range(10_000))


def test_parts_are_seen_in_their_run_and_nowhere_else(units: SqlUnitsOfWork, hands: Hands, engine: Engine) -> None:
    branch = [step("a", "fx.do", **{"with": {"v": 1}})]
    run = ran(units, hands, each([1, 2, 3], "fx.do", max_parallel=3), {"id": "both", "parallel": [branch]})
    with units(read_only=True) as unit:
        assert unit.runs.latest(run.task_id) == run
        steps = steps_with_parts(unit.runs.journal(run.id), unit.runs.parts(run.id))
    assert [(one.id, one.status) for one in steps.values()] == [
        ("each", "succeeded"), ("both", "succeeded"), ("a", "succeeded"),
    ]  # fmt: skip
    items = steps["each"].items
    assert items is not None and (items.total, items.succeeded) == (3, 3)
    with engine.begin() as connection:
        assert connection.execute(text("SELECT count(*) FROM runs")).scalar_one() == 5


@pytest.mark.parametrize("side_by_side", [1, 2])
def test_items_may_wait(units: SqlUnitsOfWork, ledger: SqlRunLedger, engine: Engine, side_by_side: int) -> None:
    hands = Hands(ledger, {"pure.sleep": flow_sleep_tool().run})
    nap: dict[str, Any] = {"with": {"seconds": "${item}"}}
    napping = each([600, 700, 800], "pure.sleep", max_parallel=side_by_side, **nap)
    (run_id,) = queued(units, stored(units, pipeline(napping)))
    waker = Waker(units=units, queue=hands.bell, clock=SystemClock(), herald=Herald.silent(SystemClock()))
    for _ in range(4):
        hands.executor.drain()
        with engine.begin() as connection:
            connection.execute(text("UPDATE waits SET due_at = 1 WHERE due_at IS NOT NULL"))
        waker.look()
    run = get(units, run_id)
    assert (run.status, len(run.output)) == ("succeeded", 3)


def test_a_cancelled_run_takes_its_parts_along(units: SqlUnitsOfWork, ledger: SqlRunLedger, engine: Engine) -> None:
    hands, clock = Hands(ledger, {"pure.sleep": flow_sleep_tool().run}), SystemClock()
    napping = each([600, 700], "pure.sleep", max_parallel=2, **{"with": {"seconds": 9}})
    (run_id,) = queued(units, stored(units, pipeline(napping)))
    hands.executor.drain()
    herald = Herald.silent(clock)
    with units() as unit:
        cancel_run(unit, unit.runs.get(run_id), clock.now(), herald.opened(unit, "run.canceled"))
    Waker(units=units, queue=hands.bell, clock=clock, herald=herald).tidy()
    with engine.begin() as connection:
        assert connection.execute(text("SELECT DISTINCT status FROM runs")).scalars().all() == ["canceled"]
        assert connection.execute(text("SELECT count(*) FROM waits")).scalar_one() == 0


def test_the_error_of_an_item_can_be_used_in_templates(units: SqlUnitsOfWork, hands: Hands) -> None:
    after = step("after", "pure.echo", **{"with": {"v": "${steps.each[?error].error.message | [0]}"}})
    run = ran(units, hands, each([{"v": 1}], "pure.none", on_error="continue"), after)
    assert (run.status, run.output) == ("succeeded", "There is no tool named pure.none")


def test_parts_are_kept_while_their_run_may_ask_for_them(
    units: SqlUnitsOfWork, ledger: SqlRunLedger, engine: Engine
) -> None:
    hands = Hands(ledger, {"pure.echo": echo, "pure.sleep": flow_sleep_tool().run})
    branches = [[step("a", "pure.echo", **{"with": {"v": 1}})], [step("b", "pure.sleep", **{"with": {"seconds": 9}})]]
    run = ran(units, hands, {"id": "both", "parallel": branches})
    later = datetime.now(UTC) + timedelta(days=1)
    with units() as unit:
        assert unit.runs.purge(later, 10) == 0
    with engine.begin() as connection:
        connection.execute(text("UPDATE runs SET status = 'canceled', finished_at = 1 WHERE id = :id"), {"id": run.id})
    with units() as unit:
        assert unit.runs.purge(later, 10) == 2

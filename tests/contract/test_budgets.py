"""Budgets on both databases: counted exactly, whoever counts at the same moment, and told of once."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, text

from app.domain.budgets import MOST_USED, Budget, Count, Price, Prices, Spender, starts
from app.domain.errors import NotFound
from app.services.lifecycle import Herald
from app.services.maintenance import Housekeeper
from app.services.spending import Spending
from app.storage.ledger import SqlRunLedger
from app.storage.unit_of_work import SqlUnitsOfWork
from app.telemetry import attach, detach
from tests.fakes.hands import Bell, Hands, counting
from tests.fakes.pipelines import get, pipeline, step
from tests.fakes.rows import queued, stored
from tests.fakes.task_world import TurnedClock

CALL = Spender(agent_id="ana", task_id="t", tool="http.request")
ANSWER = {"usage": {"total_tokens": 1500}}
NOW = datetime(2026, 11, 24, 8, tzinfo=UTC)
TODAY = starts("day", NOW)


class World:
    """A database with budgets, and what was told of them."""

    def __init__(self, units: SqlUnitsOfWork, **prices: Price) -> None:
        self.units = units
        self.clock = TurnedClock(NOW)
        named = Prices({name.replace("_", "."): price for name, price in prices.items()})
        self.spending = Spending(units=units, clock=self.clock, herald=Herald.silent(self.clock), prices=named)
        self.told: Counter[str] = Counter()

    def hear(self, event: str, facts: dict[str, Any]) -> None:
        self.told[event] += event.startswith("budget.")

    def put(self, name: str, **fields: Any) -> None:
        with self.units() as unit:
            unit.budgets.put(Budget(name=name, **fields))

    def used(self, name: str) -> Count:
        with self.units(read_only=True) as unit:
            return unit.budgets.count(name, TODAY)

    def calls(self, count: int, **fields: Any) -> list[str | None]:
        """The budget that refused each call."""
        spent = [self.spending.begin(replace(CALL, **fields)) for _ in range(count)]
        return [None if one is None else one.budget.name for one in spent]


@pytest.fixture
def world(units: SqlUnitsOfWork) -> Iterator[World]:
    """An empty one; a thousand tokens of a model cost 0.4, a message 0.05."""
    one = World(units, llm_complete=Price(tokens=400_000), sms_send=Price(call=50_000))
    attach(one.hear)
    yield one
    detach(one.hear)


def test_those_who_race_get_exactly_what_there_is(world: World) -> None:
    world.put("all", soft=5, hard=17)
    world.put("agent", agent_id="ana", hard=100)
    refused: list[str | None] = []
    threads = [threading.Thread(target=lambda: refused.extend(world.calls(5))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert Counter(refused) == {None: 17, "all": 13}
    # What one budget refused is not counted against the others.
    assert (world.used("all").used, world.used("agent").used) == (17, 17)
    assert world.told == {"budget.warned": 1, "budget.exhausted": 1}
    assert world.used("all").state == "exhausted"


def test_a_call_that_is_refused_brings_no_other_budget_to_its_warning(world: World) -> None:
    world.put("all", soft=1, hard=9)
    world.put("none", hard=0)
    assert world.calls(1) == ["none"]
    assert (world.used("all"), world.told) == (Count(), {"budget.exhausted": 1})


def test_calls_of_which_nothing_is_told_do_not_wait_for_those_who_publish(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[tuple[str, ...]] = []
    real = Herald.opened

    def noted(herald: Herald, unit: Any, *topics: str) -> Any:
        opened.append(topics)
        return real(herald, unit, *topics)

    monkeypatch.setattr(Herald, "opened", noted)
    world.put("all", soft=3, hard=4)
    assert (world.calls(2), opened) == ([None, None], [])
    assert (world.calls(4), len(opened)) == ([None, None, "all", "all"], 2)
    assert world.told == {"budget.warned": 1, "budget.exhausted": 1}


@pytest.mark.parametrize(
    ("fields", "call", "counts"),
    [
        ({}, {}, True),
        ({"agent_id": "ana"}, {}, True),
        ({"agent_id": "ana"}, {"agent_id": "bob"}, False),
        ({"task_id": "t"}, {}, True),
        ({"task_id": "t"}, {"task_id": None}, False),
        ({"tool": "http.request"}, {}, True),
        ({"tool": "http.request"}, {"tool": "http.requests"}, False),
        ({"tool": "http.*"}, {}, True),
        ({"tool": "*"}, {"tool": "x.y"}, True),
        ({"agent_id": "ana", "tool": "x.*"}, {}, False),
    ],
)  # fmt: skip
def test_which_calls_count(world: World, fields: dict[str, Any], call: dict[str, Any], counts: bool) -> None:
    world.put("one", hard=1, **fields)
    assert world.calls(2, **call) == ([None, "one"] if counts else [None, None])


def test_tokens_are_counted_once_they_are_known(world: World) -> None:
    world.put("tokens", unit="tokens", soft=1500, hard=2000)
    ask = replace(CALL, tool="llm.complete")
    for output in (ANSWER, {"usage": {"total_tokens": None}}, {"usage": None}, "text", {"usage": {"total_tokens": -5}}):
        assert world.spending.begin(ask) is None
        world.spending.end(ask, output)
    assert (world.used("tokens").used, world.used("tokens").state) == (1500, "warned")
    world.spending.end(ask, ANSWER)
    assert world.calls(1, tool="llm.complete") == ["tokens"]


def test_what_no_tool_can_have_taken_counts_as_nothing_and_counts_have_an_end(world: World) -> None:
    world.put("tokens", unit="tokens", hard=2000)
    world.spending.end(CALL, {"usage": {"total_tokens": 10**30}})
    assert world.used("tokens") == Count()
    with world.units() as unit:
        assert unit.budgets.add("tokens", TODAY, 10**30) == MOST_USED
        assert unit.budgets.add("tokens", TODAY, 7) == MOST_USED
        assert unit.budgets.add("tokens", TODAY, 1, 2000) is None
        assert unit.budgets.add("tokens", TODAY, -7) == MOST_USED - 7


def test_money_is_counted_in_millionths(world: World) -> None:
    world.put("money", unit="money", hard=1_000_000)
    for _ in range(1000):
        world.spending.end(replace(CALL, tool="llm.complete"), {"usage": {"total_tokens": 2}})
    assert world.used("money").used == 800_000
    assert world.calls(5, tool="sms.send") == [None, None, None, None, "money"]
    # What costs nothing, as far as is known, may go on until all is used up.
    assert world.calls(1) == ["money"]


def test_a_new_window_begins_with_nothing_used(world: World, ledger: SqlRunLedger) -> None:
    world.put("day", hard=1)
    world.put("month", window="month", hard=2)
    assert world.calls(2) == [None, "day"]
    world.clock.moment = NOW + timedelta(days=1)
    assert world.calls(2) == [None, "day"]
    world.clock.moment = NOW + timedelta(days=2)
    assert world.calls(1) == ["month"]
    refused = world.spending.begin(CALL)
    assert refused is not None and refused.ends_at == datetime(2026, 12, 1, tzinfo=UTC)
    world.clock.moment = NOW + timedelta(days=70)
    assert world.calls(1) == [None]
    assert world.used("day") == Count(used=1, told=2)
    Housekeeper(ledger=ledger, units=world.units, queue=Bell(), clock=world.clock, retention_days=1).purge()
    assert world.used("day") == Count()


def test_what_is_set_anew_keeps_what_was_used_and_deleting_forgets_it(world: World) -> None:
    world.put("one", hard=1)
    assert world.calls(2) == [None, "one"]
    world.put("one", hard=2)
    assert world.calls(2) == [None, "one"]
    with world.units() as unit:
        unit.budgets.delete("one")
        assert unit.budgets.count("one", TODAY) == Count()
        with pytest.raises(NotFound):
            unit.budgets.get("one")
        with pytest.raises(NotFound):
            unit.budgets.delete("one")


def test_a_run_that_waits_for_a_budget_looks_within_the_hour_whether_it_was_raised(
    world: World, ledger: SqlRunLedger, engine: Engine
) -> None:
    # In the middle of a day: its window goes on for hours.
    world.put("none", hard=0, then="wait")
    (run_id,) = queued(world.units, stored(world.units, pipeline(step("a"))))
    hands = Hands(ledger, {"fx.do": lambda call: "done"}, allowances=counting(world.units, world.clock))
    assert (hands.executor.drain(), hands.calls, get(world.units, run_id).status) == (1, [], "queued")
    world.put("none", hard=1, then="wait")
    assert hands.executor.drain() == 0
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE runs SET available_at = available_at - {3600 * 1_000_000}, rank = 0"))
    assert hands.executor.drain() == 1
    assert get(world.units, run_id).status == "succeeded"


def test_prices_go_by_the_longest_name() -> None:
    prices = Prices({"*": Price(call=1), "ext.*": Price(call=2), "ext.sms": Price(call=3)})
    assert [prices.of(tool).call for tool in ("x", "ext.other", "ext.sms")] == [1, 2, 3]
    assert Prices({}).of("x") == Price()
    assert Price(tokens=400_000).of(1) == 400

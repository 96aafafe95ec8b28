"""Counts calls, and what they take, against budgets."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from app.domain.budgets import (
    EXHAUSTED,
    WARNED,
    Budget,
    BudgetUnitOfWork,
    BudgetUnits,
    Count,
    Exhausted,
    Price,
    Prices,
    Spender,
    budget_facts,
    ends,
    starts,
    tokens_of,
)
from app.domain.clock import Clock
from app.domain.errors import Unavailable
from app.services.lifecycle import Herald, Telling
from app.telemetry import emit

News = tuple[int, Budget, int]
"""What is to be told, of which budget, and how much of it is used."""
TOPICS = {WARNED: "budget.warned", EXHAUSTED: "budget.exhausted"}


class Spending:
    """For whoever calls tools; any number may count at once, over all processes."""

    def __init__(self, *, units: BudgetUnits, clock: Clock, herald: Herald, prices: Prices) -> None:
        self._units = units
        self._clock = clock
        self._herald = herald
        self._prices = prices

    def begin(self, call: Spender) -> Exhausted | None:
        """Count a call that is about to begin against all budgets that mean it, or against none of them.

        Tokens, and what they cost, are known only afterwards: such a budget lets a call begin while anything is left.
        """
        price, now = self._prices.of(call.tool), self._clock.now()
        spent, news = self._counting(call, lambda unit, budgets: _begun(unit, budgets, price, now))
        self._tell(news, now)
        return spent

    def end(self, call: Spender, output: Any) -> None:
        """Count what a call took that has succeeded."""
        tokens, now = tokens_of(output), self._clock.now()
        if not tokens:
            return
        amounts = {"tokens": tokens, "money": self._prices.of(call.tool).of(tokens)}
        _, news = self._counting(call, lambda unit, budgets: _ended(unit, budgets, amounts, now))
        self._tell(news, now)

    def _counting(
        self, call: Spender, count: Callable[[BudgetUnitOfWork, Sequence[Budget]], tuple[Exhausted | None, list[News]]]
    ) -> tuple[Exhausted | None, list[News]]:
        with self._units(read_only=True) as unit:
            budgets = [one for one in (*unit.budgets.all(), *_granted(unit, call)) if one.means(call)]
        if not budgets:
            return None, []
        # In one order, in which all who count take their rows: nobody waits for somebody who waits for them.
        budgets.sort(key=lambda budget: budget.name)
        with self._units() as unit:
            return count(unit, budgets)

    def _tell(self, news: Sequence[News], now: datetime) -> None:
        """Apart from the counting, which is not to wait for those who publish."""
        if not news:
            return
        # It has been counted: what cannot be told now is told with the next call.
        with suppress(Unavailable), self._units() as unit:
            telling = self._herald.opened(unit, *TOPICS.values())
            for one in news:
                _told(unit, one, now, telling)


def _granted(unit: BudgetUnitOfWork, call: Spender) -> Sequence[Budget]:
    """The calls a day that the task's grant allows."""
    standing = unit.grants.standing(call.task_id) if call.task_id else ()
    most = next((one.terms.calls_per_day for one in standing if one.status == "accepted"), None)
    return [] if most is None else [Budget(name=f"grant:{call.task_id}", task_id=call.task_id, hard=most)]


def _begun(
    unit: BudgetUnitOfWork, budgets: Sequence[Budget], price: Price, now: datetime
) -> tuple[Exhausted | None, list[News]]:
    amounts = {"calls": 1, "money": price.call}
    counted: list[tuple[Budget, int, int]] = []
    for budget in budgets:
        amount, began = amounts.get(budget.unit, 0), starts(budget.window, now)
        used = unit.budgets.add(budget.name, began, amount, budget.hard)
        if used is None:
            for earlier, taken, _ in counted:
                unit.budgets.add(earlier.name, starts(earlier.window, now), -taken)
            ended = ends(budget.window, now)
            spent = Exhausted(budget=budget, ends_at=ended, delay=ended - now)
            return spent, _new(unit, EXHAUSTED, budget, unit.budgets.count(budget.name, began).used, now)
        counted.append((budget, amount, used))
    return None, [one for budget, _, used in counted for one in _warned(unit, budget, used, now)]


def _ended(
    unit: BudgetUnitOfWork, budgets: Sequence[Budget], amounts: Mapping[str, int], now: datetime
) -> tuple[None, list[News]]:
    news: list[News] = []
    for budget in budgets:
        if amount := amounts.get(budget.unit):
            used = unit.budgets.add(budget.name, starts(budget.window, now), amount)
            news += _warned(unit, budget, used or 0, now)
    return None, news


def _warned(unit: BudgetUnitOfWork, budget: Budget, used: int, now: datetime) -> list[News]:
    return [] if budget.soft is None or used < budget.soft else _new(unit, WARNED, budget, used, now)


def _new(unit: BudgetUnitOfWork, what: int, budget: Budget, used: int, now: datetime) -> list[News]:
    """What is to be told, unless that or more has been told in this window."""
    told = unit.budgets.count(budget.name, starts(budget.window, now)).told
    return [] if told >= what else [(what, budget, used)]


def _told(unit: BudgetUnitOfWork, news: News, now: datetime, telling: Telling) -> None:
    """Once in each window, whoever else has found the same."""
    what, budget, used = news
    if unit.budgets.tell(budget.name, starts(budget.window, now), what):
        facts = budget_facts(budget, Count(used=used), now)
        telling.tell(TOPICS[what], facts)
        soft, told = what == WARNED, {"name": budget.name, "used": facts["used"], "hard": facts["hard"]}
        unit.after_commit(lambda: emit("budget.warned" if soft else "budget.exhausted", **told))

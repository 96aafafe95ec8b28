"""Counts calls, and what they take, against budgets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from app.domain.budgets import (
    EXHAUSTED,
    KEPT,
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
from app.services.lifecycle import Herald, Telling
from app.telemetry import emit

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
        price = self._prices.of(call.tool)
        return self._counting(call, lambda unit, budgets, now, told: _begun(unit, budgets, price, now, told))

    def end(self, call: Spender, output: Any) -> None:
        """Count what a call took that has succeeded."""
        tokens = tokens_of(output)
        if not tokens:
            return
        cost = self._prices.of(call.tool).of(tokens)
        amounts = {"tokens": tokens, "money": cost}

        def count(unit: BudgetUnitOfWork, budgets: Sequence[Budget], now: datetime, telling: Telling) -> None:
            for budget in budgets:
                if amount := amounts.get(budget.unit):
                    used = unit.budgets.add(budget.name, starts(budget.window, now), amount)
                    _warn(unit, budget, used or 0, now, telling)

        self._counting(call, count)

    def _counting(
        self,
        call: Spender,
        count: Callable[[BudgetUnitOfWork, Sequence[Budget], datetime, Telling], Exhausted | None],
    ) -> Exhausted | None:
        now = self._clock.now()
        with self._units(read_only=True) as unit:
            budgets = [one for one in (*unit.budgets.all(), *_granted(unit, call)) if one.means(call)]
        if not budgets:
            return None
        # In one order, in which all who count take their rows: nobody waits for somebody who waits for them.
        budgets.sort(key=lambda budget: budget.name)
        with self._units() as unit:
            telling = self._herald.opened(unit, *TOPICS.values())
            return count(unit, budgets, now, telling)


def _granted(unit: BudgetUnitOfWork, call: Spender) -> Sequence[Budget]:
    """The calls a day that the task's grant allows."""
    standing = unit.grants.standing(call.task_id) if call.task_id else ()
    most = next((one.terms.calls_per_day for one in standing if one.status == "accepted"), None)
    return [] if most is None else [Budget(name=f"grant:{call.task_id}", task_id=call.task_id, hard=most)]


def _begun(
    unit: BudgetUnitOfWork, budgets: Sequence[Budget], price: Price, now: datetime, telling: Telling
) -> Exhausted | None:
    amounts = {"calls": 1, "money": price.call}
    counted: list[tuple[Budget, int, int]] = []
    for budget in budgets:
        amount, began = amounts.get(budget.unit, 0), starts(budget.window, now)
        used = unit.budgets.add(budget.name, began, amount, budget.hard)
        if used is None:
            for earlier, taken, _ in counted:
                unit.budgets.add(earlier.name, starts(earlier.window, now), -taken)
            _tell(unit, EXHAUSTED, (budget, unit.budgets.count(budget.name, began)), now, telling)
            return Exhausted(budget=budget, ends_at=ends(budget.window, now), delay=ends(budget.window, now) - now)
        if amount and used == amount:
            unit.budgets.tidy(now - KEPT)  # the first call of a window
        counted.append((budget, amount, used))
    for budget, _, used in counted:
        _warn(unit, budget, used, now, telling)
    return None


def _warn(unit: BudgetUnitOfWork, budget: Budget, used: int, now: datetime, telling: Telling) -> None:
    if budget.soft is not None and used >= budget.soft:
        _tell(unit, WARNED, (budget, Count(used=used)), now, telling)


def _tell(unit: BudgetUnitOfWork, what: int, of: tuple[Budget, Count], now: datetime, telling: Telling) -> None:
    """Once in each window."""
    budget, count = of
    if unit.budgets.tell(budget.name, starts(budget.window, now), what):
        facts = budget_facts(budget, count, now)
        telling.tell(TOPICS[what], facts)
        soft, told = what == WARNED, {"name": budget.name, "used": facts["used"], "hard": facts["hard"]}
        unit.after_commit(lambda: emit("budget.warned" if soft else "budget.exhausted", **told))

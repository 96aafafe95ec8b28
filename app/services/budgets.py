"""Budgets: setting them, and looking at what has been used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.domain.budgets import Budget, BudgetUnitOfWork, BudgetUnits, Count, ends, shown, starts
from app.domain.clock import Clock
from app.domain.errors import Conflict
from app.domain.texts import t
from app.services.audit_trail import Difference, entry
from ordinaut import Caller


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetView:
    """A budget with what has been used of it, and its present window."""

    budget: Budget
    count: Count
    starts_at: datetime
    ends_at: datetime


class BudgetService:
    """The use cases of budgets.

    Args:
        counting: Whether anything is counted at all.
    """

    def __init__(self, *, units: BudgetUnits, clock: Clock, counting: bool) -> None:
        self._units = units
        self._clock = clock
        self._counting = counting

    def all(self) -> Sequence[BudgetView]:
        """By name."""
        now = self._clock.now()
        with self._units(read_only=True) as unit:
            return [_viewed(unit, one, now) for one in unit.budgets.all()]

    def get(self, name: str) -> BudgetView:
        """The budget, or NotFound."""
        with self._units(read_only=True) as unit:
            return _viewed(unit, unit.budgets.get(name), self._clock.now())

    def put(self, budget: Budget, *, caller: Caller) -> BudgetView:
        """Set it, in place of any of that name; what was used stays.

        Raises:
            Conflict: Nothing is counted here, so that it would hold nobody.
        """
        if not self._counting:
            raise Conflict(t("ORDINAUT_GRANTS is off: nothing is counted"), name=budget.name)
        now = self._clock.now()
        with self._units() as unit:
            unit.budgets.put(budget)
            unit.audit.add(entry(now, caller, "budget.set", budget.name, Difference(after=_told(budget))))
            return _viewed(unit, budget, now)

    def delete(self, name: str, *, caller: Caller) -> None:
        """Remove it, or NotFound."""
        with self._units() as unit:
            before = unit.budgets.get(name)
            unit.budgets.delete(name)
            told = Difference(before=_told(before))
            unit.audit.add(entry(self._clock.now(), caller, "budget.deleted", name, told))


def _viewed(unit: BudgetUnitOfWork, budget: Budget, now: datetime) -> BudgetView:
    began = starts(budget.window, now)
    count = unit.budgets.count(budget.name, began)
    return BudgetView(budget=budget, count=count, starts_at=began, ends_at=ends(budget.window, now))


def _told(budget: Budget) -> dict[str, Any]:
    named = {"agent_id": budget.agent_id, "task_id": budget.task_id, "tool": budget.tool}
    limits = {"soft": shown(budget.unit, budget.soft), "hard": shown(budget.unit, budget.hard)}
    return {**named, "unit": budget.unit, "window": budget.window, **limits, "then": budget.then}

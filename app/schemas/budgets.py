"""Budgets on the wire."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from pydantic import ConfigDict, Field

from app.domain.budgets import Budget, BudgetUnit, BudgetWindow, State, Then, micros, shown
from app.domain.errors import InvalidInput, Problem
from app.domain.texts import t
from app.schemas.fields import STRICT, Body, Name
from app.schemas.shown import Shown, UtcTime
from app.services.budgets import BudgetView

NAME = r"^[A-Za-z][A-Za-z0-9_.-]{0,62}$"
TOOL = r"^(\*|[A-Za-z][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*(\.?\*)?)$"
Most = Annotated[int | float, Field(ge=0, le=1_000_000_000_000)]
_EXAMPLE: dict[str, Any] = {"tool": "llm.complete", "unit": "tokens", "window": "day", "soft": 80_000, "hard": 100_000}


class BudgetIn(Body):
    """How much may be used."""

    model_config = ConfigDict(**STRICT, json_schema_extra={"examples": [_EXAMPLE]})

    agent_id: Annotated[Name | None, Field(description="Whose calls count; null for everybody's")] = None
    task_id: Annotated[UUID | None, Field(strict=False, description="Calls of which task's runs; null for any")] = None
    tool: Annotated[
        str | None,
        Field(max_length=128, pattern=TOOL, description="Of which tool; `*` at its end means any rest"),
    ] = None
    unit: BudgetUnit = "calls"
    window: BudgetWindow = "day"
    soft: Annotated[Most | None, Field(description="From here on the platform tells of it")] = None
    hard: Annotated[Most | None, Field(description="No call begins that would go beyond")] = None
    then: Then = Field("fail", description="What a step does then: it fails, or waits for the next window")

    def made(self, name: str) -> Budget:
        """The same for the service.

        Raises:
            InvalidInput: It limits nothing, or its limits do not go together.
        """
        if problems := self._problems():
            raise InvalidInput(problems)
        counted = micros if self.unit == "money" else int
        soft, hard = (None if one is None else counted(one) for one in (self.soft, self.hard))
        return Budget(
            name=name,
            agent_id=self.agent_id,
            task_id=None if self.task_id is None else str(self.task_id),
            tool=self.tool,
            unit=self.unit,
            window=self.window,
            soft=soft,
            hard=hard,
            then=self.then,
        )

    def _problems(self) -> list[Problem]:
        if self.soft is None and self.hard is None:
            return [Problem("/hard", t("Give 'soft' or 'hard'"))]
        broken = [
            Problem(f"/{name}", t("It must be a whole number"))
            for name, one in (("soft", self.soft), ("hard", self.hard))
            if self.unit != "money" and one is not None and one != int(one)
        ]
        if self.soft is not None and self.hard is not None and self.soft > self.hard:
            broken.append(Problem("/soft", t("'soft' must not be more than 'hard'")))
        return broken


class BudgetOut(Shown):
    """A budget, and what has been used of it."""

    name: str
    agent_id: str | None
    task_id: str | None
    tool: str | None
    unit: BudgetUnit
    window: BudgetWindow
    soft: int | float | None
    hard: int | float | None
    then: Then
    used: int | float = Field(description="In the present window")
    state: State = Field(description="`warned`: `soft` was reached; `exhausted`: a call was refused")
    starts_at: UtcTime = Field(description="When the present window began: days and months are those of UTC")
    ends_at: UtcTime


class BudgetsOut(Shown):
    """All budgets, by name."""

    items: list[BudgetOut]


def budget_out(view: BudgetView) -> BudgetOut:
    """The budget as it is answered."""
    budget = view.budget
    same = ("name", "agent_id", "task_id", "tool", "unit", "window", "then")
    return BudgetOut(
        **{name: getattr(budget, name) for name in same},
        soft=shown(budget.unit, budget.soft),
        hard=shown(budget.unit, budget.hard),
        used=shown(budget.unit, view.count.used) or 0,
        state=view.count.state,
        starts_at=view.starts_at,
        ends_at=view.ends_at,
    )

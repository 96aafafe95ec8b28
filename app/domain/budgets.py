"""Budgets: how much agents, tasks and tools may call, ask of language models, and cost, by day or month."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal, Protocol

from app.domain.clock import rfc3339
from app.domain.ports import UnitOfWork
from app.domain.texts import Text, t
from app.domain.tool_limits import EVERY

BudgetUnit = Literal["calls", "tokens", "money"]
BudgetWindow = Literal["day", "month"]
Then = Literal["fail", "wait"]
State = Literal["ok", "warned", "exhausted"]

MICROS: Final = 1_000_000
"""Money is counted in millionths, so that sums are exact."""
KEPT = timedelta(days=62)
"""How long counts are kept: the present window and the one before it."""
MOST_TOKENS: Final = 10**9
"""What no call takes: a tool that says more is not believed."""
MOST_USED: Final = 10**18
"""Counts do not go beyond."""
WARNED, EXHAUSTED = 1, 2
"""What has been told of a count."""
STATES: Final[tuple[State, ...]] = ("ok", "warned", "exhausted")


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """How much may be used in each window.

    Attributes:
        agent_id, task_id, tool: Whose calls of what count, together; None for anybody's, any task's, any tool. A tool
            may be the beginning of some, with `*` behind it.
        unit: What is counted; `soft` and `hard` are in it, money in millionths.
        soft: From here on somebody is told.
        hard: No call begins that would go beyond.
        then: What a step does then: `fail`, or `wait` for the next window.
    """

    name: str
    agent_id: str | None = None
    task_id: str | None = None
    tool: str | None = None
    unit: BudgetUnit = "calls"
    window: BudgetWindow = "day"
    soft: int | None = None
    hard: int | None = None
    then: Then = "fail"

    def means(self, call: Spender) -> bool:
        """Whether the call counts."""
        if self.agent_id not in (None, call.agent_id) or self.task_id not in (None, call.task_id):
            return False
        if self.tool is None or not self.tool.endswith(EVERY):
            return self.tool in (None, call.tool)
        return call.tool.startswith(self.tool[:-1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Spender:
    """Who calls what; a direct call is no task's."""

    agent_id: str
    tool: str
    task_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """What has been used of a budget in the present window."""

    used: int = 0
    told: int = 0

    @property
    def state(self) -> State:
        """What was told of it."""
        return STATES[self.told]


@dataclass(frozen=True, slots=True, kw_only=True)
class Exhausted:
    """A budget does not allow one more call.

    Attributes:
        ends_at: When its next window begins.
    """

    budget: Budget
    ends_at: datetime
    delay: timedelta

    @property
    def message(self) -> Text:
        """The same in words."""
        return t("The budget {name} is used up until {moment}", name=self.budget.name, moment=rfc3339(self.ends_at))

    @property
    def seconds(self) -> float:
        """How long that is, a little more for clocks that differ."""
        return max(0.0, self.delay.total_seconds()) + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What a call costs, in millionths: itself, and each 1000 tokens."""

    call: int = 0
    tokens: int = 0

    def of(self, tokens: int) -> int:
        """What so many tokens cost, rounded up."""
        return -(-tokens * self.tokens // 1000)


class Prices:
    """What tools cost; of several names that mean a tool the longest counts."""

    def __init__(self, prices: Mapping[str, Price]) -> None:
        self._prices = prices

    def of(self, tool: str) -> Price:
        """The tool's; nothing where none is known."""
        meant = (name for name in self._prices if name == tool or (name.endswith(EVERY) and tool.startswith(name[:-1])))
        best = max(meant, key=lambda name: (name == tool, len(name)), default=None)
        return Price() if best is None else self._prices[best]


def micros(amount: float) -> int:
    """Money in millionths."""
    return round(amount * MICROS)


def starts(window: BudgetWindow, now: datetime) -> datetime:
    """When the present window began, in UTC."""
    day = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return day if window == "day" else day.replace(day=1)


def ends(window: BudgetWindow, now: datetime) -> datetime:
    """When the next one begins."""
    began = starts(window, now)
    return began + timedelta(days=1) if window == "day" else (began + timedelta(days=32)).replace(day=1)


def tokens_of(output: Any) -> int:
    """How many tokens a tool says that it took: `usage.total_tokens` of its output, as `llm.complete` has it.

    Tools are not to be trusted with it: what cannot be true counts as nothing.
    """
    usage = output.get("usage") if isinstance(output, Mapping) else None
    total = usage.get("total_tokens") if isinstance(usage, Mapping) else None
    return total if type(total) is int and 0 < total <= MOST_TOKENS else 0


def budget_facts(budget: Budget, count: Count, now: datetime) -> dict[str, Any]:
    """What events tell."""
    return {
        "name": budget.name,
        "agent_id": budget.agent_id,
        "task_id": budget.task_id,
        "tool": budget.tool,
        "unit": budget.unit,
        "used": shown(budget.unit, count.used),
        "soft": shown(budget.unit, budget.soft),
        "hard": shown(budget.unit, budget.hard),
        "ends_at": rfc3339(ends(budget.window, now)),
    }


def shown(unit: BudgetUnit, amount: int | None) -> int | float | None:
    """An amount as people write it."""
    return amount / MICROS if unit == "money" and amount is not None else amount


class BudgetStore(Protocol):
    """Budgets and what has been used of them, inside a unit of work."""

    def all(self) -> Sequence[Budget]:
        """By name."""

    def get(self, name: str) -> Budget:
        """The budget, or NotFound."""

    def put(self, budget: Budget) -> None:
        """Store it in place of any of that name; what was used stays."""

    def delete(self, name: str) -> None:
        """Remove it with its counts, or NotFound."""

    def count(self, name: str, starts_at: datetime) -> Count: ...

    def add(self, name: str, starts_at: datetime, amount: int, most: int | None = None) -> int | None:
        """Count atomically: what is used then; None, and nothing is added, where one more would be beyond `most`.

        Nothing is counted beyond `MOST_USED`. Whoever counts several does so in the order of their names.
        """

    def tell(self, name: str, starts_at: datetime, what: int) -> bool:
        """Note that `WARNED` or `EXHAUSTED` is told; False where that, or more, was told before."""

    def tidy(self, before: datetime) -> None:
        """Forget the counts of windows that began before then."""


class BudgetUnitOfWork(UnitOfWork, Protocol):
    """A unit of work with budgets."""

    @property
    def budgets(self) -> BudgetStore: ...


class BudgetUnits(Protocol):
    """Opens such units, see `app.domain.ports.UnitsOfWork`."""

    def __call__(self, *, read_only: bool = False) -> AbstractContextManager[BudgetUnitOfWork]: ...

"""Budgets in SQL: one statement compares and counts, so that of two who race one is the later."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from app.domain.budgets import MOST_USED, Budget, Count
from app.domain.clock import to_micros
from app.domain.errors import NotFound
from app.domain.texts import t
from app.storage.statements import Statements, marks

_MEMBERS = ("name", "agent_id", "task_id", "tool", "unit", "window", "soft", "hard", "then")
# Two of these words mean something else in SQL.
_COLUMNS = tuple({"window": "period", "then": "beyond"}.get(name, name) for name in _MEMBERS)
_WHOLE = f"SELECT {', '.join(_COLUMNS)} FROM budgets"
_SET = ", ".join(f"{column} = excluded.{column}" for column in _COLUMNS[1:])


class SqlBudgetStore:
    """See `app.domain.budgets.BudgetStore`; made for one transaction."""

    def __init__(self, statements: Statements) -> None:
        self._sql = statements

    def all(self) -> list[Budget]:
        """By name."""
        return [_budget(row) for row in self._sql.run(f"{_WHOLE} ORDER BY name")]

    def get(self, name: str) -> Budget:
        """The budget, or NotFound."""
        rows = self._sql.run(f"{_WHOLE} WHERE name = ?", (name,))
        if not rows:
            raise NotFound(t("Budget not found"), name=name)
        return _budget(rows[0])

    def put(self, budget: Budget) -> None:
        """Store it in place of any of that name."""
        self._sql.run(
            f"INSERT INTO budgets ({', '.join(_COLUMNS)}) VALUES ({marks(_COLUMNS)})"
            f" ON CONFLICT (name) DO UPDATE SET {_SET}",
            [getattr(budget, name) for name in _MEMBERS],
        )

    def delete(self, name: str) -> None:
        """Remove it with its counts, or NotFound."""
        if not self._sql.run("DELETE FROM budgets WHERE name = ? RETURNING name", (name,)):
            raise NotFound(t("Budget not found"), name=name)
        self._sql.run("DELETE FROM budget_counts WHERE name = ?", (name,))

    def count(self, name: str, starts_at: datetime) -> Count:
        """What has been used in the window that began then."""
        rows = self._sql.run(
            "SELECT used, told FROM budget_counts WHERE name = ? AND starts_at = ?", (name, to_micros(starts_at))
        )
        return Count(used=rows[0][0], told=rows[0][1]) if rows else Count()

    def add(self, name: str, starts_at: datetime, amount: int, most: int | None = None) -> int | None:
        """Count, unless that would be beyond `most`."""
        key = (name, to_micros(starts_at))
        self._sql.run(
            "INSERT INTO budget_counts (name, starts_at, used, told) VALUES (?, ?, 0, 0)"
            " ON CONFLICT (name, starts_at) DO NOTHING",
            key,
        )
        amount = min(amount, MOST_USED)
        within, values = ("", ()) if most is None else (" AND used + ? <= ?", (max(1, amount), most))
        rows = self._sql.run(
            "UPDATE budget_counts SET used = CASE WHEN used > ? THEN ? ELSE used + ? END"
            f" WHERE name = ? AND starts_at = ?{within} RETURNING used",
            (MOST_USED - amount, MOST_USED, amount, *key, *values),
        )
        return int(rows[0][0]) if rows else None

    def tell(self, name: str, starts_at: datetime, what: int) -> bool:
        """Note what is told."""
        rows = self._sql.run(
            "UPDATE budget_counts SET told = ? WHERE name = ? AND starts_at = ? AND told < ? RETURNING told",
            (what, name, to_micros(starts_at), what),
        )
        return bool(rows)

    def tidy(self, before: datetime) -> None:
        """Forget old counts."""
        self._sql.run("DELETE FROM budget_counts WHERE starts_at < ?", (to_micros(before),))


def _budget(row: Sequence[Any]) -> Budget:
    return Budget(**dict(zip(_MEMBERS, row, strict=True)))

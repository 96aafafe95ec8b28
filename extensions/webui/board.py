"""Everything the page shows, asked of the tools in the reader's name and laid out as plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from ordinaut import ExtensionContext

from .ribbon import Ribbon, draw
from .words import moment_of

STATUSES = ("active", "paused", "completed", "canceled")
HOURS = 12
"""How far the page looks back, and how far ahead."""
TASKS = 50
RUNS = 20
MOST_PAGES = 3
"""Pages of 200 runs that the ribbon is drawn from; beyond them it begins later, and says so."""
SPARKS = 14


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """One look at the platform.

    Attributes:
        tasks: A page of them, each as `list_tasks` gives it, with `history`: its last runs, oldest first.
        counts: How many tasks there are, in all and by status.
        status, query: What the list is narrowed by.
        runs: The newest ones.
        ended: How many runs of the window have succeeded and failed.
        cursor: Of the next page of tasks.
    """

    tasks: Sequence[Mapping[str, Any]]
    counts: Mapping[str, int]
    status: str
    query: str
    cursor: str | None
    runs: Sequence[Mapping[str, Any]]
    window: int
    ended: Mapping[str, int]
    going: Mapping[str, int]
    ribbon: Ribbon

    @property
    def success_rate(self) -> float | None:
        """Percent of the window's ended runs that succeeded; None where none has ended."""
        both = self.ended["succeeded"] + self.ended["failed"]
        return None if both == 0 else 100 * self.ended["succeeded"] / both

    @property
    def empty(self) -> bool:
        """Whether there is no task at all, and never was a run."""
        return self.counts["all"] == 0 and not self.runs


def read_board(context: ExtensionContext, asked: Mapping[str, str], now: datetime) -> Board:
    """One look.

    Args:
        asked: `status`, `q` and `cursor`, as the address has them; what is not known is passed over.
        now: The moment of the look.

    Raises:
        RequestRefused: The reader may not look, or the database does not answer.
    """
    ask = context.tool_registry.invoke
    status = asked.get("status", "")
    status, query = status if status in STATUSES else "", asked.get("q", "").strip()[:200]
    page = _page_of_tasks(context, {"status": status, "query": query}, asked.get("cursor", ""))
    counts = {one: ask("list_tasks", {"status": one, "limit": 1})["total"] for one in STATUSES}
    recent, whole = _window(context, now)
    start = now - timedelta(hours=HOURS) if whole else moment_of(recent[-1]["scheduled_for"])
    return Board(
        tasks=[{**task, "history": _history(task["task_id"], recent)} for task in page["tasks"]],
        counts={"all": sum(counts.values()), **counts},
        status=status,
        query=query,
        cursor=page["next_cursor"],
        runs=ask("list_runs", {"limit": RUNS})["runs"],
        window=len(recent),
        ended={one: sum(run["status"] == one for run in recent) for one in ("succeeded", "failed")},
        going={one: ask("list_runs", {"status": one, "limit": 1})["total"] for one in ("running", "queued")},
        ribbon=draw(recent, _planned(page["tasks"]), start=start, now=now, hours=HOURS),
    )


def _page_of_tasks(context: ExtensionContext, narrowed: Mapping[str, str], cursor: str) -> Any:
    arguments: dict[str, Any] = {name: value for name, value in narrowed.items() if value}
    if cursor.isascii() and cursor.isdigit() and len(cursor) < 10:
        arguments["cursor"] = cursor
    return context.tool_registry.invoke("list_tasks", {**arguments, "limit": TASKS})


def _window(context: ExtensionContext, now: datetime) -> tuple[list[Mapping[str, Any]], bool]:
    """The runs of the last hours, newest first, and whether these are all of them."""
    since = (now - timedelta(hours=HOURS)).isoformat()
    runs: list[Mapping[str, Any]] = []
    cursor: str | None = "0"
    for _ in range(MOST_PAGES):
        page = context.tool_registry.invoke("list_runs", {"since": since, "limit": 200, "cursor": cursor})
        runs.extend(page["runs"])
        cursor = page["next_cursor"]
        if cursor is None:
            return runs, True
    return runs, False


def _history(task_id: str, runs: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [run for run in runs if run["task_id"] == task_id][:SPARKS][::-1]


def _planned(tasks: Sequence[Mapping[str, Any]]) -> list[datetime]:
    return [moment_of(task["next_run"]) for task in tasks if task["next_run"]]

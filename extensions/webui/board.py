"""The list of tasks, asked of the tools in the reader's name and laid out as plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import urlencode

from ordinaut import ExtensionContext

from .words import moment_of

STATUSES = ("active", "paused", "completed", "canceled")
LONGEST_TAG = 50
TASKS = 50
SPARKS = 14
TALLEST, LEAST = 18.0, 5.0
"""Heights of the bars of a task's last runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Narrowed:
    """What the list is narrowed by; an empty member leaves it out."""

    status: str = ""
    q: str = ""
    tag: str = ""

    @classmethod
    def of(cls, given: Mapping[str, str]) -> Narrowed:
        """What an address or a form says; what is not known is passed over."""
        status = given.get("status", "")
        return cls(
            status=status if status in STATUSES else "",
            q=given.get("q", "").strip()[:200],
            tag=given.get("tag", "").strip()[:LONGEST_TAG],
        )

    def query(self, **change: str) -> str:
        """The same in an address, ready for one more member."""
        kept = {name: value for name, value in {**asdict(self), **change}.items() if value}
        return urlencode(kept) + "&" if kept else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """A page of tasks.

    Attributes:
        tasks: Each as `list_tasks` gives it, with `history`: its last runs, oldest first, each with the `height` of its
            bar.
        counts: How many tasks there are, in all and by status.
        cursor: Of the next page of tasks.
    """

    tasks: Sequence[Mapping[str, Any]]
    counts: Mapping[str, int]
    by: Narrowed
    cursor: str | None


def read_board(context: ExtensionContext, asked: Mapping[str, str], runs: Sequence[Mapping[str, Any]]) -> Board:
    """A page of tasks.

    Args:
        asked: `status`, `q`, `tag` and `cursor`, as the address has them; what is not known is passed over.
        runs: The newest ones of all tasks, newest first, for each task's history.

    Raises:
        RequestRefused: The reader may not look, or the database does not answer.
    """
    by = Narrowed.of(asked)
    page = _page(context, {"status": by.status, "query": by.q, "tag": by.tag}, asked.get("cursor", ""))
    return Board(
        tasks=[{**task, "history": _history(task["task_id"], runs)} for task in page["tasks"]],
        counts=count_tasks(context),
        by=by,
        cursor=page["next_cursor"],
    )


def count_tasks(context: ExtensionContext) -> Mapping[str, int]:
    """How many tasks there are, in all and by status."""
    ask = context.tool_registry.invoke
    counts = {one: ask("list_tasks", {"status": one, "limit": 1})["total"] for one in STATUSES}
    return {"all": sum(counts.values()), **counts}


def _page(context: ExtensionContext, narrowed: Mapping[str, str], cursor: str) -> Any:
    arguments: dict[str, Any] = {name: value for name, value in narrowed.items() if value}
    if cursor.isascii() and cursor.isdigit() and len(cursor) < 10:
        arguments["cursor"] = cursor
    return context.tool_registry.invoke("list_tasks", {**arguments, "limit": TASKS})


def _history(task_id: str, runs: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    mine = [run for run in runs if run["task_id"] == task_id][:SPARKS][::-1]
    took = [_seconds(run) for run in mine]
    return [{**run, "height": height} for run, height in zip(mine, heights(took), strict=True)]


def heights(took: Sequence[float | None]) -> list[float]:
    """Of bars, from how long each run took: the longest is the tallest, and one that goes on is as tall as it."""
    longest = max((one for one in took if one is not None), default=0.0)
    if longest <= 0:
        return [TALLEST] * len(took)
    return [TALLEST if one is None else round(LEAST + (TALLEST - LEAST) * one / longest, 1) for one in took]


def _seconds(run: Mapping[str, Any]) -> float | None:
    if not run["started_at"] or not run["finished_at"]:
        return None
    return (moment_of(run["finished_at"]) - moment_of(run["started_at"])).total_seconds()

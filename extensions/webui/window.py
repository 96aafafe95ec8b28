"""The last hours and the next: the runs that were, the starts that will be, and the ribbon of both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from ordinaut import ExtensionContext

from .ribbon import Ribbon, draw
from .words import moment_of

HOURS = 12
"""How far the page looks back, and how far ahead."""
MOST_PAGES = 3
"""Pages of 200 runs that the ribbon is drawn from; beyond them it begins later, and says so."""
MOST_PLANNED = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """What is seen from now, on either side.

    Attributes:
        runs: Those of the last hours, newest first.
        coming: What is to come, soonest first, as `GET /schedules/upcoming` gives it.
        ended: How many of the runs have succeeded and failed.
        going: How many runs are at work and in line, whenever they began.
    """

    runs: Sequence[Mapping[str, Any]]
    coming: Sequence[Mapping[str, Any]]
    ended: Mapping[str, int]
    going: Mapping[str, int]
    ribbon: Ribbon

    @property
    def success_rate(self) -> float | None:
        """Percent of the ended runs that succeeded; None where none has ended."""
        both = self.ended["succeeded"] + self.ended["failed"]
        return None if both == 0 else 100 * self.ended["succeeded"] / both


def read_window(context: ExtensionContext, now: datetime) -> Window:
    """One look.

    Raises:
        RequestRefused: The reader may not look, or the database does not answer.
    """
    runs, whole = _last(context, now)
    start = now - timedelta(hours=HOURS) if whole else moment_of(runs[-1]["scheduled_for"])
    coming = context.api.get("/schedules/upcoming", hours=HOURS, limit=MOST_PLANNED)
    planned = coming.data["items"] if coming.ok else []
    ask = context.tool_registry.invoke
    return Window(
        runs=runs,
        coming=planned,
        ended={one: sum(run["status"] == one for run in runs) for one in ("succeeded", "failed")},
        going={one: ask("list_runs", {"status": one, "limit": 1})["total"] for one in ("running", "queued")},
        ribbon=draw(runs, [moment_of(one["effective_at"]) for one in planned], start=start, now=now, hours=HOURS),
    )


def _last(context: ExtensionContext, now: datetime) -> tuple[list[Mapping[str, Any]], bool]:
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

"""More about one task: how its runs have gone, and who changed it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log10
from typing import Any

from flask import Blueprint, Response, request

from .compare import Line, compared
from .definition import as_yaml
from .shell import Shell, pretty
from .words import moment_of

DAYS = (1, 7, 30)
BARS = 100
HEIGHT = 120.0
LEAST_SECONDS = 0.001
CHANGES = 50
UNTOLD = frozenset({"updated_at", "version", "definition_id", "payload_sha256"})
"""What differs at every change, and says nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One run: `x` in percent, `y` and `height` in pixels, and how long it took in seconds."""

    run: Mapping[str, Any]
    x: float
    y: float
    height: float
    seconds: float


def add_task_more_pages(pages: Blueprint, shell: Shell) -> None:
    """Register them."""
    api = shell.context.api

    @pages.get("/tasks/<task_id>/stats")
    def task_stats(task_id: str) -> Response:
        """How its runs have gone; `?days=` says over which time."""
        asked = request.args.get("days", "7")
        days = int(asked) if asked in {str(one) for one in DAYS} else 7
        found, stats = api.get(f"/tasks/{task_id}"), api.get(f"/runs/task/{task_id}/stats", days=days)
        if not found.ok or not stats.ok:
            return shell.refused(stats if found.ok else found, place="tasks")
        runs = api.get("/runs", task_id=task_id, limit=BARS)
        values = {"task": found.data, "stats": stats.data, "days": days, "choices": DAYS, "height": HEIGHT}
        bars = lengths(runs.data["items"] if runs.ok else ())
        return shell.page("webui/task_stats.html", place="tasks", bars=bars, width=100 / BARS, **values)

    @pages.get("/tasks/<task_id>/history")
    def task_history(task_id: str) -> Response:
        """Who changed it, what, and when."""
        found = api.get(f"/tasks/{task_id}")
        if not found.ok:
            return shell.refused(found, place="tasks")
        rows = api.get("/audit", kind="task", target=task_id, limit=CHANGES)
        if not rows.ok:
            return shell.refused(rows, place="tasks")
        changes = [(row, [*differing(row), *_payload(shell, task_id, row)]) for row in rows.data["items"]]
        return shell.page("webui/task_history.html", place="tasks", task=found.data, changes=changes)


def _payload(shell: Shell, task_id: str, row: Mapping[str, Any]) -> list[tuple[str, Sequence[Line]]]:
    """What a change has changed in pipeline and params; the audit log has no more of these than an id."""
    ids = [(row[side] or {}).get("definition_id") for side in ("before", "after")]
    if None in ids or ids[0] == ids[1]:
        return []
    found = [shell.context.api.get(f"/tasks/{task_id}/definitions/{one}") for one in ids]
    if not all(one.ok for one in found):
        return []
    lines = compared(*(as_yaml(one.data["payload"]) for one in found))
    return [("payload", lines)] if lines else []


def lengths(runs: Sequence[Mapping[str, Any]]) -> list[Bar]:
    """How long each run took, oldest first, on a scale on which ten times as long is one step more.

    Args:
        runs: Newest first; those that have not ended are left out.
    """
    ended = [run for run in reversed(runs) if run["started_at"] and run["finished_at"]]
    lasted = [(moment_of(run["finished_at"]) - moment_of(run["started_at"])).total_seconds() for run in ended]
    top = log10(max([10 * LEAST_SECONDS, *lasted]) / LEAST_SECONDS)
    first = BARS - len(ended)
    return [
        _bar(run, first + place, seconds, top) for place, (run, seconds) in enumerate(zip(ended, lasted, strict=True))
    ]


def _bar(run: Mapping[str, Any], place: int, seconds: float, top: float) -> Bar:
    share = log10(max(LEAST_SECONDS * 1.2, seconds) / LEAST_SECONDS) / top
    tall = round(HEIGHT * share, 1)
    return Bar(run=run, x=round(place * 100 / BARS, 2), y=round(HEIGHT - tall, 1), height=tall, seconds=seconds)


def differing(row: Mapping[str, Any]) -> list[tuple[str, Sequence[Line]]]:
    """What a change has changed: each member, and its value before and after, line by line."""
    before, after = row["before"] or {}, row["after"] or {}
    names = [name for name in {**before, **after} if name not in UNTOLD]
    if not before or not after:
        return []
    return [
        (name, compared(pretty(before.get(name)), pretty(after.get(name))))
        for name in names
        if before.get(name) != after.get(name)
    ]

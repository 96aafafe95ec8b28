"""The first page: what needs somebody, what runs, what ran and what will run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, request

from ordinaut import ExtensionContext, RequestRefused

from .board import STATUSES, count_tasks, read_board
from .filters import saved
from .run_pages import CAUSES
from .shell import Shell
from .window import Window, read_window

FAILED = 6
GOING = 6
COMING = 10
NEWEST = 12
CLOSED = ("unauthorized", "forbidden", "unavailable")
"""Refusals that are a page of their own in place of the list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What somebody should look at.

    Attributes:
        approvals, grants, incidents: How many are open; None where the reader may not see them.
        failed: The last runs of the window that failed, and whose task has not succeeded since; newest first.
        unwell: Names of the platform's own checks that fail.
    """

    approvals: int | None
    grants: int | None
    incidents: int | None
    failed: Sequence[Mapping[str, Any]]
    unwell: Sequence[str]

    @property
    def nothing(self) -> bool:
        """Whether all is well."""
        return not (self.approvals or self.grants or self.incidents or self.failed or self.unwell)


def add_overview(pages: Blueprint, shell: Shell) -> None:
    """Register the first page and the list of tasks."""
    context = shell.context

    @pages.get("/")
    def overview() -> Response:
        """What there is to know at a glance."""
        return _open(shell, "overview", lambda: _overview(shell))

    @pages.get("/tasks")
    def tasks() -> Response:
        """Tasks, narrowed by the address."""

        def shown() -> dict[str, Any]:
            window = read_window(context, shell.words().now)
            board = read_board(context, request.args, window.runs)
            return {
                "window": window,
                "board": board,
                "counts": board.counts,
                "statuses": STATUSES,
                "query": board.by.query().rstrip("&"),
                "filters": saved(context.routes.caller().agent_id, "tasks"),
            }

        return _open(shell, "tasks", shown)


def _open(shell: Shell, place: str, read: Callable[[], Mapping[str, Any]]) -> Response:
    """The page, or the one that says why it is closed to this reader now."""
    try:
        values = read()
    except RequestRefused as refused:
        if refused.code not in CLOSED:
            raise
        return shell.closed(refused.code, place=place)
    return shell.page(f"webui/{place}.html", place=place, **values)


def _overview(shell: Shell) -> dict[str, Any]:
    context = shell.context
    window = read_window(context, shell.words().now)
    ask = context.tool_registry.invoke
    return {
        "window": window,
        "counts": count_tasks(context),
        "needs": _needs(context, window),
        "going": ask("list_runs", {"status": "running", "limit": GOING})["runs"],
        "coming": next_of_each(window.coming)[:COMING],
        "newest": ask("list_runs", {"limit": NEWEST})["runs"],
        "causes": CAUSES,
    }


def _needs(context: ExtensionContext, window: Window) -> Needs:
    health = context.api.get("/health").data
    return Needs(
        approvals=_total(context, "/approvals", status="pending"),
        grants=_total(context, "/grants", status="pending"),
        incidents=_total(context, "/incidents", open="true"),
        failed=unmended(window.runs)[:FAILED],
        unwell=[name for name, check in health.get("checks", {}).items() if check["status"] != "healthy"],
    )


def _total(context: ExtensionContext, path: str, **query: str) -> int | None:
    found = context.api.get(path, limit=1, **query)
    return int(found.data["total"]) if found.ok else None


def unmended(runs: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The newest run of each task that failed, unless a newer one of that task has succeeded.

    Args:
        runs: Newest first.
    """
    settled: set[str] = set()
    found = []
    for run in runs:
        if run["status"] in ("failed", "succeeded") and run["task_id"] not in settled:
            settled.add(run["task_id"])
            if run["status"] == "failed":
                found.append(run)
    return found


def next_of_each(coming: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The first start of each task, so that one that runs every minute leaves room for the others.

    Args:
        coming: Soonest first.
    """
    first: dict[str, Mapping[str, Any]] = {}
    for one in coming:
        first.setdefault(one["task_id"], one)
    return list(first.values())

"""One task: what it does, when, what became of each occurrence, and everything that can be done with it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, Response, request

from .commands import commands
from .definition import as_yaml
from .policies import BACKOFFS, MISFIRES, OVERLAPS
from .run_pages import CAUSES
from .shell import Shell
from .view import read_view

SNOOZES = ((3600, "1 hour"), (86_400, "1 day"), (604_800, "1 week"))
OUTCOMES: Mapping[str, str] = {
    "fired": "Ran",
    "skipped_overlap": "Overlap",
    "skipped_misfire": "Missed",
    "skipped_snooze": "At rest",
    "skipped_grant": "Not granted",
    "dropped_limit": "Over its limit",
    "deduped": "A repetition",
}
EXPECTED: Mapping[str, str] = {
    "start_within": "Begins within",
    "finish_within": "Ends within",
    "no_success_for": "Succeeds at least every",
}
RUNS = 20
OCCURRENCES = 30


def add_task_pages(pages: Blueprint, shell: Shell) -> None:
    """Register them."""
    api = shell.context.api

    @pages.get("/tasks/<task_id>")
    def task(task_id: str) -> Response:
        """One task; `?at=` asks why it ran or did not run at a moment."""
        found = api.get(f"/tasks/{task_id}")
        if not found.ok:
            return shell.refused(found, place="tasks")
        return shell.page("webui/task.html", place="tasks", **_shown(shell, found.data))

    @pages.post("/tasks/<task_id>/run")
    def run_now(task_id: str) -> Response:
        """Start a run, and look at it."""
        done = api.post(f"/tasks/{task_id}/run_now", {})
        return shell.after(done, f"/runs/{done.data.get('run_id')}", "started", place="tasks")

    @pages.post("/tasks/<task_id>/<any(pause, resume):action>")
    def steer(task_id: str, action: str) -> Response:
        """Pause it, or let it go on."""
        done = api.post(f"/tasks/{task_id}/{action}", {})
        return shell.after(done, f"/tasks/{task_id}", f"{action}d", place="tasks")

    @pages.post("/tasks/<task_id>/snooze")
    def snooze(task_id: str) -> Response:
        """Let it rest for a while."""
        text = request.form.get("seconds", "")
        seconds = int(text) if text in {str(one) for one, _ in SNOOZES} else 3600
        done = api.post(f"/tasks/{task_id}/snooze", {"delay_seconds": seconds})
        return shell.after(done, f"/tasks/{task_id}", "snoozed", place="tasks")

    @pages.post("/tasks/<task_id>/delete")
    def delete(task_id: str) -> Response:
        """Delete it with its history; the form asks for its title, so that nobody does it by a slip."""
        found = api.get(f"/tasks/{task_id}")
        if found.ok and request.form.get("title") != found.data["title"]:
            values = _shown(shell, found.data) | {"unsure": True}
            return shell.page("webui/task.html", place="tasks", status=400, **values)
        done = api.delete(f"/tasks/{task_id}") if found.ok else found
        return shell.after(done, "/tasks", "deleted", place="tasks")


def _shown(shell: Shell, task: Mapping[str, Any]) -> dict[str, Any]:
    api, path = shell.context.api, f"/tasks/{task['id']}"
    runs = api.get("/runs", task_id=task["id"], limit=RUNS)
    occurrences = api.get(f"{path}/occurrences", limit=OCCURRENCES)
    stats = api.get(f"/runs/task/{task['id']}/stats", days=7)
    at = _moment(request.args.get("at", ""))
    why = api.get(f"{path}/why", at=at.isoformat()) if at else None
    return {
        "task": task,
        "runs": runs.data["items"] if runs.ok else [],
        "stats": stats.data if stats.ok else None,
        "occurrences": occurrences.data["items"] if occurrences.ok else [],
        "asked_at": f"{at.astimezone(read_view().zone):%Y-%m-%dT%H:%M}" if at else "",
        "why": None if why is None else why.data,
        "overlaps": {key: (text, why) for key, text, why in OVERLAPS},
        "misfires": {key: (text, why) for key, text, why in MISFIRES},
        "backoffs": {key: text for key, text, _ in BACKOFFS},
        "expected": EXPECTED,
        "commands": commands(request.host_url, task, signed_in=shell.signed_in),
        "definition": as_yaml(task["payload"]["pipeline"]),
        "causes": CAUSES,
        "outcomes": OUTCOMES,
        "snoozes": SNOOZES,
    }


def _moment(text: str) -> datetime | None:
    """What was asked about: RFC 3339, or what a field of a form holds, by the reader's own clocks."""
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=read_view().zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None

"""One run with its Gantt, its steps, its log and what can be done about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flask import Blueprint, Response, request

from .compare import Line, changed_since
from .gantt import Gantt, Row, draw
from .run_log import LEVELS, read_log, whole_log
from .shell import Shell

CAUSES: Mapping[str, str] = {
    "schedule": "By its schedule",
    "manual": "Started by hand",
    "event": "By an event",
    "api": "Through the API",
    "backfill": "Made up for",
    "rerun": "Run again",
    "child": "By another run",
}
WAITS: Mapping[str, str] = {
    "sleep": "some time to pass",
    "event": "an event",
    "child": "another run",
    "approval": "an approval",
    "parts": "its parts",
    "answer": "somebody to say what it came to",
}


def add_run_pages(pages: Blueprint, shell: Shell) -> None:
    """Register them."""
    _add_views(pages, shell)
    _add_acts(pages, shell)


def _add_views(pages: Blueprint, shell: Shell) -> None:
    api = shell.context.api

    @pages.get("/runs/<run_id>")
    def run(run_id: str) -> Response:
        """One run; `?step=` selects one of its steps."""
        found = api.get(f"/runs/{run_id}")
        if not found.ok:
            return shell.refused(found, place="runs")
        kept = api.get(f"/runs/{run_id}/definition").data
        gantt = draw(found.data, kept["payload"]["pipeline"], shell.words().now)
        values = {
            "run": found.data,
            "gantt": gantt,
            "selected": selected(gantt, request.args.get("step", "")),
            "log": read_log(shell, run_id, request.args),
            "levels": LEVELS,
            "changed": not kept["latest"],
            "since": () if kept["latest"] else _since(shell, kept),
            "cause": shell.context.translate(CAUSES.get(found.data["trigger"], found.data["trigger"])),
            "waits": WAITS,
        }
        return shell.page("webui/run.html", place="runs", **values)

    @pages.get("/runs/<run_id>/log.txt")
    def log(run_id: str) -> Response:
        """The whole log as text."""
        lines = "".join(f"{one['at']} {one['level']:<7} {one['message']}\n" for one in whole_log(shell, run_id))
        answer = Response(lines, mimetype="text/plain")
        answer.headers["Content-Disposition"] = f'attachment; filename="{run_id[:36]}.log"'
        return answer


def _since(shell: Shell, kept: Mapping[str, Any]) -> Sequence[Line]:
    """How the task has been changed since; nothing where it is gone."""
    task = shell.context.api.get(f"/tasks/{kept['task_id']}")
    return changed_since(kept, task.data) if task.ok else ()


def _add_acts(pages: Blueprint, shell: Shell) -> None:
    api = shell.context.api

    @pages.post("/runs/<run_id>/cancel")
    def cancel(run_id: str) -> Response:
        """Cancel it, and look again."""
        done = api.post(f"/runs/{run_id}/cancel")
        return shell.after(done, f"/runs/{run_id}", "canceled", place="runs")

    @pages.post("/runs/<run_id>/rerun")
    def rerun(run_id: str) -> Response:
        """Repeat it, and look at the new one."""
        wish = {"from": request.form.get("from", "failed"), "definition": request.form.get("definition", "original")}
        done = api.post(f"/runs/{run_id}/rerun", wish)
        return shell.after(done, f"/runs/{done.data.get('run_id')}", "rerun", place="runs")

    @pages.post("/runs/<run_id>/steps/<step_id>/mark")
    def mark(run_id: str, step_id: str) -> Response:
        """Say what a step came to, and look at the run that goes on."""
        said = {name: request.form.get(name, "") for name in ("status", "note")}
        done = api.post(f"/runs/{run_id}/steps/{step_id}/mark", said)
        return shell.after(done, f"/runs/{done.data.get('run_id')}", "marked", place="runs")


def selected(gantt: Gantt, wanted: str) -> Row:
    """The step to look at: the one that was asked for, else the one that matters most."""
    ranks = {"failed": 0, "waiting": 1, "running": 2}
    named = [row for row in gantt.rows if row.id == wanted]
    begun = [row for row in gantt.rows if row.step is not None]
    pressing = sorted((row for row in begun if row.status in ranks), key=lambda row: ranks[row.status])
    choices = [*named, *pressing, *reversed(begun), *gantt.rows]
    return choices[0] if choices else Row(id="", uses="", depth=0, status="pending", step=None)

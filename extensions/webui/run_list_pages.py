"""The list of runs, narrowed by its address, and one action on all that match."""

from __future__ import annotations

from collections.abc import Mapping

from flask import Blueprint, Response, request

from .asked import SPANS, STATUSES, Asked
from .filters import saved
from .run_pages import CAUSES
from .shell import Shell, offset

ACTIONS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "cancel": ("runs:cancel", ("queued", "running", "waiting")),
    "rerun": ("tasks:run", ("failed", "canceled")),
}
"""What can be done to many: what it takes to do it, and to runs of which status."""
PAGE = 50


def add_run_list_pages(pages: Blueprint, shell: Shell) -> None:
    """Register them."""
    api = shell.context.api

    @pages.get("/runs")
    def runs() -> Response:
        """Runs, newest first, narrowed by the address."""
        asked, now = Asked.of(request.args), shell.words().now
        found = api.get("/runs", limit=PAGE, offset=offset(), **asked.wish(now))
        if not found.ok:
            return shell.refused(found, place="runs")
        values = {
            "page": found.data,
            "statuses": STATUSES,
            "spans": SPANS,
            "causes": CAUSES,
            "asked": asked,
            "actions": [name for name, (_, fit) in ACTIONS.items() if asked.status in fit],
            "scopes": {name: scope for name, (scope, _) in ACTIONS.items()},
            "start": asked.start(now),
            "query": asked.query().rstrip("&"),
            "filters": saved(shell.context.routes.caller().agent_id, "runs"),
        }
        return shell.page("webui/run_list.html", place="runs", **values)

    @pages.get("/runs/bulk")
    def look() -> Response:
        """What an action would do to all that match; nothing is done."""
        return _acted(shell, request.args, dry_run=True)

    @pages.post("/runs/bulk")
    def act() -> Response:
        """Do it, and say what became of it."""
        return _acted(shell, request.form, dry_run=False)


def _acted(shell: Shell, given: Mapping[str, str], *, dry_run: bool) -> Response:
    asked, now = Asked.of(given), shell.words().now
    wish = asked.wish(now)
    if "status" in wish:
        wish["status"] = [wish["status"]]
    body = {
        "action": given.get("action", ""),
        "filter": wish,
        "dry_run": dry_run,
        **({"definition": "latest"} if given.get("definition") == "latest" else {}),
    }
    done = shell.context.api.post("/runs/bulk", body)
    if not done.ok:
        return shell.refused(done, place="runs")
    values = {
        "asked": asked,
        "start": asked.start(now),
        "causes": CAUSES,
        "action": body["action"],
        "told": done.data["details"],
    }
    return shell.page("webui/bulk.html", place="runs", dry_run=dry_run, **values)

"""The list of runs, narrowed by its address, and one action on all that match."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, Response, request

from .run_pages import CAUSES
from .shell import Shell, offset

STATUSES = ("queued", "running", "waiting", "succeeded", "failed", "canceled")
SPANS: Mapping[str, tuple[int, str]] = {
    "1h": (3600, "Last hour"),
    "24h": (86_400, "Last 24 hours"),
    "7d": (604_800, "Last 7 days"),
    "30d": (2_592_000, "Last 30 days"),
}
ACTIONS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "cancel": ("runs:cancel", ("queued", "running", "waiting")),
    "rerun": ("tasks:run", ("failed", "canceled")),
}
"""What can be done to many: what it takes to do it, and to runs of which status."""
PAGE = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the list is narrowed by; None leaves a member out.

    Attributes:
        since: A key of `SPANS`, or a moment in RFC 3339.
    """

    status: str | None = None
    task_id: str | None = None
    trigger: str | None = None
    since: str | None = None

    @classmethod
    def of(cls, given: Mapping[str, str]) -> Asked:
        """What an address or a form says; what is not known is passed over."""
        status, trigger, since = (given.get(name) for name in ("status", "trigger", "since"))
        return cls(
            status=status if status in STATUSES else None,
            task_id=(given.get("task_id") or "")[:100] or None,
            trigger=trigger if trigger in CAUSES else None,
            since=since if since in SPANS or _moment(since or "") else None,
        )

    def start(self, now: datetime) -> str | None:
        """The first moment that counts, in RFC 3339."""
        if self.since is None or self.since not in SPANS:
            return self.since
        return (now - timedelta(seconds=SPANS[self.since][0])).isoformat()

    def wish(self, now: datetime) -> dict[str, Any]:
        """The same as the API names it."""
        named = {
            "status": self.status,
            "task_id": self.task_id,
            "trigger": self.trigger,
            "start_time": self.start(now),
        }
        return {name: value for name, value in named.items() if value is not None}

    def query(self, **change: str | None) -> str:
        """The same in an address, ready for one more member."""
        named = {
            "status": self.status,
            "task_id": self.task_id,
            "trigger": self.trigger,
            "since": self.since,
            **change,
        }
        kept = {name: value for name, value in named.items() if value}
        return urlencode(kept) + "&" if kept else ""


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


def _moment(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False

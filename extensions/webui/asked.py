"""What a list of runs is narrowed by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from .run_pages import CAUSES

STATUSES = ("queued", "running", "waiting", "succeeded", "failed", "canceled")
SPANS: Mapping[str, tuple[int, str]] = {
    "1h": (3600, "Last hour"),
    "24h": (86_400, "Last 24 hours"),
    "7d": (604_800, "Last 7 days"),
    "30d": (2_592_000, "Last 30 days"),
}


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


def _moment(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False

"""Log lines from events: one line each, at a level that says whether anybody has to look."""

from __future__ import annotations

import logging
from typing import Any

_LEVELS = {
    "run.settled": logging.DEBUG,
    "run.ended": logging.DEBUG,
    "occurrence.decided": logging.DEBUG,
    "run.rescued": logging.WARNING,
    "run.fenced": logging.WARNING,
    "run.lost": logging.WARNING,
    "run.purged": logging.INFO,
    "backfill.finished": logging.INFO,
    "event.trimmed": logging.INFO,
    "incident.resolved": logging.INFO,
    "mcp.tools_changed": logging.WARNING,
    "mcp.file_refused": logging.WARNING,
    "webhook.sent": logging.DEBUG,
    "extension.loaded": logging.INFO,
    "extension.subscription_ended": logging.INFO,
    "extension.work_waiting": logging.WARNING,
    "worker.call_ended": logging.WARNING,
    "worker.child_lost": logging.WARNING,
    "beat.waiting": logging.WARNING,
    "doorbell.failed": logging.WARNING,
    "budget.not_counted": logging.WARNING,
    "step.crashed": logging.ERROR,
}
"""Everything else is a warning, or an error when it brings an exception that nobody foresaw."""

_log = logging.getLogger("ordinaut")


def write_line(event: str, facts: dict[str, Any]) -> None:
    """A subscriber of `app.telemetry`."""
    error = facts.get("error")
    level = _LEVELS.get(event, logging.ERROR if error is not None else logging.WARNING)
    if _log.isEnabledFor(level):
        shown = " ".join(f"{name}={_brief(value)}" for name, value in facts.items() if name != "error")
        # Faults that pass are told by name; what crashed is told with its traceback.
        unforeseen = level >= logging.ERROR and error is not None
        told = "" if error is None or unforeseen else f" ({error})"
        _log.log(level, "%s %s%s", event, shown, told, exc_info=error if unforeseen else None)


def _brief(value: Any) -> str:
    """Records are told by their id and what they came to."""
    run = getattr(value, "run", None)
    if run is not None:
        return f"{run.id}:{value.status}"
    outcome = getattr(value, "outcome", None)
    return f"{value.task_id}@{value.nominal_at}:{outcome}" if outcome is not None else str(value)

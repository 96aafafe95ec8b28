"""The way in: text to schedule, remembered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import lru_cache

from app.domain.schedules.cron import parse_cron
from app.domain.schedules.model import Schedule
from app.domain.schedules.on_event import parse_condition, parse_event
from app.domain.schedules.once import parse_manual, parse_once
from app.domain.schedules.refusals import bad_kind, shown
from app.domain.schedules.rrule import parse_rrule
from app.domain.texts import t

KINDS = ("cron", "rrule", "once", "event", "condition", "manual")
_REMEMBERED = 4096
_PLAIN: Mapping[str, Callable[[str | None, str], Schedule]] = {
    "cron": parse_cron,
    "once": parse_once,
    "event": parse_event,
    "condition": parse_condition,
    "manual": parse_manual,
}
"""The kinds that need no anchor."""


def parse(kind: str, expr: str | None, timezone: str, *, anchor: datetime) -> Schedule:
    """The schedule these texts mean; `anchor` (aware) is the DTSTART of rules without one, to whole seconds.

    Raises `ScheduleInvalid` with one problem at `/schedule_kind`, `/schedule_expr` or `/timezone`.
    Schedules are immutable, so equal arguments may be answered with the same object.
    """
    if anchor.tzinfo is None:
        raise ValueError("the anchor must be aware of its time zone")
    if kind not in KINDS:
        raise bad_kind(
            t(
                "schedule_kind must be one of {names} to have times, got {kind}",
                names=", ".join(KINDS),
                kind=shown(kind),
            )
        )
    # Only rules look at the anchor: leaving it out of the key lets tasks with one cron text share a schedule.
    start = anchor.astimezone(UTC).replace(microsecond=0) if kind == "rrule" else None
    return _parse(kind, expr, timezone, start)


@lru_cache(maxsize=_REMEMBERED)
def _parse(kind: str, expr: str | None, timezone: str, anchor: datetime | None) -> Schedule:
    if anchor is not None:
        return parse_rrule(expr, timezone, anchor)
    return _PLAIN[kind](expr, timezone)

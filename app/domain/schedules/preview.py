"""What a schedule will do next, with a note where a change of the clocks has a say."""

from __future__ import annotations

from datetime import datetime
from itertools import islice
from zoneinfo import ZoneInfo

from app.domain.schedules import zones
from app.domain.schedules.model import Firing, Occurrence, Schedule
from app.domain.texts import t


def preview(schedule: Schedule, *, after: datetime, count: int) -> list[Occurrence]:
    """The first `count` occurrences strictly after `after`: just what repeated `next_after` calls find."""
    return [_occurrence(schedule.timezone, firing) for firing in islice(schedule.upcoming(after), count)]


def _occurrence(timezone: str, firing: Firing) -> Occurrence:
    zone = zones.find_zone(timezone)
    local = firing.at.astimezone(zone)
    return Occurrence(nominal=firing.at, local=local, note=_note(zone, firing.wall, local))


def _note(zone: ZoneInfo, wall: datetime, local: datetime) -> str | None:
    said = _clock(wall)
    if zones.in_gap(zone, wall):
        moved = _clock(local) if local.date() == wall.date() else f"{local:%Y-%m-%d} {_clock(local)}"
        return t("{time} does not exist on that day (clocks go forward); fires at {moved}", time=said, moved=moved)
    if not zones.occurs_twice(zone, wall):
        return None
    if local.fold:
        return t("{time} occurs twice that day (clocks go back); this is the second pass", time=said)
    return t("{time} occurs twice that day; fires at the first pass", time=said)


def _clock(moment: datetime) -> str:
    return f"{moment:%H:%M:%S}" if moment.second else f"{moment:%H:%M}"

"""Time zones: finding one by name, and the one rule for clock times that do not exist or occur twice.

A clock time inside a gap stands for the first instant after the gap; one that occurs twice stands for its
first pass. All instants here are aware and in UTC; clock readings ("walls") are naive.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from app.domain.errors import ScheduleInvalid
from app.domain.schedules.refusals import bad_timezone, shown
from app.domain.texts import t

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(?:/[A-Za-z0-9_+-]+){0,2}\Z")
_MAX_NAME = 64
# Offsets are probed this far apart; the zone database has no pair of shifts that cancel out within less.
_PROBE = timedelta(days=5)
_SECOND = timedelta(seconds=1)
_EARLIEST = datetime(2, 1, 1, tzinfo=UTC)
# `datetime` ends with 9999; room is left for offsets and for looking ahead.
LAST_YEAR = 9500


@lru_cache(maxsize=1)
def _known_names() -> frozenset[str]:
    return frozenset(available_timezones() - {"Factory", "localtime"})


@lru_cache(maxsize=1024)
def find_zone(name: str, refuse: Callable[[str, str], ScheduleInvalid] = bad_timezone) -> ZoneInfo:
    """The zone with this IANA name; raises what `refuse` makes for anything else, paths included."""
    if len(name) > _MAX_NAME or not _NAME.match(name) or name not in _known_names():
        raise refuse(t("{name} is not an IANA time zone", name=shown(name)), _suggestion(name[:_MAX_NAME]))
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise refuse(t("{name} cannot be read from the time zone database", name=shown(name)), "") from error


def _suggestion(name: str) -> str:
    by_lower = {known.lower(): known for known in _known_names()}
    close = difflib.get_close_matches(name.lower(), sorted(by_lower), n=1, cutoff=0.75)
    return (
        t("did you mean {name}?", name=by_lower[close[0]]) if close else t("use a name such as Europe/Bucharest or UTC")
    )


def within_reach(moment: datetime) -> datetime | None:
    """`moment` in UTC, moved up to year 2 where needed; None in the last years `datetime` can hold.

    Raises ValueError for a naive moment: that is a mistake of the caller, not of the user.
    """
    if moment.tzinfo is None:
        raise ValueError("a moment must be aware of its time zone")
    naive = moment.replace(tzinfo=None)
    if naive.year >= LAST_YEAR:
        return None
    return _EARLIEST if naive < _EARLIEST.replace(tzinfo=None) else moment.astimezone(UTC)


def offset_at(zone: ZoneInfo, instant: datetime) -> timedelta:
    """How far the clocks of `zone` are ahead of UTC at this instant."""
    return instant.astimezone(zone).utcoffset() or timedelta()


def wall_at(zone: ZoneInfo, instant: datetime) -> datetime:
    """What the clocks of `zone` show at this instant (naive)."""
    return instant.astimezone(zone).replace(tzinfo=None, fold=0)


def _both_offsets(zone: ZoneInfo, wall: datetime) -> tuple[timedelta, timedelta]:
    first = wall.replace(tzinfo=zone, fold=0).utcoffset() or timedelta()
    second = wall.replace(tzinfo=zone, fold=1).utcoffset() or timedelta()
    return first, second


def in_gap(zone: ZoneInfo, wall: datetime) -> bool:
    """Whether the clocks jump over this reading."""
    first, second = _both_offsets(zone, wall)
    return first < second


def occurs_twice(zone: ZoneInfo, wall: datetime) -> bool:
    """Whether the clocks show this reading in two passes."""
    first, second = _both_offsets(zone, wall)
    return first > second


def localise(zone: ZoneInfo, wall: datetime) -> datetime:
    """The instant a clock reading stands for, by the rule above. Never decreases as `wall` grows."""
    first, second = _both_offsets(zone, wall)
    as_utc = wall.replace(tzinfo=UTC)
    if first >= second:
        return as_utc - first
    return _shift_between(zone, as_utc - second, as_utc - first)


def last_settled_wall(zone: ZoneInfo, instant: datetime) -> datetime:
    """The latest whole-second reading that `localise` puts at or before `instant`.

    Mostly what the clock shows; in the second pass of an hour, the end of the first pass.
    """
    local = instant.astimezone(zone)
    wall = local.replace(tzinfo=None, fold=0, microsecond=0)
    if not local.fold:
        return wall
    first, second = _both_offsets(zone, wall)
    as_utc = wall.replace(tzinfo=UTC)
    shift = _shift_between(zone, as_utc - first, as_utc - second)
    return (shift + first).replace(tzinfo=None) - _SECOND


def next_shift(zone: ZoneInfo, start: datetime, end: datetime) -> datetime | None:
    """The first instant in (start, end] with another offset than before; None when clocks run on."""
    before = offset_at(zone, start)
    low = start
    while low < end:
        high = min(low + _PROBE, end)
        if offset_at(zone, high) != before:
            return _shift_between(zone, low, high)
        low = high
    return None


def _shift_between(zone: ZoneInfo, low: datetime, high: datetime) -> datetime:
    """The first whole second after `low` whose offset is no longer that of `low`; at most `high`."""
    before = offset_at(zone, low)
    low = low.replace(microsecond=0)
    seconds_low, seconds_high = 0, -(-(high - low) // _SECOND)
    while seconds_high - seconds_low > 1:
        middle = (seconds_low + seconds_high) // 2
        if offset_at(zone, low + timedelta(seconds=middle)) == before:
            seconds_low = middle
        else:
            seconds_high = middle
    return low + timedelta(seconds=seconds_high)

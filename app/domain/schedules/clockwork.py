"""From clock readings to instants, in the two ways a schedule can mean its times.

Fixed clock: "09:00" is a reading, and `zones.localise` says which instant it stands for.
Elapsed time: "every hour" counts real time, so both passes of a repeated hour fire and none is made up.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from app.domain.schedules import zones
from app.domain.schedules.model import Firing

# Given a naive reading: every reading of the schedule strictly after it, increasing.
Readings = Callable[[datetime], Iterator[datetime]]
# The same on clocks that keep one offset for ever: (offset, naive reading) to readings.
SteadyReadings = Callable[[timedelta, datetime], Iterator[datetime]]
_SECOND = timedelta(seconds=1)


def fixed_clock(zone: ZoneInfo, readings: Readings, after: datetime) -> Iterator[Firing]:
    """Firings after `after`, each reading once; readings that fall on one instant after a gap fire once."""
    last = after
    for wall in readings(zones.last_settled_wall(zone, after)):
        at = zones.localise(zone, wall)
        if at > last:
            yield Firing(at, wall)
            last = at


def elapsed_time(zone: ZoneInfo, readings: SteadyReadings, after: datetime) -> Iterator[Firing]:
    """Firings after `after`, worked out stretch by stretch between two changes of the offset."""
    shift: datetime | None = None
    while True:
        start = after if shift is None else shift - _SECOND
        shift = yield from _until_shift(zone, readings, start, shift or after)
        if shift is None:
            return


def _until_shift(
    zone: ZoneInfo, readings: SteadyReadings, start: datetime, clear: datetime
) -> Generator[Firing, None, datetime | None]:
    """Firings strictly after `start` while the offset stays as at `clear`; returns where it changes next."""
    offset = zones.offset_at(zone, clear)
    for wall in readings(offset, (start + offset).replace(tzinfo=None)):
        at = wall.replace(tzinfo=UTC) - offset
        if at > clear:
            shift = zones.next_shift(zone, clear, at)
            if shift is not None:
                return shift
            clear = at
        yield Firing(at, wall)
    return None

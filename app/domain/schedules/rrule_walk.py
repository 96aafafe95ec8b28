"""The clock readings of a rule after any moment, without walking there from its start.

Periods (years, months, weeks, days, hours, minutes) are numbered, so the one a moment lies in is found by
arithmetic, moved to the grid of INTERVAL, and only then looked into. Empty stretches are jumped over by the
dates the rule allows; the number of steps without a result is bounded.
"""

from __future__ import annotations

import calendar
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from functools import lru_cache

from app.domain.schedules.rrule_days import AllowedDays, week_start
from app.domain.schedules.rrule_rule import Rule

# A rule with nothing for this long, or in this many periods, is taken to fire never again. The Gregorian
# calendar can keep 29 February off a given weekday for 40 years.
_HORIZON_YEARS = 200
_MAX_EMPTY_PERIODS = 12_000
_LAST_YEAR = 9900
_DAY_SECONDS = 86_400


def walk(rule: Rule, allowed: AllowedDays, base: datetime, after: datetime) -> Iterator[datetime]:
    """Every reading of a completed rule that is >= `base` and > `after`, ascending; all naive.

    `base` is DTSTART as the clocks in force show it; INTERVAL counts from the period it lies in.
    """
    start = max(base, after.replace(microsecond=0) + timedelta(seconds=1))
    periods = _periods(rule, base)
    number = periods.on_grid(periods.number(start.toordinal(), _second_of_day(start)))
    last_found, empty = start, 0
    while empty < _MAX_EMPTY_PERIODS:
        horizon = date(min(last_found.year + _HORIZON_YEARS, _LAST_YEAR), 12, 31).toordinal()
        empty += 1
        for reading in periods.inside(number, allowed, start):
            yield reading
            last_found, empty = reading, 0
        following = periods.next_number(number, allowed, horizon)
        if following is None:
            return
        number = following


def _periods(rule: Rule, base: datetime) -> _DayPeriods | _ClockPeriods:
    return _ClockPeriods(rule, base) if rule.freq in ("HOURLY", "MINUTELY") else _DayPeriods(rule, base)


def _second_of_day(moment: datetime) -> int:
    return moment.hour * 3600 + moment.minute * 60 + moment.second


def _on_grid(number: int, base: int, interval: int) -> int:
    """The first number >= `number` that lies whole intervals after `base`."""
    return number + (base - number) % interval


@lru_cache(maxsize=1024)
def _seconds(hours: Sequence[int], minutes: Sequence[int], seconds: Sequence[int]) -> tuple[int, ...]:
    """All combinations as seconds after midnight, ascending."""
    return tuple(sorted({h * 3600 + m * 60 + s for h in hours for m in minutes for s in seconds}))


def _picked(days: Sequence[int], times: Sequence[int], positions: Sequence[int]) -> Iterator[tuple[int, int]]:
    """The (date, second of day) pairs of a set that BYSETPOS keeps, ascending; the set is never built."""
    size = len(days) * len(times)
    places = sorted({place - 1 if place > 0 else size + place for place in positions})
    for place in places:
        if 0 <= place < size:
            yield days[place // len(times)], times[place % len(times)]


def _pairs(days: Sequence[int], times: Sequence[int], start: datetime) -> Iterator[tuple[int, int]]:
    """All pairs, leaving out most of those before `start`."""
    first_day = start.toordinal()
    for day in days[bisect_left(days, first_day) :]:
        skipped = bisect_left(times, _second_of_day(start)) if day == first_day else 0
        for second in times[skipped:]:
            yield day, second


def _reading(day: int, second: int) -> datetime:
    return datetime.fromordinal(day) + timedelta(seconds=second)


class _DayPeriods:
    """Years, months, weeks and days, numbered."""

    def __init__(self, rule: Rule, base: datetime) -> None:
        self._rule = rule
        self._base = self.number(base.toordinal(), 0)
        self._times = _seconds(rule.hours, rule.minutes, rule.seconds)

    def number(self, day: int, _second: int) -> int:
        """The number of the period that holds this date."""
        if self._rule.freq == "DAILY":
            return day
        if self._rule.freq == "WEEKLY":
            return week_start(day, self._rule.wkst) // 7
        on = date.fromordinal(day)
        return on.year if self._rule.freq == "YEARLY" else on.year * 12 + on.month - 1

    def on_grid(self, number: int) -> int:
        """The first period from `number` on that INTERVAL does not skip."""
        return _on_grid(number, self._base, self._rule.interval)

    def _span(self, number: int) -> tuple[int, int]:
        """First and last date of a period."""
        if self._rule.freq == "DAILY":
            return number, number
        if self._rule.freq == "WEEKLY":
            # Floor division lost the offset of the week's first day within the 7-day grid of ordinals.
            first = week_start(number * 7 + 6, self._rule.wkst)
            return first, first + 6
        if self._rule.freq == "YEARLY":
            return date(number, 1, 1).toordinal(), date(number, 12, 31).toordinal()
        year, month = number // 12, number % 12 + 1
        first = date(year, month, 1).toordinal()
        return first, first + calendar.monthrange(year, month)[1] - 1

    def inside(self, number: int, allowed: AllowedDays, start: datetime) -> Iterator[datetime]:
        """The readings of a period, from `start` on."""
        days = allowed.between(*self._span(number))
        if self._rule.positions:
            pairs = _picked(days, self._times, self._rule.positions)
        else:
            pairs = _pairs(days, self._times, start)
        for pair in pairs:
            reading = _reading(*pair)
            if reading >= start:
                yield reading

    def next_number(self, number: int, allowed: AllowedDays, horizon: int) -> int | None:
        """The next period on the grid that may hold an allowed date; None beyond the horizon."""
        following = number + self._rule.interval
        if self._rule.freq == "YEARLY" and following > _LAST_YEAR:
            return None
        if self._rule.freq == "MONTHLY" and following // 12 > _LAST_YEAR:
            return None
        day = allowed.first_from(self._span(following)[0], horizon)
        return None if day is None else self.on_grid(self.number(day, 0))


class _ClockPeriods:
    """Hours and minutes, numbered from the first day of the calendar."""

    def __init__(self, rule: Rule, base: datetime) -> None:
        self._rule = rule
        self._hourly = rule.freq == "HOURLY"
        self._length = 3600 if self._hourly else 60
        self._per_day = _DAY_SECONDS // self._length
        self._base = self.number(base.toordinal(), _second_of_day(base))
        minutes = (rule.minutes or (base.minute,)) if self._hourly else (0,)
        self._times = _seconds((0,), minutes, rule.seconds or (base.second,))

    def number(self, day: int, second: int) -> int:
        """The number of the period that holds this second of this date."""
        return day * self._per_day + second // self._length

    def on_grid(self, number: int) -> int:
        """The first period from `number` on that INTERVAL does not skip."""
        return _on_grid(number, self._base, self._rule.interval)

    def inside(self, number: int, allowed: AllowedDays, start: datetime) -> Iterator[datetime]:
        """The readings of a period, from `start` on."""
        day, place = divmod(number, self._per_day)
        second = place * self._length
        if self._clock_skip(second) or allowed.first_from(day, day) is None:
            return
        times = [second + time for time in self._times]
        pairs = _picked([day], times, self._rule.positions) if self._rule.positions else _pairs([day], times, start)
        for pair in pairs:
            reading = _reading(*pair)
            if reading >= start:
                yield reading

    def _clock_skip(self, second: int) -> int:
        """Seconds of the day to skip from here; 0 when BYHOUR and BYMINUTE allow a period here."""
        hour, minute = second // 3600, second // 60 % 60
        if self._rule.hours and hour not in self._rule.hours:
            return 3600 - second % 3600
        if not self._hourly and self._rule.minutes and minute not in self._rule.minutes:
            return 60
        return 0

    def next_number(self, number: int, allowed: AllowedDays, horizon: int) -> int | None:
        """The next period on the grid that may hold a reading; None beyond the horizon."""
        following = number + self._rule.interval
        day, place = divmod(following, self._per_day)
        found = allowed.first_from(day, horizon)
        if found is None:
            return None
        if found > day:
            return self.on_grid(found * self._per_day)
        skip = self._clock_skip(place * self._length)
        return self.on_grid(following + skip // self._length) if skip else following

"""Which dates a rule allows, one year at a time.

A year looks like any other that is as long, starts on the same weekday and follows a year as long: there are
at most 21 kinds, so the allowed days are worked out per kind, once. Dates here are proleptic ordinals.
"""

from __future__ import annotations

import calendar
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from datetime import date

from app.domain.schedules.rrule_rule import Rule

_Kind = tuple[bool, int, bool]


def week_start(ordinal: int, wkst: int) -> int:
    """The first day of the week `ordinal` lies in, weeks starting on weekday `wkst` (Monday = 0)."""
    return ordinal - (ordinal + 6 - wkst) % 7


class AllowedDays:
    """The dates that pass all the date parts of one rule (months, weeks, days of year, month and week)."""

    __slots__ = ("_kinds", "_latest", "_rule")

    def __init__(self, rule: Rule) -> None:
        self._rule = rule
        self._kinds: dict[_Kind, tuple[int, ...]] = {}
        # The last question and answer: rules by the minute ask about one day many times.
        self._latest = (0, 0)

    def between(self, first: int, last: int) -> list[int]:
        """The allowed dates from `first` to `last`, both included."""
        if not self._rule.picks_days:
            return list(range(first, last + 1))
        found: list[int] = []
        for year in range(date.fromordinal(first).year, date.fromordinal(last).year + 1):
            new_year, days = self._year(year)
            found.extend(
                new_year + day
                for day in days[bisect_left(days, first - new_year) : bisect_right(days, last - new_year)]
            )
        return found

    def first_from(self, first: int, last: int) -> int | None:
        """The first allowed date not before `first`; None when there is none up to `last`."""
        if first > last:
            return None
        if not self._rule.picks_days:
            return first
        asked, answer = self._latest
        if asked == first and answer <= last:
            return answer
        for year in range(date.fromordinal(first).year, date.fromordinal(last).year + 1):
            new_year, days = self._year(year)
            place = bisect_left(days, first - new_year)
            if place < len(days):
                found = new_year + days[place]
                self._latest = (first, found)
                return found if found <= last else None
        return None

    def _year(self, year: int) -> tuple[int, tuple[int, ...]]:
        """The ordinal of 1 January and the allowed days of the year, counted from 0."""
        new_year = date(year, 1, 1).toordinal()
        kind = (calendar.isleap(year), new_year % 7, calendar.isleap(year - 1))
        days = self._kinds.get(kind)
        if days is None:
            length = 366 if kind[0] else 365
            allowed = set(range(length)).intersection(*_parts(self._rule, year, new_year, length))
            days = self._kinds[kind] = tuple(sorted(allowed))
        return new_year, days


def _parts(rule: Rule, year: int, new_year: int, length: int) -> Iterator[set[int]]:
    """One set of days of the year for every date part the rule has."""
    months = _months(year)
    if rule.months:
        yield {day for month in rule.months for day in months[month - 1]}
    if rule.monthdays:
        yield {month[place] for month in months for place in _places(rule.monthdays, len(month))}
    if rule.yeardays:
        yield set(_places(rule.yeardays, length))
    if rule.weeks:
        yield {day for day in range(length) if _in_weeks(rule, new_year + day)}
    if rule.days:
        by_month = rule.freq == "MONTHLY" or bool(rule.months)
        yield set(_weekdays(rule, new_year, months if by_month else [range(length)]))


def _months(year: int) -> list[range]:
    """The days of the year, counted from 0, month by month."""
    found: list[range] = []
    for month in range(1, 13):
        start = found[-1].stop if found else 0
        found.append(range(start, start + calendar.monthrange(year, month)[1]))
    return found


def _places(numbers: tuple[int, ...], length: int) -> Iterator[int]:
    """Indexes for numbers that count from 1, or from the end when negative; those outside are left out."""
    for number in numbers:
        place = number - 1 if number > 0 else length + number
        if 0 <= place < length:
            yield place


def _weekdays(rule: Rule, new_year: int, spans: list[range]) -> Iterator[int]:
    for span in spans:
        for nth, weekday in rule.days:
            # Ordinal 1 was a Monday.
            first = span.start + (weekday - (new_year + span.start + 6)) % 7
            same = range(first, span.stop, 7)
            if nth == 0:
                yield from same
            else:
                yield from (same[place] for place in _places((nth,), len(same)))


def _in_weeks(rule: Rule, ordinal: int) -> bool:
    """Whether the date lies in one of BYWEEKNO; week 1 is the first with at least four days in its year."""
    start = week_start(ordinal, rule.wkst)
    year = date.fromordinal(start + 3).year
    first = _first_week(year, rule.wkst)
    number = (start - first) // 7 + 1
    weeks = (_first_week(year + 1, rule.wkst) - first) // 7
    return number in rule.weeks or number - weeks - 1 in rule.weeks


def _first_week(year: int, wkst: int) -> int:
    return week_start(date(year, 1, 4).toordinal(), wkst)

"""Recurrence rules (RFC 5545): the rule gives clock readings, `clockwork` turns them into instants."""

from __future__ import annotations

import heapq
from bisect import bisect_right
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

from app.domain.schedules import clockwork, zones
from app.domain.schedules.model import Firing
from app.domain.schedules.refusals import bad_expr, required_text
from app.domain.schedules.rrule_days import AllowedDays
from app.domain.schedules.rrule_grammar import Dated, Recurrence, read_recurrence
from app.domain.schedules.rrule_rule import Rule, completed, fills_positions, reaches_a_time
from app.domain.schedules.rrule_values import Stamp
from app.domain.schedules.rrule_walk import walk
from app.domain.schedules.words_rrule import rule_in_words
from app.domain.texts import t

_SECOND = timedelta(seconds=1)
_STEP = {
    "WEEKLY": timedelta(weeks=1),
    "DAILY": timedelta(days=1),
    "HOURLY": timedelta(hours=1),
    "MINUTELY": timedelta(minutes=1),
}
# COUNT is followed for this long; a rule that has not used it up by then has no end in practice.
_COUNT_YEARS = 300


class RRuleSchedule:
    """The occurrences of one rule, less EXDATE, plus RDATE. Immutable.

    A DTSTART that the rule itself does not meet is not an occurrence (as in python-dateutil).
    """

    kind = "rrule"

    def __init__(self, *, expr: str, zone: ZoneInfo, begin: datetime, recurrence: Recurrence) -> None:
        self.expr = expr
        self.timezone = zone.key
        self._zone = zone
        self._begin = begin
        self._recurrence = recurrence
        self._wall = recurrence.start.stamp.wall(zone) if recurrence.start else zones.wall_at(zone, begin)
        self._rule: Rule = completed(recurrence.rule, self._wall)
        self._allowed = AllowedDays(self._rule)
        self._excluded = frozenset(_instant(dated, zone) for dated in recurrence.excluded)
        self._added = tuple(_added(recurrence, zone))
        self._end = self._last_of_count() if recurrence.count else _until(recurrence.until, zone)

    def upcoming(self, after: datetime) -> Iterator[Firing]:
        """Firings strictly after `after`; hourly and finer rules without BYHOUR go by elapsed time."""
        start = zones.within_reach(after)
        if start is None:
            return
        last = start
        added = islice(self._added, bisect_right(self._added, start, key=_moment), None)
        for firing in heapq.merge(self._by_rule(start), added, key=_moment):
            if firing.at > last and firing.at not in self._excluded:
                yield firing
                last = firing.at

    def next_after(self, moment: datetime) -> datetime | None:
        """The first firing strictly after `moment`, in UTC; None after the end of the rule."""
        firing = next(self.upcoming(moment), None)
        return firing.at if firing else None

    def describe(self) -> str:
        """ "Every 2 weeks on Monday at 09:00, 10 times"."""
        return rule_in_words(self._rule, self._recurrence, self._zone)

    @property
    def fires(self) -> bool:
        """Whether there is any occurrence at all."""
        if self._added:
            return True
        possible = reaches_a_time(self._rule, self._wall) and fills_positions(self._rule)
        return possible and next(self.upcoming(self._begin - _SECOND), None) is not None

    def _by_rule(self, after: datetime) -> Iterator[Firing]:
        for firing in self._unbounded(after):
            if self._end is not None and firing.at > self._end:
                return
            yield firing

    def _unbounded(self, after: datetime) -> Iterator[Firing]:
        if self._rule.elapsed:
            return clockwork.elapsed_time(self._zone, self._steady_readings, max(after, self._begin - _SECOND))
        return clockwork.fixed_clock(self._zone, self._readings, after)

    def _readings(self, after: datetime) -> Iterator[datetime]:
        return walk(self._rule, self._allowed, self._wall, after)

    def _steady_readings(self, offset: timedelta, after: datetime) -> Iterator[datetime]:
        return walk(self._rule, self._allowed, (self._begin + offset).replace(tzinfo=None), after)

    def _last_of_count(self) -> datetime | None:
        """The last occurrence COUNT allows, so that no later call has to count from the start."""
        steps = (self._recurrence.count or 1) - 1
        if self._recurrence.rule.plain and self._rule.freq in _STEP:
            return self._after_steps(steps)
        horizon = self._wall.year + _COUNT_YEARS
        if self._rule.elapsed:
            for firing in islice(self._unbounded(self._begin - _SECOND), steps, None):
                return firing.at
            return None
        for place, wall in enumerate(self._readings(self._wall - _SECOND)):
            if place == steps:
                return zones.localise(self._zone, wall)
            if wall.year > horizon:
                return None
        return None

    def _after_steps(self, steps: int) -> datetime | None:
        try:
            distance = steps * self._rule.interval * _STEP[self._rule.freq]
            if self._rule.elapsed:
                return self._begin + distance
            return zones.localise(self._zone, self._wall + distance)
        except OverflowError:
            return None


def parse_rrule(expr: str | None, timezone: str, anchor: datetime) -> RRuleSchedule:
    """Reads a rule with its dates; `anchor` (aware) stands in for DTSTART, whose TZID is the rule's zone.

    Raises `ScheduleInvalid`, also when the rule would never fire.
    """
    zone = zones.find_zone(timezone)
    text = required_text(expr, "FREQ=WEEKLY;BYDAY=MO,TH;BYHOUR=9;BYMINUTE=0;BYSECOND=0")
    recurrence = read_recurrence(text)
    if recurrence.start and recurrence.start.tzid:
        zone = _tzid(recurrence.start.tzid)
    begin = recurrence.start.stamp.instant(zone) if recurrence.start else anchor.astimezone(UTC).replace(microsecond=0)
    _check_until(recurrence, zone, begin)
    schedule = RRuleSchedule(expr=text, zone=zone, begin=begin, recurrence=recurrence)
    if not schedule.fires:
        raise bad_expr(
            t("no date matches this rule: it would never fire"), t("check the BY parts, INTERVAL and DTSTART")
        )
    return schedule


def _check_until(recurrence: Recurrence, zone: ZoneInfo, begin: datetime) -> None:
    until = _until(recurrence.until, zone)
    if until is not None and until < begin:
        said = "DTSTART" if recurrence.start else t("the start of the rule (when the task was created)")
        raise bad_expr(t("UNTIL lies before {said}: it would never fire", said=said))


def _until(until: Stamp | None, zone: ZoneInfo) -> datetime | None:
    """The last instant UNTIL allows; a date without a time stands for all of that day."""
    if until is None or until.moment.year >= zones.LAST_YEAR:
        return None
    if until.whole_day:
        return zones.localise(zone, until.moment + timedelta(days=1)) - _SECOND
    return until.instant(zone)


def _tzid(name: str) -> ZoneInfo:
    return zones.find_zone(name, refuse=bad_expr)


def _instant(dated: Dated, zone: ZoneInfo) -> datetime:
    return dated.stamp.instant(_tzid(dated.tzid) if dated.tzid else zone)


def _added(recurrence: Recurrence, zone: ZoneInfo) -> list[Firing]:
    """RDATE as firings, ascending."""
    found = [(_instant(dated, zone), dated) for dated in recurrence.added]
    return sorted(
        (Firing(at, zones.wall_at(zone, at) if dated.tzid else dated.stamp.wall(zone)) for at, dated in found),
        key=_moment,
    )


def _moment(firing: Firing) -> datetime:
    return firing.at

"""One recurrence rule as values (RFC 5545 section 3.3.10), and what it takes over from its start."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from math import gcd

MINUTES_A_DAY = 1440


@dataclass(frozen=True, slots=True)
class Rule:
    """The parts of an RRULE. Tuples are ascending; weekdays count from Monday = 0.

    `days` holds (n, weekday), n = 0 for every such weekday. COUNT and UNTIL live outside: they end a
    schedule, they do not shape it.
    """

    freq: str
    interval: int = 1
    wkst: int = 0
    months: tuple[int, ...] = ()
    weeks: tuple[int, ...] = ()
    yeardays: tuple[int, ...] = ()
    monthdays: tuple[int, ...] = ()
    days: tuple[tuple[int, int], ...] = ()
    hours: tuple[int, ...] = ()
    minutes: tuple[int, ...] = ()
    seconds: tuple[int, ...] = ()
    positions: tuple[int, ...] = ()

    @property
    def elapsed(self) -> bool:
        """Whether it counts real time: hourly and by the minute, unless BYHOUR ties it to the clock."""
        return self.freq in ("HOURLY", "MINUTELY") and not self.hours

    @property
    def picks_days(self) -> bool:
        """Whether any part limits the date."""
        return bool(self.months or self.weeks or self.yeardays or self.monthdays or self.days)

    @property
    def plain(self) -> bool:
        """Whether FREQ and INTERVAL say everything: no BY part at all."""
        return not (self.picks_days or self.hours or self.minutes or self.seconds or self.positions)


def completed(rule: Rule, start: datetime) -> Rule:
    """The rule with the parts RFC 5545 derives from DTSTART where the rule is silent.

    Minutes and seconds of hourly rules, and seconds of rules by the minute, stay open: they follow the start
    through changes of the offset.
    """
    rule = _with_days(rule, start)
    if rule.freq in ("HOURLY", "MINUTELY"):
        return rule
    return replace(
        rule,
        hours=rule.hours or (start.hour,),
        minutes=rule.minutes or (start.minute,),
        seconds=rule.seconds or (start.second,),
    )


def _with_days(rule: Rule, start: datetime) -> Rule:
    weekday = ((0, start.weekday()),)
    if rule.weeks and not rule.days:
        return replace(rule, days=weekday)
    if rule.weeks or rule.yeardays or rule.monthdays or rule.days:
        return rule
    if rule.freq == "YEARLY":
        return replace(rule, months=rule.months or (start.month,), monthdays=(start.day,))
    if rule.freq == "MONTHLY":
        return replace(rule, monthdays=(start.day,))
    return replace(rule, days=weekday) if rule.freq == "WEEKLY" else rule


def fills_positions(rule: Rule) -> bool:
    """Whether BYSETPOS points inside the largest set a completed rule has in a minute, hour, day or week."""
    size = max(len(rule.seconds), 1)
    if rule.freq != "MINUTELY":
        size *= max(len(rule.minutes), 1)
    if rule.freq in ("DAILY", "WEEKLY"):
        size *= max(len(rule.hours), 1)
    if rule.freq == "WEEKLY":
        size *= len(rule.days)
    unbounded = not rule.positions or rule.freq in ("MONTHLY", "YEARLY")
    return unbounded or any(abs(place) <= size for place in rule.positions)


def reaches_a_time(rule: Rule, start: datetime) -> bool:
    """Whether the hours and minutes asked for can be met by steps of INTERVAL from `start` at all."""
    if rule.freq == "HOURLY" and rule.hours:
        step = gcd(rule.interval, 24)
        return any((hour - start.hour) % step == 0 for hour in rule.hours)
    if rule.freq == "MINUTELY" and (rule.hours or rule.minutes):
        step = gcd(rule.interval, MINUTES_A_DAY)
        first = start.hour * 60 + start.minute
        return any(
            (hour * 60 + minute - first) % step == 0
            for hour in rule.hours or range(24)
            for minute in rule.minutes or range(60)
        )
    return True

"""Recurrence rules in words."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from app.domain.schedules.rrule_grammar import Recurrence
from app.domain.schedules.rrule_rule import Rule
from app.domain.schedules.rrule_values import Stamp
from app.domain.schedules.shape import Reading, Shape, Until
from app.domain.schedules.words_english import in_english
from app.domain.schedules.words_time import MOST_TIMES
from app.domain.texts import Text

_UNITS = {
    "YEARLY": "year",
    "MONTHLY": "month",
    "WEEKLY": "week",
    "DAILY": "day",
    "HOURLY": "hour",
    "MINUTELY": "minute",
}


def rule_in_words(rule: Rule, recurrence: Recurrence, zone: ZoneInfo) -> Text:
    """One sentence without a full stop; `rule` is the completed rule."""
    shape = rule_shape(rule, recurrence, zone)
    return Text(in_english(shape), "{schedule}", {"schedule": shape})


def rule_shape(rule: Rule, recurrence: Recurrence, zone: ZoneInfo) -> Shape:
    """What there is to say."""
    unit = _UNITS[rule.freq]
    short = unit in ("hour", "minute")
    times = () if short else _readings(rule)
    listed = len(times) <= MOST_TIMES
    return Shape(
        unit=unit,
        every=rule.interval,
        frame="month" if rule.monthdays else "day",
        weekdays=rule.days,
        positions=rule.positions,
        monthdays=rule.monthdays,
        yeardays=rule.yeardays,
        weeks=rule.weeks,
        months=rule.months,
        times=times if listed else (),
        times_a_day=0 if listed else len(times),
        minutes=rule.minutes if short else (),
        hours=rule.hours if short else (),
        seconds=rule.seconds if short and rule.seconds != (0,) else (),
        count=recurrence.count,
        until=_until(recurrence.until, zone),
        excluded=len(recurrence.excluded),
        added=len(recurrence.added),
    )


def _readings(rule: Rule) -> tuple[Reading, ...]:
    return tuple((h, m, s) for h in rule.hours for m in rule.minutes for s in rule.seconds)


def _until(stamp: Stamp | None, zone: ZoneInfo) -> Until | None:
    if stamp is None:
        return None
    plain = stamp.whole_day or stamp.moment.year > 9000
    return Until(stamp.moment if plain else stamp.wall(zone), stamp.whole_day)

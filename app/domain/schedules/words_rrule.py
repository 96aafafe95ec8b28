"""Recurrence rules in English."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from app.domain.schedules.rrule_grammar import Recurrence
from app.domain.schedules.rrule_rule import Rule
from app.domain.schedules.rrule_values import Stamp
from app.domain.schedules.words_time import (
    MONTHS,
    WEEKDAYS,
    clock,
    every,
    join,
    month_names,
    ordinal,
    product_of_times,
    weekdays,
)

_UNITS = {
    "YEARLY": "year",
    "MONTHLY": "month",
    "WEEKLY": "week",
    "DAILY": "day",
    "HOURLY": "hour",
    "MINUTELY": "minute",
}
_WORKING_WEEK = ((0, 0), (0, 1), (0, 2), (0, 3), (0, 4))
_WHOLE_WEEK = 7


def rule_in_words(rule: Rule, recurrence: Recurrence, zone: ZoneInfo) -> str:
    """One sentence without a full stop; `rule` is the completed rule."""
    sentence = " ".join([_pace(rule), *_days(rule), *_times(rule)])
    if recurrence.count:
        sentence += ", once" if recurrence.count == 1 else f", {recurrence.count} times"
    if recurrence.until:
        sentence += f", until {_stamp(recurrence.until, zone)}"
    if recurrence.excluded:
        sentence += f", except {_dates(len(recurrence.excluded))}"
    if recurrence.added:
        sentence += f", and on {_dates(len(recurrence.added))} more"
    return sentence


def _dates(count: int) -> str:
    return "1 date" if count == 1 else f"{count} dates"


def _stamp(stamp: Stamp, zone: ZoneInfo) -> str:
    if stamp.whole_day:
        return f"{stamp.moment:%Y-%m-%d}"
    wall = stamp.moment if stamp.moment.year > 9000 else stamp.wall(zone)
    return f"{wall:%Y-%m-%d} {clock(wall.hour, wall.minute, wall.second)}"


def _named_by_weekdays(rule: Rule) -> bool:
    """Whether "Every Monday" says it better than "Every week on Monday"."""
    return rule.freq in ("DAILY", "WEEKLY") and rule.interval == 1 and bool(rule.days) and not rule.positions


def _pace(rule: Rule) -> str:
    """ "Every 2 weeks", "Monday to Friday"."""
    if not _named_by_weekdays(rule):
        return every(rule.interval, _UNITS[rule.freq])
    days = [day for _, day in rule.days]
    if len(days) == _WHOLE_WEEK:
        return "Every day"
    words = weekdays(days)
    return words if " to " in words else f"Every {words}"


def _days(rule: Rule) -> list[str]:
    """Which days, most telling part first."""
    if rule.freq == "YEARLY" and len(rule.months) == 1 and rule.monthdays and not (rule.days or rule.positions):
        return [f"on {join(_day_of_month(day) for day in rule.monthdays)}{_of_month(rule)}"]
    found: list[str] = []
    if rule.positions:
        found.append(f"on the {join(ordinal(place) for place in rule.positions)}{_chosen(rule)}")
    elif rule.days and not _named_by_weekdays(rule):
        found.append(f"on {_weekday_list(rule)}")
    if rule.monthdays:
        found.append(f"on {_counted('day', rule.monthdays)}")
    if rule.yeardays:
        found.append(f"on {_counted('day', rule.yeardays)} of the year")
    if rule.weeks:
        found.append(f"in {_counted('week', rule.weeks)}")
    if rule.months:
        found.append(f"in {month_names(rule.months)}")
    return found


def _counted(noun: str, numbers: tuple[int, ...]) -> str:
    """ "day 1", "days 1 and 15", "days 1 and the last day"."""
    forward = [str(number) for number in numbers if number > 0]
    back = [f"the {ordinal(number)} {noun}" for number in numbers if number < 0]
    named = [f"{noun if len(forward) == 1 else noun + 's'} {join(forward)}"] if forward else []
    return join(named + back)


def _day_of_month(day: int) -> str:
    return str(day) if day > 0 else f"the {ordinal(day)} day"


def _of_month(rule: Rule) -> str:
    month = MONTHS[rule.months[0] - 1]
    return f" {month}" if rule.monthdays[-1] > 0 else f" of {month}"


def _weekday_list(rule: Rule) -> str:
    plain = [day for nth, day in rule.days if nth == 0]
    numbered = [f"the {ordinal(nth)} {WEEKDAYS[day]}" for nth, day in rule.days if nth]
    return join(([weekdays(plain)] if plain else []) + numbered)


def _chosen(rule: Rule) -> str:
    """What BYSETPOS picks from."""
    if rule.monthdays or rule.yeardays or rule.weeks or not rule.days:
        return " match"
    if rule.days == _WORKING_WEEK:
        return " weekday"
    if len(rule.days) == _WHOLE_WEEK and not any(nth for nth, _ in rule.days):
        return " day"
    if len(rule.days) == 1 and rule.days[0][0] == 0:
        return f" {WEEKDAYS[rule.days[0][1]]}"
    return f" of {_weekday_list(rule)}"


def _times(rule: Rule) -> list[str]:
    """The time of day, where the rule fixes one."""
    if rule.freq in ("HOURLY", "MINUTELY"):
        return _narrowed(rule)
    times = product_of_times(rule.hours, rule.minutes, rule.seconds)
    if times:
        return [times]
    return [f"at {len(rule.hours) * len(rule.minutes) * len(rule.seconds)} times of the day"]


def _narrowed(rule: Rule) -> list[str]:
    found = []
    if rule.minutes:
        found.append(f"at minute {join(str(minute) for minute in rule.minutes)}")
    if rule.hours:
        first = "in the hour of" if len(rule.hours) == 1 else "in the hours of"
        found.append(f"{first} {join(clock(hour, 0) for hour in rule.hours)}")
    if rule.seconds and rule.seconds != (0,):
        found.append(f"at second {join(str(second) for second in rule.seconds)}")
    return found

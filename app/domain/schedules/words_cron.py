"""Cron expressions in English: the common shapes in our words, rare ones in cronsim's."""

from __future__ import annotations

import re

from cronsim.explain import Expression

from app.domain.schedules.cron_grammar import CronFields
from app.domain.schedules.words_time import every, join, month_names, ordinal, product_of_times, weekdays

_NUMBERS = re.compile(r"\d+(?:-\d+)?(?:,\d+(?:-\d+)?)*\Z")
_STEP = re.compile(r"(?:\*|0)/(\d+)\Z")
_RANGE = re.compile(r"(\d+)-(\d+)\Z")
_MOST_DAYS = 4


def cron_in_words(fields: CronFields) -> str:
    """One sentence without a full stop, such as "Every 5 minutes, Monday to Friday"."""
    days = _days(fields)
    if days is not None:
        times = _clock_times(fields)
        if times:
            return f"{days} {times}"
        pace = _pace(fields)
        if pace:
            return pace if days == "Every day" else f"{pace}, {days.replace('Every', 'every', 1)}"
    return _rare(fields)


def _rare(fields: CronFields) -> str:
    parts = fields.text.split()
    words = Expression(parts).explain().rstrip(".")
    return words[:1].upper() + words[1:]


def _numbers(part: str) -> list[int] | None:
    """The values of a list of numbers and ranges, ascending; None for any other shape."""
    if not _NUMBERS.match(part):
        return None
    found: set[int] = set()
    for term in part.split(","):
        first, _, last = term.partition("-")
        found.update(range(int(first), int(last or first) + 1))
    return sorted(found)


def _single(part: str) -> int | None:
    return int(part) if part.isdigit() else None


def _clock_times(fields: CronFields) -> str | None:
    hours, minutes, seconds = _numbers(fields.hour), _numbers(fields.minute), _numbers(fields.second)
    if hours is None or minutes is None or seconds is None:
        return None
    return product_of_times(hours, minutes, seconds)


def _every_step(part: str, unit: str, whole: int) -> str | None:
    """ "Every 5 minutes" for `*/5`; None where the step does not divide the unit above."""
    if part == "*":
        return every(1, unit)
    step = _STEP.match(part)
    if step and whole % int(step[1]) == 0 and int(step[1]) < whole:
        return every(int(step[1]), unit)
    return None


def _pace(fields: CronFields) -> str | None:
    """How often inside a day: the finest field that repeats, then what narrows it."""
    if _single(fields.second) is None:
        return _every_step(fields.second, "second", 60) if fields.minute == fields.hour == "*" else None
    if fields.second != "0":
        return None
    span = _hour_span(fields.hour)
    if _single(fields.minute) is None:
        pace = _every_step(fields.minute, "minute", 60)
        if pace is None or (span is None and fields.hour != "*"):
            return None
        return pace if span is None else f"{pace} from {span[0]:02d}:00 to {span[1]:02d}:59"
    return _hourly(fields, span)


def _hourly(fields: CronFields, span: tuple[int, int] | None) -> str | None:
    minute = int(fields.minute)
    if span is not None:
        return f"Every hour from {span[0]:02d}:{minute:02d} to {span[1]:02d}:{minute:02d}"
    pace = _every_step(fields.hour, "hour", 24)
    if pace is None or minute == 0:
        return pace
    return f"{pace} at minute {minute}"


def _hour_span(hour: str) -> tuple[int, int] | None:
    if hour.isdigit():
        return int(hour), int(hour)
    span = _RANGE.match(hour)
    return (int(span[1]), int(span[2])) if span else None


def _days(fields: CronFields) -> str | None:
    """On which days: None when both day fields are set, or one has a shape that is not ours."""
    if fields.day != "*" and fields.weekday != "*":
        return None
    months = None if fields.month == "*" else _numbers(fields.month)
    if fields.month != "*" and months is None:
        return None
    if fields.day == "*" and fields.weekday == "*":
        return f"Every day in {month_names(months)}" if months else "Every day"
    if fields.weekday != "*":
        return _by_weekday(fields.weekday, months)
    return _by_date(fields.day, months)


def _by_weekday(weekday: str, months: list[int] | None) -> str | None:
    inside = f" in {month_names(months)}" if months else ""
    numbers = _numbers(weekday)
    if numbers is not None:
        days = sorted({(number + 6) % 7 for number in numbers})
        words = weekdays(days)
        if len(days) == 7:
            return f"Every day{inside}"
        return f"{words}{inside}" if " to " in words else f"Every {words}{inside}"
    special = re.fullmatch(r"(\d)(?:L|#(\d))", weekday)
    if not special:
        return None
    nth = ordinal(int(special[2])) if special[2] else "last"
    day = weekdays([(int(special[1]) + 6) % 7])
    return f"Every {'year' if months and len(months) == 1 else 'month'} on the {nth} {day}{_of(months)}"


def _by_date(day: str, months: list[int] | None) -> str | None:
    named = {"L": "the last day", "LW": "the last weekday"}.get(day)
    numbers = _numbers(day)
    if named is None and (numbers is None or len(numbers) > _MOST_DAYS):
        return None
    if named is None and numbers and months and len(months) == 1:
        return f"Every year on {join(str(number) for number in numbers)} {month_names(months)}"
    if named is None and numbers:
        named = ("day " if len(numbers) == 1 else "days ") + join(str(number) for number in numbers)
    return f"Every {'year' if months and len(months) == 1 else 'month'} on {named}{_of(months)}"


def _of(months: list[int] | None) -> str:
    if not months:
        return ""
    return f" of {month_names(months)}" if len(months) == 1 else f", in {month_names(months)}"

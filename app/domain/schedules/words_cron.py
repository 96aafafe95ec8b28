"""Cron expressions in words: the common shapes in our own, rare ones in cronsim's."""

from __future__ import annotations

import re
from dataclasses import replace

from cronsim.explain import Expression

from app.domain.schedules.cron_grammar import CronFields
from app.domain.schedules.shape import Reading, Shape
from app.domain.schedules.words_english import in_english
from app.domain.schedules.words_time import MOST_TIMES
from app.domain.texts import Text, t

_NUMBERS = re.compile(r"\d+(?:-\d+)?(?:,\d+(?:-\d+)?)*\Z")
_STEP = re.compile(r"(?:\*|0)/(\d+)\Z")
_RANGE = re.compile(r"(\d+)-(\d+)\Z")
_SPECIAL_DAY = re.compile(r"(\d)(?:L|#(\d))\Z")
_MOST_DAYS = 4


def cron_in_words(fields: CronFields) -> Text:
    """One sentence without a full stop, such as "Every 5 minutes, Monday to Friday"."""
    shape = cron_shape(fields)
    if shape is not None:
        return Text(in_english(shape), "{schedule}", {"schedule": shape})
    # cronsim speaks English alone; other languages show the expression itself.
    told = t("By the cron expression {expression}", expression=fields.text.removeprefix("0 "))
    return Text(_rare(fields), told.pattern, told.values)


def cron_shape(fields: CronFields) -> Shape | None:
    """What there is to say; None for a shape that is not ours."""
    days = _days(fields)
    if days is None:
        return None
    times = _clock_times(fields)
    if times is not None and len(times) <= MOST_TIMES:
        return replace(days, unit=days.frame, times=times)
    return _paced(fields, days)


def _rare(fields: CronFields) -> str:
    words = Expression(fields.text.split()).explain().rstrip(".")
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


def _clock_times(fields: CronFields) -> tuple[Reading, ...] | None:
    hours, minutes, seconds = _numbers(fields.hour), _numbers(fields.minute), _numbers(fields.second)
    if hours is None or minutes is None or seconds is None:
        return None
    return tuple((hour, minute, second) for hour in hours for minute in minutes for second in seconds)


def _step(part: str, whole: int) -> int | None:
    """5 for `*/5`, 1 for `*`; None where the step does not divide the unit above."""
    if part == "*":
        return 1
    step = _STEP.match(part)
    return int(step[1]) if step and whole % int(step[1]) == 0 and int(step[1]) < whole else None


def _paced(fields: CronFields, days: Shape) -> Shape | None:
    """How often inside a day: the finest field that repeats, then what narrows it."""
    if not fields.second.isdigit():
        every = _step(fields.second, 60) if fields.minute == fields.hour == "*" else None
        return replace(days, unit="second", every=every) if every else None
    if fields.second != "0":
        return None
    span = _hour_span(fields.hour)
    if not fields.minute.isdigit():
        every = _step(fields.minute, 60)
        if every is None or (span is None and fields.hour != "*"):
            return None
        window = ((span[0], 0, 0), (span[1], 59, 0)) if span else None
        return replace(days, unit="minute", every=every, window=window)
    return _hourly(fields, span, days)


def _hourly(fields: CronFields, span: tuple[int, int] | None, days: Shape) -> Shape | None:
    minute = int(fields.minute)
    if span is not None:
        return replace(days, unit="hour", window=((span[0], minute, 0), (span[1], minute, 0)))
    every = _step(fields.hour, 24)
    return replace(days, unit="hour", every=every, minutes=(minute,) if minute else ()) if every else None


def _hour_span(hour: str) -> tuple[int, int] | None:
    if hour.isdigit():
        return int(hour), int(hour)
    span = _RANGE.match(hour)
    return (int(span[1]), int(span[2])) if span else None


def _days(fields: CronFields) -> Shape | None:
    """On which days: None when both day fields are set, or one has a shape that is not ours."""
    if fields.day != "*" and fields.weekday != "*":
        return None
    months = [] if fields.month == "*" else _numbers(fields.month)
    if months is None:
        return None
    shape = Shape(months=tuple(months))
    if fields.weekday != "*":
        return _by_weekday(fields.weekday, shape)
    return shape if fields.day == "*" else _by_date(fields.day, shape)


def _by_weekday(weekday: str, shape: Shape) -> Shape | None:
    numbers = _numbers(weekday)
    if numbers is not None:
        days = sorted({(number + 6) % 7 for number in numbers})
        return replace(shape, weekdays=tuple((0, day) for day in days))
    special = _SPECIAL_DAY.match(weekday)
    if not special:
        return None
    day = (int(special[1]) + 6) % 7
    return replace(shape, frame=_frame(shape), weekdays=((int(special[2] or -1), day),))


def _by_date(day: str, shape: Shape) -> Shape | None:
    shape = replace(shape, frame=_frame(shape))
    if day == "L":
        return replace(shape, monthdays=(-1,))
    if day == "LW":
        return replace(shape, last_workday=True)
    numbers = _numbers(day)
    return None if numbers is None or len(numbers) > _MOST_DAYS else replace(shape, monthdays=tuple(numbers))


def _frame(shape: Shape) -> str:
    return "year" if len(shape.months) == 1 else "month"

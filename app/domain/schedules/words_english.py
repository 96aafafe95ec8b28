"""Shapes of schedules in English; `app.languages` has the others."""

from __future__ import annotations

from app.domain.schedules.shape import WHOLE_WEEK, WORKING_WEEK, Moment, Shape, Until
from app.domain.schedules.words_time import (
    MONTHS,
    WEEKDAYS,
    clock,
    every,
    join,
    month_names,
    ordinal,
    weekdays,
)


def in_english(shape: Shape | Moment) -> str:
    """One sentence without a full stop, such as "Every 5 minutes, Monday to Friday"."""
    if isinstance(shape, Moment):
        wall = shape.wall
        told = clock(wall.hour, wall.minute, wall.second)
        return f"Once, on {WEEKDAYS[wall.weekday()]} {wall.day} {MONTHS[wall.month - 1]} {wall.year} at {told}"
    if not shape.short:
        return " ".join([_days(shape), *_times(shape)]) + _end(shape)
    sentence = " ".join([every(shape.every, shape.unit), *_narrowed(shape)])
    if shape.limits_days:
        days = _days(shape)
        sentence += f", {days.replace('Every', 'every', 1)}"
    return sentence + _end(shape)


def _days(shape: Shape) -> str:
    """ "Every 2 weeks on Monday", "Monday to Friday", "Every year on 25 December"."""
    inside = _inside(shape)
    if not shape.named_by_weekdays:
        return " ".join([every(shape.day_every, shape.day_unit), *_which(shape)]) + inside
    days = shape.plain_weekdays
    if len(days) == WHOLE_WEEK:
        return f"Every day{inside}"
    words = weekdays(days)
    return f"{words}{inside}" if " to " in words else f"Every {words}{inside}"


def _which(shape: Shape) -> list[str]:
    """Which days, most telling part first."""
    if shape.dated:
        return [f"on {join(_date(day) for day in shape.monthdays)}"]
    found: list[str] = []
    if shape.positions:
        found.append(f"on the {join(ordinal(place) for place in shape.positions)}{_chosen(shape)}")
    elif shape.weekdays:
        found.append(f"on {_weekday_list(shape)}")
    if shape.last_workday:
        found.append("on the last weekday")
    if shape.monthdays:
        found.append(f"on {_counted('day', shape.monthdays)}")
    if shape.yeardays:
        found.append(f"on {_counted('day', shape.yeardays)} of the year")
    if shape.weeks:
        found.append(f"in {_counted('week', shape.weeks)}")
    return found


def _inside(shape: Shape) -> str:
    """Which months."""
    if not shape.months:
        return ""
    names = month_names(shape.months)
    if shape.dated and shape.monthdays[-1] > 0:
        return f" {names}"
    return f" of {names}" if shape.within_month else f" in {names}"


def _date(day: int) -> str:
    return str(day) if day > 0 else f"the {ordinal(day)} day"


def _counted(noun: str, numbers: tuple[int, ...]) -> str:
    """ "day 1", "days 1 and 15", "days 1 and the last day"."""
    forward = [str(number) for number in numbers if number > 0]
    back = [f"the {ordinal(number)} {noun}" for number in numbers if number < 0]
    named = [f"{noun if len(forward) == 1 else noun + 's'} {join(forward)}"] if forward else []
    return join(named + back)


def _weekday_list(shape: Shape) -> str:
    plain = shape.plain_weekdays
    numbered = [f"the {ordinal(nth)} {WEEKDAYS[day]}" for nth, day in shape.numbered_weekdays]
    return join(([weekdays(plain)] if plain else []) + numbered)


def _chosen(shape: Shape) -> str:
    """What `positions` pick from."""
    days = shape.plain_weekdays
    if shape.monthdays or shape.yeardays or shape.weeks or not shape.weekdays:
        return " match"
    if shape.numbered_weekdays:
        return f" of {_weekday_list(shape)}"
    if days == WORKING_WEEK:
        return " weekday"
    if len(days) == WHOLE_WEEK:
        return " day"
    return f" {WEEKDAYS[days[0]]}" if len(days) == 1 else f" of {_weekday_list(shape)}"


def _times(shape: Shape) -> list[str]:
    """The times of day, where there are any."""
    if shape.times:
        return ["at " + join(clock(*reading) for reading in shape.times)]
    return [f"at {shape.times_a_day} times of the day"] if shape.times_a_day else []


def _narrowed(shape: Shape) -> list[str]:
    found = []
    if shape.window:
        first, last = shape.window
        found.append(f"from {clock(*first)} to {clock(*last)}")
    if shape.minutes:
        found.append(f"at minute {join(str(minute) for minute in shape.minutes)}")
    if shape.hours:
        opening = "in the hour of" if len(shape.hours) == 1 else "in the hours of"
        found.append(f"{opening} {join(clock(hour, 0) for hour in shape.hours)}")
    if shape.seconds:
        found.append(f"at second {join(str(second) for second in shape.seconds)}")
    return found


def _end(shape: Shape) -> str:
    found = ""
    if shape.count:
        found += ", once" if shape.count == 1 else f", {shape.count} times"
    if shape.until:
        found += f", until {_until(shape.until)}"
    if shape.excluded:
        found += f", except {_dates(shape.excluded)}"
    if shape.added:
        found += f", and on {_dates(shape.added)} more"
    return found


def _until(until: Until) -> str:
    wall = until.wall
    return f"{wall:%Y-%m-%d}" if until.whole_day else f"{wall:%Y-%m-%d} {clock(wall.hour, wall.minute, wall.second)}"


def _dates(count: int) -> str:
    return "1 date" if count == 1 else f"{count} dates"

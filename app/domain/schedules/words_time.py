"""Small pieces of English the descriptions share: lists, ordinals, clock times, days and months."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

# Monday first, as `datetime.weekday` counts.
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_ORDINALS = ("", "first", "second", "third", "fourth", "fifth")
# More clock times than this are not spelled out.
MOST_TIMES = 6


def join(words: Iterable[str]) -> str:
    """ "a", "a and b", "a, b and c"."""
    items = list(words)
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} and {items[-1]}"


def every(count: int, unit: str) -> str:
    """ "Every day", "Every 3 days"."""
    return f"Every {unit}" if count == 1 else f"Every {count} {unit}s"


def ordinal(number: int) -> str:
    """ "first" for 1, "last" for -1, "second to last" for -2, "12th" beyond the words."""
    if number == -1:
        return "last"
    if number < 0:
        return f"{ordinal(-number)} to last"
    if number < len(_ORDINALS):
        return _ORDINALS[number]
    suffix = "th" if 10 < number % 100 < 14 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{suffix}"


def clock(hour: int, minute: int, second: int = 0) -> str:
    """ "09:05", with seconds only where there are any."""
    return f"{hour:02d}:{minute:02d}:{second:02d}" if second else f"{hour:02d}:{minute:02d}"


def weekdays(days: Sequence[int]) -> str:
    """ "Monday to Friday", "Monday, Wednesday and Friday"; days as `datetime.weekday` counts, ascending."""
    if len(days) > 2 and days[-1] - days[0] == len(days) - 1:
        return f"{WEEKDAYS[days[0]]} to {WEEKDAYS[days[-1]]}"
    return join(WEEKDAYS[day] for day in days)


def month_names(months: Sequence[int]) -> str:
    """ "March", "January, April and July", "June to August"; months 1-12, ascending."""
    if len(months) > 2 and months[-1] - months[0] == len(months) - 1:
        return f"{MONTHS[months[0] - 1]} to {MONTHS[months[-1] - 1]}"
    return join(MONTHS[month - 1] for month in months)

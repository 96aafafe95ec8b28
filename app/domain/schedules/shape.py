"""What there is to say about a schedule, before any language says it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

SHORT_UNITS = frozenset({"second", "minute", "hour"})
WORKING_WEEK = (0, 1, 2, 3, 4)
WHOLE_WEEK = 7

Reading = tuple[int, int, int]
"""Hour, minute and second of a clock."""


@dataclass(frozen=True, slots=True)
class Until:
    """The last moment of a schedule, by its own clocks."""

    wall: datetime
    whole_day: bool


@dataclass(frozen=True, slots=True)
class Moment:
    """A schedule of one moment, by its own clocks."""

    wall: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A schedule that repeats. Weekdays count from Monday = 0; tuples are ascending; empty ones limit nothing.

    Attributes:
        unit, every: "every 2 weeks".
        frame: Where days are counted for units shorter than a day: `day`, `month` or `year`.
        weekdays: (n, weekday): the n-th of the frame, from its end where n is negative, or each where it is 0.
        positions: Which of the days (BYSETPOS), from the end where negative.
        monthdays, yeardays, weeks: Negative ones count from the end.
        last_workday: The last weekday of the month.
        times: Clock readings; where they are too many to list, `times_a_day` counts them.
        window: First and last reading of a span of the day, seconds left out.
        minutes, hours, seconds: What narrows a pace shorter than a day.
        count, until, excluded, added: Where a rule ends, and how many dates it leaves out or adds.
    """

    unit: str = "day"
    every: int = 1
    frame: str = "day"
    weekdays: tuple[tuple[int, int], ...] = ()
    positions: tuple[int, ...] = ()
    monthdays: tuple[int, ...] = ()
    last_workday: bool = False
    yeardays: tuple[int, ...] = ()
    weeks: tuple[int, ...] = ()
    months: tuple[int, ...] = ()
    times: tuple[Reading, ...] = ()
    times_a_day: int = 0
    window: tuple[Reading, Reading] | None = None
    minutes: tuple[int, ...] = ()
    hours: tuple[int, ...] = ()
    seconds: tuple[int, ...] = ()
    count: int | None = None
    until: Until | None = None
    excluded: int = 0
    added: int = 0

    @property
    def short(self) -> bool:
        """Whether it repeats within a day."""
        return self.unit in SHORT_UNITS

    @property
    def day_unit(self) -> str:
        """The unit in which its days are told."""
        return self.frame if self.short else self.unit

    @property
    def day_every(self) -> int:
        """Every how many of these units."""
        return 1 if self.short else self.every

    @property
    def limits_days(self) -> bool:
        """Whether it keeps to some days only."""
        days = self.weekdays or self.positions or self.monthdays or self.yeardays or self.weeks or self.months
        return bool(days) or self.last_workday

    @property
    def plain_weekdays(self) -> tuple[int, ...]:
        """The weekdays that count each time."""
        return tuple(day for nth, day in self.weekdays if nth == 0)

    @property
    def numbered_weekdays(self) -> tuple[tuple[int, int], ...]:
        """The weekdays that count by their number."""
        return tuple(pair for pair in self.weekdays if pair[0])

    @property
    def named_by_weekdays(self) -> bool:
        """Whether "every Monday" says it all: no need of "every week on Monday"."""
        return (
            self.day_unit in ("day", "week")
            and self.day_every == 1
            and bool(self.plain_weekdays)
            and not (self.numbered_weekdays or self.positions)
        )

    @property
    def dated(self) -> bool:
        """Whether it is dates of one month of the year, such as 25 December."""
        only_dates = not (self.weekdays or self.positions)
        return self.day_unit == "year" and len(self.months) == 1 and bool(self.monthdays) and only_dates

    @property
    def within_month(self) -> bool:
        """Whether its days are counted inside the one month it names: "the last Sunday of March"."""
        counted = self.numbered_weekdays or self.positions or self.monthdays or self.last_workday
        return self.day_unit == "year" and len(self.months) == 1 and bool(counted)


def span_of(numbers: tuple[int, ...]) -> tuple[int, int] | None:
    """First and last of three or more numbers in a row; None for others."""
    if len(numbers) > 2 and numbers[-1] - numbers[0] == len(numbers) - 1:
        return numbers[0], numbers[-1]
    return None

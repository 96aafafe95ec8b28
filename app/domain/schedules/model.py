"""What a schedule is to the rest of the house, and what it yields."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Firing:
    """One moment to fire: `at` (aware, UTC) and the clock reading it was worked out from (naive, local)."""

    at: datetime
    wall: datetime


@dataclass(frozen=True, slots=True)
class Occurrence:
    """A firing as people read it: in UTC, in the schedule's zone, and a note where clocks change."""

    nominal: datetime
    local: datetime
    note: str | None


class Schedule(Protocol):
    """An immutable plan of moments in time; two schedules of equal text, zone and anchor behave the same."""

    @property
    def kind(self) -> str:
        """`cron`, `rrule`, `once`, `event`, `condition` or `manual`."""

    @property
    def expr(self) -> str:
        """The expression as the user wrote it, without outer blanks."""

    @property
    def timezone(self) -> str:
        """The IANA name of the zone whose clocks the schedule goes by."""

    def upcoming(self, after: datetime) -> Iterator[Firing]:
        """Every firing strictly after the aware moment `after`, strictly increasing; may never end."""

    def next_after(self, moment: datetime) -> datetime | None:
        """The first firing strictly after the aware `moment`, in UTC; None when there is none any more."""

    def describe(self) -> str:
        """The schedule in English words, such as "Every day at 09:00"."""

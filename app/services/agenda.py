"""What is to come: the next occurrences of all tasks on one line of time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from heapq import merge
from itertools import islice

from app.domain.clock import Clock
from app.domain.errors import ScheduleInvalid
from app.domain.next_run import delayed, schedule_of, to_come
from app.domain.ports import UnitsOfWork
from app.domain.schedules import zones
from app.domain.tasks import Task, TaskFilter
from app.services.ownership import visible
from ordinaut import Caller


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """One occurrence to come.

    Attributes:
        nominal_at: The time the schedule names, in UTC.
        effective_at: When it will be due, with its jitter.
        local: `nominal_at` by the clocks of the task's own zone.
    """

    task: Task
    nominal_at: datetime
    effective_at: datetime
    local: datetime


@dataclass(frozen=True, slots=True)
class Agenda:
    """Occurrences, soonest first, and the moment up to which nothing is missing among them."""

    items: Sequence[Planned]
    until: datetime


class AgendaService:
    """Reads ahead in the schedules of all tasks; nothing is stored."""

    def __init__(self, *, units: UnitsOfWork, clock: Clock) -> None:
        self._units = units
        self._clock = clock

    def read(self, *, caller: Caller, hours: int, limit: int) -> Agenda:
        """At most `limit` occurrences of the next `hours`, of the tasks that the caller may see.

        Snoozed occurrences are left out, as are tasks that are paused or wait for events.
        """
        now = self._clock.now()
        until = now + timedelta(hours=hours)
        seen = visible(TaskFilter(), caller)
        if seen is None:
            return Agenda((), until)
        with self._units(read_only=True) as unit:
            # Each of them comes at least once, so that no more can have a part in the answer.
            tasks = unit.tasks.soonest(until, created_by=seen.created_by, limit=limit + 1)
        lines = [_line(task, number, until) for number, task in enumerate(tasks)]
        found = list(islice(merge(*lines), limit + 1))
        if len(found) > limit:
            until = found.pop()[0]
        return Agenda([_planned(tasks[number], moment) for moment, number in found], until)


def _line(task: Task, number: int, until: datetime) -> Iterator[tuple[datetime, int]]:
    """The task's own line of time; the number settles which of two at one moment comes first."""
    try:
        moments = to_come(task, until)
    except ScheduleInvalid:
        # A zone may leave the time zone database after the task was saved; the others are still to come.
        return iter(())
    return ((moment, number) for moment in moments)


def _planned(task: Task, moment: datetime) -> Planned:
    local = moment.astimezone(zones.find_zone(schedule_of(task).timezone))
    return Planned(task=task, nominal_at=moment, effective_at=delayed(task, moment), local=local)

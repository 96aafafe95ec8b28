"""Looking at schedules before and after they are saved."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from app.domain.clock import Clock
from app.domain.next_run import MOMENT, schedule_of, used_up
from app.domain.schedules import Occurrence, parse, preview
from app.domain.tasks import Task


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleText:
    """A schedule as people write it."""

    kind: str
    expr: str | None
    timezone: str = "UTC"


@dataclass(frozen=True, slots=True)
class SchedulePreview:
    """A schedule in words, and its first occurrences."""

    description: str
    occurrences: tuple[Occurrence, ...]


class ScheduleService:
    """The use cases of schedules that belong to no task yet."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock

    def preview(self, text: ScheduleText, *, count: int, from_: datetime | None = None) -> SchedulePreview:
        """The first `count` occurrences at or after `from_` (now), as if the schedule were set then.

        Raises:
            ScheduleInvalid: at the member to mend.
        """
        start = from_ or self._clock.now()
        schedule = parse(text.kind, text.expr, text.timezone, anchor=start)
        return SchedulePreview(schedule.describe(), tuple(preview(schedule, after=start - MOMENT, count=count)))


def upcoming(task: Task, now: datetime, count: int) -> list[Occurrence]:
    """The task's next nominal times, inside its window and its number of runs, snooze and pause aside."""
    if used_up(task):
        return []
    left = count if task.max_runs is None else min(count, task.max_runs - task.fired_count)
    after = now
    if task.next_run_at is not None:
        after = min(after, task.next_run_at - MOMENT)
    if task.starts_at is not None:
        after = max(after, task.starts_at - MOMENT)
    found = preview(schedule_of(task), after=after, count=left)
    return [one for one in found if task.ends_at is None or one.nominal < task.ends_at]

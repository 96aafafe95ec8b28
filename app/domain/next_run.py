"""When a task is next due: its schedule, narrowed by its window and its number of runs, plus its jitter."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from functools import lru_cache
from hashlib import blake2b
from itertools import islice, takewhile

from app.domain.clock import to_micros
from app.domain.errors import ScheduleInvalid
from app.domain.schedules import Schedule, parse
from app.domain.tasks import Task

MOMENT = timedelta(microseconds=1)
"""The smallest step of time there is in the store."""


@lru_cache(maxsize=4096)
def _described(kind: str, expr: str | None, timezone: str, anchor: datetime) -> str:
    try:
        return parse(kind, expr, timezone, anchor=anchor).describe()
    except ScheduleInvalid:
        # A zone may leave the time zone database after the task was saved; reading the task must go on.
        return ""


def schedule_of(task: Task) -> Schedule:
    """The task's schedule; `parse` remembers equal ones.

    Raises:
        ScheduleInvalid: kind, expression or time zone cannot be used.
    """
    return parse(task.schedule_kind, task.schedule_expr, task.timezone, anchor=task.anchor_at)


def described(task: Task) -> str:
    """The schedule in words; empty when it cannot be read any more."""
    return _described(task.schedule_kind, task.schedule_expr, task.timezone, task.anchor_at)


def used_up(task: Task) -> bool:
    """Whether the task has had all the runs that `max_runs` grants."""
    return task.max_runs is not None and task.fired_count >= task.max_runs


def first_after(task: Task, moment: datetime) -> datetime | None:
    """The first nominal time strictly after `moment` that `starts_at`, `ends_at`, `max_runs` allow, in UTC.

    `starts_at` counts in, `ends_at` does not. The task's status and snooze are not looked at.

    Raises:
        ScheduleInvalid: the schedule cannot be used.
    """
    if used_up(task):
        return None
    if task.starts_at is not None:
        moment = max(moment, task.starts_at - MOMENT)
    nominal = schedule_of(task).next_after(moment)
    if nominal is None or (task.ends_at is not None and nominal >= task.ends_at):
        return None
    return nominal


def due_at(task: Task, nominal: datetime, following: datetime | None) -> datetime:
    """When the occurrence at `nominal` is to fire: the same answer each time it is asked.

    The delay lies in `[0, jitter_seconds]` and is never more than half of the gap to the `following` one, so
    occurrences keep their order.
    """
    room = timedelta(seconds=task.jitter_seconds)
    if following is not None:
        room = min(room, (following - nominal) / 2)
    width = room // MOMENT
    if width <= 0:
        return nominal
    digest = blake2b(f"{task.id}:{to_micros(nominal)}".encode(), digest_size=8).digest()
    return nominal + timedelta(microseconds=int.from_bytes(digest, "big") % (width + 1))


def delayed(task: Task, nominal: datetime) -> datetime:
    """`due_at` of an occurrence, with the one that follows it worked out where it matters."""
    if task.jitter_seconds == 0:
        return nominal
    return due_at(task, nominal, first_after(task, nominal))


def aimed_at(task: Task, nominal: datetime | None) -> Task:
    """The task with `nominal` as its next occurrence, or with none to come."""
    due = None if nominal is None else delayed(task, nominal)
    return replace(task, next_run_at=nominal, next_due_at=due)


def effective_next(task: Task) -> datetime | None:
    """When the task will next start a run by itself: with jitter, and not before a snooze ends."""
    if task.next_run_at is None:
        return None
    if task.snoozed_until is None or task.next_run_at >= task.snoozed_until:
        return task.next_due_at or task.next_run_at
    nominal = first_after(task, task.snoozed_until - MOMENT)
    return None if nominal is None else delayed(task, nominal)


def to_come(task: Task, until: datetime) -> Iterator[datetime]:
    """Nominal times from the task's next one up to `until`, which does not count in; those that are snoozed left out.

    Raises:
        ScheduleInvalid: the schedule cannot be used.
    """
    if task.next_run_at is None:
        return iter(())
    end = until if task.ends_at is None else min(until, task.ends_at)
    left = None if task.max_runs is None else task.max_runs - task.fired_count
    start = task.next_run_at if task.snoozed_until is None else max(task.next_run_at, task.snoozed_until)
    moments = (firing.at for firing in schedule_of(task).upcoming(start - MOMENT))
    return takewhile(lambda moment: moment < end, islice(moments, left))

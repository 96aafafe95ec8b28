"""Why a task did or did not run at a moment, in words and with the facts behind them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.domain.clock import rfc3339
from app.domain.errors import NotFound
from app.domain.next_run import first_after, schedule_of
from app.domain.ports import UnitOfWork
from app.domain.schedules import Schedule
from app.domain.tasks import OccurrenceRecord, Task

NEAR = timedelta(minutes=1)
"""People ask by the minute: an occurrence this much before the moment asked about is the one they mean."""

_LOOKS_BACK = (NEAR, timedelta(hours=1), timedelta(days=1), timedelta(days=32), timedelta(days=367))
_SKIPS = {
    "skipped_overlap": "It was skipped because an earlier run of the task had not ended",
    "skipped_misfire": "It was skipped because it could not be started in time",
    "skipped_snooze": "It was skipped because the task was snoozed",
    "dropped_limit": "It was dropped because a limit was reached",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """The answer to "why did it (not) run then?".

    Attributes:
        nominal_at: The occurrence that the question is about; None when there is none at that moment.
        occurrence: Its record, where it left one.
        previous, next: The occurrences nearest to the moment, on either side of it.
    """

    at: datetime
    answer: str
    nominal_at: datetime | None = None
    occurrence: OccurrenceRecord | None = None
    previous: datetime | None = None
    next: datetime | None = None


def explained(unit: UnitOfWork, task: Task, at: datetime, now: datetime) -> Explanation:
    """The explanation for `at`, from the store where it has a record, else from the schedule as it is now."""
    record = unit.tasks.occurrence_near(task.id, at)
    previous, following = _before(task, at), _after(task, at)
    if record is not None and at - record.nominal_at < NEAR:
        return Explanation(
            at=at,
            answer=_recorded(unit, record),
            nominal_at=record.nominal_at,
            occurrence=record,
            previous=previous,
            next=following,
        )
    last = _last_upto(schedule_of(task), at)
    nominal = last if last is not None and at - last < NEAR else None
    answer = _unrecorded(task, at, nominal, now)
    if nominal is None:
        answer += _neighbours(previous, following)
    return Explanation(at=at, answer=answer, nominal_at=nominal, previous=previous, next=following)


def _recorded(unit: UnitOfWork, record: OccurrenceRecord) -> str:
    opening = f"The occurrence of {rfc3339(record.nominal_at)} "
    if record.outcome != "fired":
        text = opening + "did not run. " + _SKIPS[record.outcome]
        return f"{text}: {record.reason}." if record.reason else text + "."
    if record.run_id is None:
        return opening + "fired."
    try:
        run = unit.runs.get(record.run_id)
    except NotFound:
        return opening + f"fired as run {record.run_id}, whose record has been removed since."
    return opening + f"fired as run {run.id}, which is {run.status}."


def _unrecorded(task: Task, at: datetime, nominal: datetime | None, now: datetime) -> str:
    moment = nominal or at
    for holds, sentence in _reasons(task, moment, now):
        if holds:
            return sentence
    if nominal is None:
        return "The schedule has no occurrence at this moment."
    return _expected(task, nominal, now)


def _reasons(task: Task, moment: datetime, now: datetime) -> Iterator[tuple[bool, str]]:
    """What keeps a task from running whatever its schedule says, most decisive first."""
    yield (
        moment < task.created_at,
        f"The task did not exist yet: it was created at {rfc3339(task.created_at)}.",
    )
    yield task.schedule_kind == "manual", "The task has no schedule: it runs only when it is started by hand."
    if task.starts_at is not None:
        yield moment < task.starts_at, f"The task starts at {rfc3339(task.starts_at)}; nothing fires before."
    if task.ends_at is not None:
        yield (
            moment >= task.ends_at,
            f"The task ended at {rfc3339(task.ends_at)} (ends_at); nothing fires after.",
        )
    changed = f"The schedule was set at {rfc3339(task.anchor_at)}; nothing before that moment fires."
    yield moment <= task.anchor_at and task.schedule_kind != "once", changed
    yield task.status == "canceled", "The task is canceled; its schedule never fires again."
    yield task.status == "paused", "The task is paused; its schedule does not fire until it is resumed."
    yield task.status == "completed" and moment > now, "The task is completed; its schedule has ended."


def _expected(task: Task, nominal: datetime, now: datetime) -> str:
    text = rfc3339(nominal)
    if task.snoozed_until is not None and now < nominal < task.snoozed_until:
        reason = f" ({task.snooze_reason})" if task.snooze_reason else ""
        return f"The occurrence of {text} will be skipped: snoozed until {rfc3339(task.snoozed_until)}{reason}."
    if nominal > now:
        return f"Not yet: the occurrence of {text} is still to come."
    if task.next_run_at is not None and task.next_run_at <= nominal:
        due = task.next_due_at or nominal
        if due > now:
            return f"Not yet: the occurrence of {text} fires at {rfc3339(due)}, with its jitter."
        return f"The occurrence of {text} is due, and no scheduler has taken it yet: is beat running?"
    return (
        f"The occurrence of {text} has no record: the task was paused or had another schedule then, "
        "or its record has been removed since."
    )


def _neighbours(previous: datetime | None, following: datetime | None) -> str:
    parts = []
    if previous is not None:
        parts.append(f"the one before is at {rfc3339(previous)}")
    if following is not None:
        parts.append(f"the next one is at {rfc3339(following)}")
    return f" Of its occurrences, {' and '.join(parts)}." if parts else ""


def _after(task: Task, at: datetime) -> datetime | None:
    """The first nominal time after `at`; those before the schedule was set were never meant to fire."""
    if task.status not in ("active", "paused"):
        return None
    return first_after(task, at if task.schedule_kind == "once" else max(at, task.anchor_at))


def _before(task: Task, at: datetime) -> datetime | None:
    """The last nominal time before `at` that the task as it stands allows."""
    last = _last_upto(schedule_of(task), at - timedelta(microseconds=1))
    if last is None or last < task.created_at or (task.starts_at is not None and last < task.starts_at):
        return None
    return last


def _last_upto(schedule: Schedule, at: datetime) -> datetime | None:
    """The last nominal time at or before `at`, looked for at most a year back."""
    for span in _LOOKS_BACK:
        last = None
        for firing in schedule.upcoming(at - span):
            if firing.at > at:
                break
            last = firing.at
        if last is not None:
            return last
    return None

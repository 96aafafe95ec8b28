"""How a task may change its state: functions of the task and the time, with the sentence to answer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from app.domain.clock import rfc3339
from app.domain.errors import Conflict, InvalidInput
from app.domain.next_run import aimed_at, first_after
from app.domain.tasks import TIMELESS, Task
from app.domain.texts import t

MAX_SNOOZE = timedelta(seconds=604_800)
"""A week."""


@dataclass(frozen=True, slots=True)
class Change:
    """A task after a change of its state, and what to tell whoever asked for it."""

    task: Task
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Nap:
    """How long a task is to be snoozed: for so many seconds, or until a moment."""

    delay_seconds: int | None = None
    until: datetime | None = None
    reason: str | None = None

    def taken(self, task: Task, now: datetime) -> Change:
        """The task once it is snoozed; see `snoozed` and `snooze_end` for what is refused."""
        return snoozed(task, snooze_end(now, self.delay_seconds, self.until), self.reason)


def paused(task: Task) -> Change:
    """Stop the schedule; asking again changes nothing.

    Raises:
        Conflict: the task is completed or canceled.
    """
    if task.status == "paused":
        return Change(task, t("Task is already paused"))
    if task.status != "active":
        raise _refused(task, "paused", t("A {status} task has no schedule to pause", status=task.status))
    return Change(replace(aimed_at(task, None), status="paused"), t("Task paused"))


def resumed(task: Task, now: datetime) -> Change:
    """Take the schedule up again from now on, and end a snooze; what was due meanwhile never fires.

    Raises:
        Conflict: the task is canceled or completed, or its schedule has no time to come.
    """
    if task.status == "active":
        if task.snoozed_until is None or task.snoozed_until <= now:
            return Change(task, t("Task is already active"))
        return Change(_awake(task), t("Task resumed: its snooze is over"))
    if task.status != "paused":
        raise _refused(task, "active", t("A {status} task cannot be resumed", status=task.status))
    nominal = first_after(task, now)
    if nominal is None and task.schedule_kind not in TIMELESS:
        raise _refused(task, "active", t("The task's schedule has no time to come; give it a new one"))
    return Change(replace(aimed_at(_awake(task), nominal), status="active"), t("Task resumed"))


def canceled(task: Task) -> Change:
    """End the task for good; runs that are queued or running go on."""
    if task.status == "canceled":
        return Change(task, t("Task is already canceled"))
    # Its name is free again: another task may be what assistants call by it.
    return Change(replace(aimed_at(task, None), status="canceled", expose_as_tool=None), t("Task canceled"))


def snoozed(task: Task, until: datetime, reason: str | None) -> Change:
    """Skip every occurrence before `until`; a later snooze takes the place of an earlier one.

    Raises:
        Conflict: nothing of this task's would fire anyway.
    """
    if task.status in ("completed", "canceled") or task.schedule_kind == "manual":
        kind = "manual" if task.schedule_kind == "manual" else task.status
        raise _refused(task, "snoozed", t("A {status} task has no occurrences to skip", status=kind))
    changed = replace(task, snoozed_until=until, snooze_reason=reason)
    return Change(changed, t("Task snoozed until {until}", until=rfc3339(until)))


def snooze_end(now: datetime, delay_seconds: int | None, until: datetime | None) -> datetime:
    """The end of a snooze: `delay_seconds` from now, or `until`; exactly one of them, at most a week ahead.

    Raises:
        InvalidInput: at the member to mend.
    """
    if (delay_seconds is None) == (until is None):
        raise InvalidInput.at("/delay_seconds", t("Give either 'delay_seconds' or 'until'"))
    if delay_seconds is not None:
        if not 1 <= delay_seconds <= MAX_SNOOZE.total_seconds():
            raise InvalidInput.at("/delay_seconds", t("'delay_seconds' must be from 1 to 604800"))
        return now + timedelta(seconds=delay_seconds)
    assert until is not None
    if until <= now:
        raise InvalidInput.at("/until", t("'until' must lie in the future"))
    if until - now > MAX_SNOOZE:
        raise InvalidInput.at("/until", t("'until' may be at most 7 days (604800 seconds) ahead"))
    return until


def _awake(task: Task) -> Task:
    return replace(task, snoozed_until=None, snooze_reason=None)


def _refused(task: Task, requested: str, message: str) -> Conflict:
    return Conflict(message, task_id=task.id, status=task.status, requested=requested)

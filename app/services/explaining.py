"""Why a task did or did not run at a moment, in words and with the facts behind them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from app.domain.clock import rfc3339
from app.domain.errors import NotFound
from app.domain.grants import grant_hold
from app.domain.next_run import first_after, schedule_of
from app.domain.ports import UnitOfWork
from app.domain.schedules import Schedule
from app.domain.tasks import BY_EVENT, OccurrenceRecord, Task
from app.domain.texts import Text, joined, t

NEAR = timedelta(minutes=1)
"""People ask by the minute: an occurrence this much before the moment asked about is the one they mean."""

_LOOKS_BACK = (NEAR, timedelta(hours=1), timedelta(days=1), timedelta(days=32), timedelta(days=367))
_SKIPS = {
    "skipped_overlap": t("It was skipped because an earlier run of the task had not ended"),
    "skipped_misfire": t("It was skipped because it could not be started in time"),
    "skipped_snooze": t("It was skipped because the task was snoozed"),
    "skipped_grant": t("It was skipped because nobody had accepted what the task may do"),
    "deduped": t("It was not run because another one stands for it"),
    "dropped_limit": t("It was dropped because a limit was reached"),
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
    found = _explained(unit, task, at, now)
    misfits = [
        t("Step {step} no longer fits {tool} ({issue}).", step=one["step"], tool=one["tool"], issue=Text(one["issue"]))
        for one in task.drift
        if datetime.fromisoformat(one["since"]) <= at
    ]
    return replace(found, answer=joined(" ", [found.answer, *misfits])) if misfits else found


def _explained(unit: UnitOfWork, task: Task, at: datetime, now: datetime) -> Explanation:
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
    if nominal is None and (near := _neighbours(previous, following)):
        answer = joined(" ", [answer, near])
    return Explanation(at=at, answer=answer, nominal_at=nominal, previous=previous, next=following)


def _recorded(unit: UnitOfWork, record: OccurrenceRecord) -> Text:
    moment = rfc3339(record.nominal_at)
    if record.outcome != "fired":
        why = _SKIPS[record.outcome]
        if not record.reason:
            return t("The occurrence of {moment} did not run. {why}.", moment=moment, why=why)
        reason = t(record.reason)
        return t("The occurrence of {moment} did not run. {why}: {reason}.", moment=moment, why=why, reason=reason)
    if record.run_id is None:
        return t("The occurrence of {moment} fired.", moment=moment)
    try:
        run = unit.runs.get(record.run_id)
    except NotFound:
        return t(
            "The occurrence of {moment} fired as run {run}, whose record has been removed since.",
            moment=moment,
            run=record.run_id,
        )
    return t(
        "The occurrence of {moment} fired as run {run}, which is {status}.",
        moment=moment,
        run=run.id,
        status=run.status,
    )


def _unrecorded(task: Task, at: datetime, nominal: datetime | None, now: datetime) -> Text:
    moment = nominal or at
    for holds, sentence in _reasons(task, moment, now):
        if holds:
            return sentence
    if nominal is None:
        return t("The schedule has no occurrence at this moment.")
    return _expected(task, nominal, now)


def _reasons(task: Task, moment: datetime, now: datetime) -> Iterator[tuple[bool, Text]]:
    """What keeps a task from running whatever its schedule says, most decisive first."""
    yield (
        moment < task.created_at,
        t("The task did not exist yet: it was created at {moment}.", moment=rfc3339(task.created_at)),
    )
    yield task.schedule_kind == "manual", t("The task has no schedule: it runs only when it is started by hand.")
    yield task.schedule_kind in BY_EVENT, t("The task has no times: it runs when an event starts it.")
    if task.starts_at is not None:
        starts = rfc3339(task.starts_at)
        yield moment < task.starts_at, t("The task starts at {moment}; nothing fires before.", moment=starts)
    if task.ends_at is not None:
        ends = rfc3339(task.ends_at)
        yield moment >= task.ends_at, t("The task ended at {moment} (ends_at); nothing fires after.", moment=ends)
    changed = t("The schedule was set at {moment}; nothing before that moment fires.", moment=rfc3339(task.anchor_at))
    yield moment <= task.anchor_at and task.schedule_kind != "once", changed
    yield task.status == "canceled", t("The task is canceled; its schedule never fires again.")
    yield task.status == "paused", t("The task is paused; its schedule does not fire until it is resumed.")
    hold = grant_hold(task.grant_status, task.granted_until, max(moment, now))
    yield hold is not None and moment > now, joined("", [hold, "."])
    yield task.status == "completed" and moment > now, t("The task is completed; its schedule has ended.")


def _expected(task: Task, nominal: datetime, now: datetime) -> Text:
    moment = rfc3339(nominal)
    if task.snoozed_until is not None and now < nominal < task.snoozed_until:
        until, reason = rfc3339(task.snoozed_until), f" ({task.snooze_reason})" if task.snooze_reason else ""
        return t(
            "The occurrence of {moment} will be skipped: snoozed until {until}{reason}.",
            moment=moment,
            until=until,
            reason=reason,
        )
    if nominal > now:
        return t("Not yet: the occurrence of {moment} is still to come.", moment=moment)
    if task.next_run_at is not None and task.next_run_at <= nominal:
        due = task.next_due_at or nominal
        if due > now:
            text = t("Not yet: the occurrence of {moment} fires at {due}, with its jitter.")
            return text.fill(moment=moment, due=rfc3339(due))
        return t(
            "The occurrence of {moment} is due, and no scheduler has taken it yet: is beat running?", moment=moment
        )
    return t(
        "The occurrence of {moment} has no record: the task was paused or had another schedule then, "
        "or its record has been removed since.",
        moment=moment,
    )


def _neighbours(previous: datetime | None, following: datetime | None) -> Text | None:
    if previous is not None and following is not None:
        text = t("Of its occurrences, the one before is at {previous} and the next one is at {next}.")
        return text.fill(previous=rfc3339(previous), next=rfc3339(following))
    if previous is not None:
        return t("Of its occurrences, the one before is at {previous}.", previous=rfc3339(previous))
    if following is not None:
        return t("Of its occurrences, the next one is at {next}.", next=rfc3339(following))
    return None


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

"""What becomes of a task's due occurrences: the one place where misfire, overlap, snooze and limits are decided."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from app.domain.grants import grant_hold
from app.domain.next_run import MOMENT, delayed, first_after
from app.domain.run_limits import crowd_reason, crowded
from app.domain.tasks import OccurrenceRecord, Task
from app.domain.texts import t

CHUNK = 500
"""Occurrences of one task handled at a time: a long absence is worked off over several ticks."""
_FIRST_LOOK = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is to be written for a due task.

    Attributes:
        task: Moved on to its next occurrence, or completed.
        records: A row for each occurrence handled; those with outcome `fired` become runs.
    """

    task: Task
    records: tuple[OccurrenceRecord, ...]


Enter = Callable[[OccurrenceRecord], OccurrenceRecord]
"""What becomes of an occurrence that nothing keeps from firing: it fires, or has another outcome after all."""


def _fires(record: OccurrenceRecord) -> OccurrenceRecord:
    return record


def judge(task: Task, now: datetime, *, busy: int, enter: Enter = _fires) -> Verdict:
    """Decide about the task's occurrences up to `now`.

    An occurrence whose due moment, jitter included, is no older than `misfire_grace_seconds` is on time. Of the
    older ones, `misfire` says which still fire: none (`skip`), the last if nothing newer is due (`last`), or the last
    `catchup_max` (`all`); in any case only those inside `catchup_window_seconds`. Then overlap, snooze and `max_runs`
    have their say. None fires while the task's grant does not allow it.

    Args:
        busy: How many runs of the task are queued, running or waiting.
        enter: Asked about each occurrence that would fire, in order.
    """
    late = now - timedelta(seconds=task.misfire_grace_seconds)
    wanted = _caught_up(task, now, late)
    hold = grant_hold(task.grant_status, task.granted_until, now)
    records: list[OccurrenceRecord] = []
    nominal, fired = task.next_run_at, task.fired_count
    while nominal is not None and len(records) < CHUNK and not _exhausted(task, fired):
        effective = delayed(task, nominal)
        if effective > now:
            break
        record = OccurrenceRecord(task_id=task.id, nominal_at=nominal, effective_at=effective, outcome="fired")
        if hold is not None:
            record = replace(record, outcome="skipped_grant", reason=hold)
        else:
            record = _decide(task, record, wanted if effective < late else None, busy=busy)
        if record.outcome == "fired":
            record = enter(record)
        if record.outcome == "fired":
            busy += 1
            fired += 1
        records.append(record)
        nominal = first_after(task, nominal)
    return Verdict(_moved(task, nominal, fired), tuple(records))


def _exhausted(task: Task, fired: int) -> bool:
    """Whether that is as often as `max_runs` allows."""
    return task.max_runs is not None and fired >= task.max_runs


def _decide(task: Task, record: OccurrenceRecord, wanted: frozenset[datetime] | None, *, busy: int) -> OccurrenceRecord:
    """One occurrence; `wanted` are the late ones that still fire, None for one that is on time."""
    nominal = record.nominal_at
    if task.snoozed_until is not None and nominal < task.snoozed_until:
        return replace(record, outcome="skipped_snooze", reason=task.snooze_reason or t("The task was snoozed"))
    if wanted is not None and nominal not in wanted:
        return replace(record, outcome="skipped_misfire", reason=_misfire_reason(task))
    if crowded(task.overlap, busy):
        return replace(record, outcome="skipped_overlap", reason=crowd_reason(task.overlap))
    return record


def _misfire_reason(task: Task) -> str:
    seconds = task.misfire_grace_seconds
    if task.misfire == "skip":
        return t("It was missed by more than {seconds} s, and misfire is skip", seconds=seconds)
    if task.misfire == "last":
        return t("It was missed by more than {seconds} s, and a later occurrence stands for it", seconds=seconds)
    return t(
        "It was missed by more than {seconds} s, and lies outside the last {count} or the catch-up window",
        seconds=seconds,
        count=task.catchup_max,
    )


def _caught_up(task: Task, now: datetime, late: datetime) -> frozenset[datetime]:
    """The missed occurrences that still fire."""
    first = task.next_run_at
    if first is None or task.misfire == "skip" or delayed(task, first) >= late:
        return frozenset()
    most = task.catchup_max if task.misfire == "all" else 1
    newest = _newest(task, max(first, now - timedelta(seconds=task.catchup_window_seconds)), late, most)
    following = first_after(task, newest[-1]) if newest else None
    if task.misfire == "last" and following is not None and delayed(task, following) <= now:
        return frozenset()  # one that is on time stands for them all
    return frozenset(newest)


def _newest(task: Task, oldest: datetime, late: datetime, most: int) -> list[datetime]:
    """The last `most` nominal times from `oldest` on that were due before `late`.

    They are found by looking back over windows that double.
    """
    reach = _FIRST_LOOK
    while True:
        start = max(oldest, late - reach)
        found: list[datetime] = []
        nominal = first_after(task, start - MOMENT)
        while nominal is not None and delayed(task, nominal) < late:
            found.append(nominal)
            nominal = first_after(task, nominal)
        if len(found) >= most or start == oldest:
            return found[-most:] if most else []
        reach *= 2


def _moved(task: Task, nominal: datetime | None, fired: int) -> Task:
    """The task after what has been handled: on to its next occurrence, or completed when none is to come."""
    if nominal is None or _exhausted(task, fired):
        return replace(task, status="completed", next_run_at=None, next_due_at=None, fired_count=fired)
    return replace(task, next_run_at=nominal, next_due_at=delayed(task, nominal), fired_count=fired)

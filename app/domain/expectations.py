"""What a task is expected to do in time, and which of it does not hold at a moment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, get_args

from app.domain.durations import seconds_of
from app.domain.errors import InvalidInput, Problem
from app.domain.tasks import Task
from app.domain.texts import t

IncidentKind = Literal["start_within", "finish_within", "no_success_for"]
KINDS: tuple[IncidentKind, ...] = get_args(IncidentKind)
LONGEST_SECONDS = 31_622_400
"""366 days."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """A task with expectations, and what is known of its runs at one moment.

    Attributes:
        expect: Kind -> seconds.
        since: When the watch began: what happened before does not count.
        active: Whether its schedule goes on; of a completed task the last runs are watched to their end.
        snoozed_until: Before this moment nothing is expected of it.
        due_at: When its next occurrence is to be fired.
        unstarted_since: For when the first run that nobody has begun was scheduled.
        unfinished_since: The same of the first that has not ended.
        succeeded_at: When its newest success ended.
    """

    task_id: str
    title: str
    expect: Mapping[str, int]
    since: datetime
    active: bool = True
    snoozed_until: datetime | None = None
    due_at: datetime | None = None
    unstarted_since: datetime | None = None
    unfinished_since: datetime | None = None
    succeeded_at: datetime | None = None

    @property
    def over(self) -> bool:
        """Whether nothing is left to watch."""
        return not self.active and self.unfinished_since is None

    def expected(self, now: datetime) -> Mapping[str, int]:
        """What is expected at this moment: nothing of a task that is snoozed, no success of one that is completed."""
        if self.snoozed_until is not None and self.snoozed_until > now:
            return {}
        return {kind: limit for kind, limit in self.expect.items() if self.active or kind != "no_success_for"}


@dataclass(frozen=True, slots=True)
class Breach:
    """An expectation that does not hold: `limit_seconds` have gone by since `counted_from`."""

    kind: IncidentKind
    limit_seconds: int
    counted_from: datetime

    @property
    def breached_at(self) -> datetime:
        """From when on it does not hold."""
        return self.counted_from + timedelta(seconds=self.limit_seconds)


def expectations(given: Mapping[str, Any], at: str = "/expect") -> dict[str, int]:
    """Kind -> whole seconds, in the order of `KINDS`.

    Raises:
        InvalidInput: below `at`, with every problem there is.
    """
    problems = [
        Problem(f"{at}/{name}", t("'expect.{name}' is not a known field", name=name[:80]))
        for name in given
        if name not in KINDS
    ]
    found: dict[str, int] = {}
    for kind in KINDS:
        if given.get(kind) is None:
            continue
        seconds = seconds_of(given[kind])
        if seconds is None or not 1 <= seconds <= LONGEST_SECONDS:
            problems.append(_no_length(f"{at}/{kind}", kind))
        else:
            found[kind] = seconds
    if not found and not problems:
        problems.append(Problem(at, t("'expect' names no expectation"), t("Send null to expect nothing")))
    if problems:
        raise InvalidInput(problems)
    return found


def _no_length(pointer: str, kind: str) -> Problem:
    text = t("'expect.{name}' must be a length of time from 1 second to 366 days", name=kind)
    return Problem(pointer, text, t("Write seconds, or a text such as 15m, 1h30m or PT15M"))


def watched_since(before: Task | None, after: Task, now: datetime) -> datetime | None:
    """When the watch over a task begins that has just changed; None where nothing is expected of it.

    It begins anew when something else is expected, and when the task is taken up again after a pause or a snooze.
    Of a task that beat has completed it goes on.
    """
    if after.expect is None or after.status not in ("active", "completed"):
        return None
    if before is None or before.watched_since is None or before.status != after.status:
        return now
    if before.expect != after.expect or (before.snoozed_until is not None and after.snoozed_until is None):
        return now
    return before.watched_since


def breaches(task: Watched, now: datetime) -> Iterator[Breach]:
    """The expectations of the task that do not hold now, each with the moment from which its time is counted."""
    expected = task.expected(now)
    began = task.since if task.snoozed_until is None else max(task.since, task.snoozed_until)
    for kind in KINDS:
        limit, moment = expected.get(kind), _counted(task, kind, began)
        if limit is None or moment is None:
            continue
        breach = Breach(kind, limit, max(moment, began))
        if breach.breached_at <= now:
            yield breach


def _counted(task: Watched, kind: IncidentKind, began: datetime) -> datetime | None:
    """From when the time of an expectation counts; None while nothing is awaited."""
    match kind:
        case "no_success_for":
            return task.succeeded_at or began
        case "start_within":
            awaited = task.unstarted_since
        case "finish_within":
            awaited = task.unfinished_since
    # An occurrence that no beat has fired has neither started nor finished.
    moments = [moment for moment in (awaited, task.due_at) if moment is not None]
    return min(moments, default=None)

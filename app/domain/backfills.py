"""Backfills: runs for dates that a schedule names and that lie in the past."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, Protocol

from app.domain.errors import InvalidInput, Unprocessable
from app.domain.next_run import MOMENT, schedule_of
from app.domain.paging import Page
from app.domain.ports import UnitOfWork
from app.domain.runs import ACTIVE
from app.domain.tasks import TIMELESS, Task
from app.domain.texts import t

Reprocess = Literal["none", "failed", "all"]
Status = Literal["active", "completed", "canceled"]
DateStatus = Literal["pending", "started", "succeeded", "failed", "canceled", "gone"]

MOST: Final = 10_000
"""Dates of one backfill."""
MOST_PARALLEL: Final = 100
FIRED: Final = "fired"
"""Of a date: a run was made for it, and nobody knows any more how that one ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackfillRequest:
    """A wish for runs of the dates from `start` on and before `end`.

    Attributes:
        reprocess: Which dates that have had a run are done again.
        max_parallel: So many runs at a time.
    """

    start: datetime
    end: datetime
    max_parallel: int = 1
    reprocess: Reprocess = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Backfill:
    """A backfill as it stands.

    Attributes:
        definition_id: What its runs keep: the task's definition when it was asked for.
        total: Its dates.
        skipped: Dates of the schedule that were left out, since they have had a run.
        finished_at: When the last of its runs had ended; None while one may be under way.
    """

    id: str
    task_id: str
    definition_id: str
    start: datetime
    end: datetime
    max_parallel: int
    reprocess: Reprocess
    status: Status
    total: int
    skipped: int
    created_by: str
    created_at: datetime
    finished_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class BackfillDate:
    """One date: `pending` before its run is made, `started` until that one has ended, `gone` when it was deleted."""

    nominal_at: datetime
    status: DateStatus
    run_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hungry:
    """An unfinished backfill about which something is to be done."""

    id: str
    task_id: str


class BackfillStore(Protocol):
    """Backfills inside a unit of work. Whoever changes one holds the row of its task."""

    def add(self, backfill: Backfill, dates: Sequence[datetime]) -> None: ...

    def get(self, backfill_id: str) -> Backfill:
        """The backfill, or NotFound."""

    def page(self, task_id: str, *, limit: int, offset: int) -> Page[Backfill]:
        """Newest first."""

    def dates(self, backfill_id: str, *, limit: int, offset: int) -> Page[BackfillDate]:
        """In order."""

    def counts(self, backfill_ids: Sequence[str]) -> Mapping[str, Mapping[str, int]]:
        """Dates by status, for each backfill that has any."""

    def past(self, task_id: str, start: datetime, end: datetime) -> Mapping[datetime, str]:
        """What became of the task's dates: the status of the last run, `queued` for one to come, or `FIRED`."""

    def hungry(self, limit: int) -> list[Hungry]:
        """Those with runs that have ended, room for more, or nothing left to do; oldest first."""

    def settle(self, backfill_id: str) -> None:
        """Give dates whose run has ended the status of that run."""

    def pending(self, backfill_id: str, limit: int) -> list[datetime]:
        """The first dates without a run."""

    def started(self, backfill_id: str) -> int:
        """How many dates have a run that has not ended, as far as `settle` saw."""

    def start(self, backfill_id: str, runs: Sequence[tuple[datetime, str]]) -> None:
        """These dates have a run now."""

    def cancel(self, backfill_id: str) -> None:
        """No further run is made: what is pending is canceled."""

    def purge(self, before: datetime) -> None:
        """Delete the oldest one that finished before then, with its dates."""

    def finish(self, backfill_id: str, now: datetime) -> None:
        """Nothing is left to do; one that was active is completed."""


class BackfillUnit(UnitOfWork, Protocol):
    """A unit of work with backfills."""

    @property
    def backfills(self) -> BackfillStore: ...


class BackfillUnits(Protocol):
    """Opens such units, see `app.domain.ports.UnitsOfWork`."""

    def __call__(self, *, read_only: bool = False) -> AbstractContextManager[BackfillUnit]: ...


def past_dates(task: Task, wish: BackfillRequest, now: datetime) -> list[datetime]:
    """The dates that the schedule names in the window, as far as they have gone by.

    Those that the schedule itself has still to deal with are its own affair. `starts_at`, `ends_at` and `max_runs`
    bound what fires by itself, not what somebody asks for.

    Raises:
        InvalidInput: the window is empty or has too many dates.
        Unprocessable: the task has no schedule of the clock.
    """
    if wish.start >= wish.end:
        raise InvalidInput.at("/end", t("'end' must be after 'start'"))
    if task.schedule_kind in TIMELESS:
        message = t("A task of the kind {kind} has no dates", kind=task.schedule_kind)
        raise Unprocessable(message, schedule_kind=task.schedule_kind)
    dates: list[datetime] = []
    for date in _until(task, wish.start, _end(task, wish.end, now)):
        if len(dates) == MOST:
            hint = t("Ask for a shorter window")
            raise InvalidInput.at("/end", t("The window has more than {most} dates", most=MOST), hint)
        dates.append(date)
    return dates


def _end(task: Task, end: datetime, now: datetime) -> datetime:
    gone_by = min(end, now + MOMENT)
    return gone_by if task.next_run_at is None else min(gone_by, task.next_run_at)


def _until(task: Task, start: datetime, end: datetime) -> Iterator[datetime]:
    for firing in schedule_of(task).upcoming(start - MOMENT):
        if firing.at >= end:
            return
        yield firing.at


_AGAIN: Final[Mapping[Reprocess, frozenset[str]]] = {
    "none": frozenset(),
    "failed": frozenset({"failed", "canceled"}),
    "all": frozenset({"succeeded", "failed", "canceled", "skipped", FIRED}),
}


def chosen(dates: Sequence[datetime], past: Mapping[datetime, str], reprocess: Reprocess) -> list[datetime]:
    """The dates to make runs for: those that have had none, and those that are to be done again.

    A date whose run is under way is never done beside it.
    """
    again = _AGAIN[reprocess] - ACTIVE
    return [date for date in dates if date not in past or past[date] in again]

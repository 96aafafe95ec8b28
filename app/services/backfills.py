"""Backfills: asked for by people, fed by beat."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from app.domain.backfills import (
    Backfill,
    BackfillDate,
    BackfillRequest,
    BackfillUnit,
    BackfillUnits,
    Hungry,
    chosen,
    past_dates,
)
from app.domain.clock import Clock, rfc3339, to_micros
from app.domain.errors import Conflict, NotFound
from app.domain.grants import grant_hold
from app.domain.ids import new_id
from app.domain.paging import Page
from app.domain.ports import RunQueue
from app.domain.run_limits import taken
from app.domain.runs import NewRun
from app.domain.tasks import Definition, OccurrenceRecord, Task
from app.domain.texts import t
from app.services.audit_trail import Difference, entry
from app.services.ownership import may_change, may_see
from app.services.run_requests import check_startable
from app.telemetry import emit
from ordinaut import Caller

IDLE_SECONDS = 1.0
TIDY_SECONDS = 60.0
"""How often beat looks whether somebody has asked for a backfill."""
FED_AT_ONCE = 50
RINGS: Final = 4
NOTHING: Final[Mapping[str, int]] = {}


@dataclass(frozen=True, slots=True)
class Plan:
    """What a backfill would do: its dates, and how many were left out."""

    dates: Sequence[datetime]
    skipped: int


@dataclass(frozen=True, slots=True)
class Standing:
    """A backfill and its dates by status."""

    backfill: Backfill
    counts: Mapping[str, int]


class BackfillService:
    """The use cases of backfills."""

    def __init__(self, *, units: BackfillUnits, clock: Clock) -> None:
        self._units = units
        self._clock = clock

    def preview(self, task_id: str, wish: BackfillRequest, *, caller: Caller) -> Plan:
        """What `create` would store; the same is refused."""
        task, dates = self._dates(task_id, wish, caller)
        with self._units(read_only=True) as unit:
            return _planned(unit, task, wish, dates)

    def create(self, task_id: str, wish: BackfillRequest, *, caller: Caller) -> Standing:
        """Store a backfill; beat makes its runs.

        Raises:
            NotFound, Forbidden; Conflict for a canceled task; InvalidInput for an empty window or one with too many
            dates; Unprocessable for a task without a schedule of the clock.
        """
        seen, dates = self._dates(task_id, wish, caller)
        with self._units() as unit:
            task, now = may_change(unit.tasks.get(task_id, lock=True), caller), self._clock.now()
            check_startable(task, now)
            if task.version != seen.version:
                dates = past_dates(task, wish, now)  # somebody has just edited it
            plan = _planned(unit, task, wish, dates)
            backfill = _new(task, wish, plan, caller, now)
            unit.backfills.add(backfill, plan.dates)
            unit.audit.add(entry(now, caller, "backfill.created", backfill.id, Difference(after=_told(backfill))))
            return Standing(backfill, {"pending": len(plan.dates)} if plan.dates else NOTHING)

    def _dates(self, task_id: str, wish: BackfillRequest, caller: Caller) -> tuple[Task, list[datetime]]:
        """The task as it is, and its dates: thousands take a second or two, in which nobody may be kept waiting."""
        with self._units(read_only=True) as unit:
            task = may_change(unit.tasks.get(task_id), caller)
        now = self._clock.now()
        check_startable(task, now)
        return task, past_dates(task, wish, now)

    def page(self, task_id: str, *, caller: Caller, limit: int, offset: int) -> Page[Standing]:
        """The task's backfills, newest first; NotFound."""
        with self._units(read_only=True) as unit:
            may_see(unit.tasks.get(task_id), caller)
            page = unit.backfills.page(task_id, limit=limit, offset=offset)
            counts = unit.backfills.counts([one.id for one in page.items])
        found = tuple(Standing(one, counts.get(one.id, NOTHING)) for one in page.items)
        return Page(found, page.total, limit, offset)

    def get(self, backfill_id: str, *, caller: Caller, limit: int, offset: int) -> tuple[Standing, Page[BackfillDate]]:
        """A backfill with a page of its dates; NotFound."""
        with self._units(read_only=True) as unit:
            backfill = unit.backfills.get(backfill_id)
            _seen(unit, backfill, caller)
            counts = unit.backfills.counts([backfill_id]).get(backfill_id, NOTHING)
            return Standing(backfill, counts), unit.backfills.dates(backfill_id, limit=limit, offset=offset)

    def cancel(self, backfill_id: str, *, caller: Caller) -> Backfill:
        """Make no further run; those under way go on.

        Raises:
            NotFound, Forbidden; Conflict for one that is not active.
        """
        with self._units() as unit:
            seen = unit.backfills.get(backfill_id)
            _seen(unit, seen, caller)
            may_change(unit.tasks.get(seen.task_id, lock=True), caller)
            backfill = unit.backfills.get(backfill_id)
            if backfill.status != "active":
                message = t("The backfill cannot be canceled: it is {status}", status=backfill.status)
                raise Conflict(message, backfill_id=backfill_id, status=backfill.status)
            unit.backfills.cancel(backfill_id)
            unit.audit.add(entry(self._clock.now(), caller, "backfill.canceled", backfill_id))
            return unit.backfills.get(backfill_id)


class BackfillFeeder:
    """Beat's part: makes the next runs when earlier ones have ended.

    Any number of beats may do so: each holds the task's row meanwhile, and a date has one run by its origin.
    """

    def __init__(self, *, units: BackfillUnits, queue: RunQueue, clock: Clock, retention_days: int) -> None:
        self._units = units
        self._queue = queue
        self._clock = clock
        self._retention = timedelta(days=retention_days)
        self._idle_until = 0.0
        self._tidy_at = 0.0

    def look(self) -> None:
        """Feed what is hungry; cheap to ask at every tick."""
        if time.monotonic() < self._idle_until:
            return
        with self._units(read_only=True) as unit:
            hungry = unit.backfills.hungry(FED_AT_ONCE)
        self._idle_until = 0.0 if hungry else time.monotonic() + IDLE_SECONDS
        started = sum(self._fed(one) for one in hungry)
        if started:
            self._queue.ring(min(started, RINGS))
        if time.monotonic() >= self._tidy_at:
            self._tidy_at = time.monotonic() + TIDY_SECONDS
            self._tidy()

    def _tidy(self) -> None:
        """Forget one that finished before the retention, with its dates; its runs have gone by themselves."""
        with self._units() as unit:
            unit.backfills.purge(self._clock.now() - self._retention)

    def _fed(self, one: Hungry) -> int:
        """How many runs were made."""
        with self._units() as unit:
            try:
                task = unit.tasks.get(one.task_id, lock=True)
                backfill = unit.backfills.get(one.id)
            except NotFound:
                return 0  # deleted since
            return _feed(unit, task, backfill, self._clock.now())


def _feed(unit: BackfillUnit, task: Task, backfill: Backfill, now: datetime) -> int:
    unit.backfills.settle(backfill.id)
    ended = task.grant_status == "accepted" and grant_hold(task.grant_status, task.granted_until, now) is not None
    if backfill.status == "active" and (task.status == "canceled" or ended):
        unit.backfills.cancel(backfill.id)
    under_way = unit.backfills.started(backfill.id)
    pending = unit.backfills.pending(backfill.id, max(1, backfill.max_parallel - under_way))
    if not pending and not under_way:
        unit.backfills.finish(backfill.id, now)
        unit.after_commit(lambda: emit("backfill.finished", backfill_id=backfill.id, task_id=task.id))
    if task.status == "paused" or task.grant_status in ("pending", "refused") or under_way >= backfill.max_parallel:
        return 0
    definition = unit.tasks.definition(backfill.definition_id) if pending else None
    made = [
        taken(_run(task, definition, backfill, nominal, now), task) for nominal in pending if definition is not None
    ]
    runs = [run for run in made if isinstance(run, NewRun)]
    if len(runs) < len(made):
        # The key of its limit cannot be filled in any more: the task was edited since.
        unit.backfills.cancel(backfill.id)
        return 0
    unit.runs.add(runs, now)
    unit.tasks.add_occurrences([_occurrence(run, nominal) for run, nominal in zip(runs, pending, strict=True)])
    unit.backfills.start(backfill.id, [(nominal, run.id) for run, nominal in zip(runs, pending, strict=True)])
    return len(runs)


def _run(task: Task, definition: Definition, backfill: Backfill, nominal: datetime, now: datetime) -> NewRun:
    return NewRun(
        id=new_id(),
        task_id=task.id,
        definition_id=definition.id,
        trigger="backfill",
        nominal_at=nominal,
        scheduled_for=now,
        priority=task.priority,
        max_attempts=definition.document["max_retries"] + 1,
        origin=f"backfill:{backfill.id}:{to_micros(nominal)}",
        depth=task.depth,
    )


def _occurrence(run: NewRun, nominal: datetime) -> OccurrenceRecord:
    # One that has a row keeps it: what became of a date when its time had come stays on record.
    reason = t("A backfill")
    return OccurrenceRecord(
        task_id=run.task_id, nominal_at=nominal, effective_at=nominal, outcome="fired", reason=reason, run_id=run.id
    )


def _seen(unit: BackfillUnit, backfill: Backfill, caller: Caller) -> None:
    try:
        may_see(unit.tasks.get(backfill.task_id), caller)
    except NotFound:
        raise NotFound(t("Backfill not found"), backfill_id=backfill.id) from None


def _planned(unit: BackfillUnit, task: Task, wish: BackfillRequest, dates: Sequence[datetime]) -> Plan:
    left = chosen(dates, unit.backfills.past(task.id, wish.start, wish.end), wish.reprocess)
    return Plan(left, len(dates) - len(left))


def _new(task: Task, wish: BackfillRequest, plan: Plan, caller: Caller, now: datetime) -> Backfill:
    return Backfill(
        id=new_id(),
        task_id=task.id,
        definition_id=task.definition_id,
        start=wish.start,
        end=wish.end,
        max_parallel=wish.max_parallel,
        reprocess=wish.reprocess,
        status="active" if plan.dates else "completed",
        total=len(plan.dates),
        skipped=plan.skipped,
        created_by=caller.agent_id,
        created_at=now,
        finished_at=None if plan.dates else now,
    )


def _told(backfill: Backfill) -> dict[str, object]:
    return {
        "task_id": backfill.task_id,
        "start": rfc3339(backfill.start),
        "end": rfc3339(backfill.end),
        "reprocess": backfill.reprocess,
        "max_parallel": backfill.max_parallel,
        "total": backfill.total,
    }

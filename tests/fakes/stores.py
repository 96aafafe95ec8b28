"""The stores in memory: twins of what `app.storage` provides, for tests that need no database."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from statistics import fmean
from typing import Any, TypeVar, cast

from app.domain.clock import from_micros
from app.domain.errors import NotFound, PreconditionFailed
from app.domain.execution import Line
from app.domain.grants import Grant
from app.domain.idempotency import KeyRow
from app.domain.paging import Page
from app.domain.runs import ACTIVE, ENDED, NewRun, Record, Run, RunFilter, RunStats
from app.domain.tasks import Definition, OccurrenceRecord, Task, TaskFilter
from app.domain.waits import OpenWait
from tests.fakes.access import AccessRows, AccessUnit
from tests.fakes.events import EventRows, MemoryEventStore
from tests.fakes.grants import MemoryGrantStore
from tests.fakes.keys import MemoryKeyStore
from tests.fakes.limits import LimitRows, MemoryDebounceStore, MemoryDedupeStore
from tests.fakes.waits import MemoryWaitStore

T = TypeVar("T")


@dataclass(slots=True)
class Rows:
    """What the database holds; `runs` keeps each with its origin in `origins`."""

    tasks: dict[str, Task] = field(default_factory=dict)
    definitions: dict[str, Definition] = field(default_factory=dict)
    occurrences: dict[tuple[str, datetime], OccurrenceRecord] = field(default_factory=dict)
    runs: dict[str, Run] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)
    journals: dict[str, list[Record]] = field(default_factory=dict)
    waits: dict[str, OpenWait] = field(default_factory=dict)
    events: EventRows = field(default_factory=EventRows)
    access: AccessRows = field(default_factory=AccessRows)
    limits: LimitRows = field(default_factory=LimitRows)
    keys: dict[tuple[str, str], KeyRow] = field(default_factory=dict)
    grants: dict[str, Grant] = field(default_factory=dict)

    def copied(self) -> Rows:
        """The same rows in containers of their own."""
        journals = {run_id: list(records) for run_id, records in self.journals.items()}
        return Rows(
            tasks=dict(self.tasks),
            definitions=dict(self.definitions),
            occurrences=dict(self.occurrences),
            runs=dict(self.runs),
            origins=dict(self.origins),
            journals=journals,
            waits=dict(self.waits),
            events=self.events.copied(),
            access=self.access.copied(),
            limits=self.limits.copied(),
            keys=dict(self.keys),
            grants=dict(self.grants),
        )


def _paged(items: Iterable[T], limit: int, offset: int) -> Page[T]:
    everything = tuple(items)
    return Page(everything[offset : offset + limit], len(everything), limit, offset)


class MemoryTaskStore:
    """See `app.domain.ports.TaskStore`."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    def add(self, task: Task) -> None:
        assert task.id not in self._rows.tasks
        self._rows.tasks[task.id] = task

    def get(self, task_id: str, *, lock: bool = False) -> Task:
        if task_id not in self._rows.tasks:
            raise NotFound("Task not found", task_id=task_id)
        return self._seen(self._rows.tasks[task_id])

    def _seen(self, task: Task) -> Task:
        begun = [run for run in self._rows.runs.values() if run.task_id == task.id and run.started_at]
        return replace(task, last_run_at=max(begun, key=lambda run: run.id).started_at) if begun else task

    def by_external_id(self, created_by: str, external_id: str) -> Task | None:
        mine = (one for one in self._rows.tasks.values() if one.created_by == created_by)
        return next((one for one in mine if one.external_id == external_id), None)

    def save(self, task: Task) -> None:
        current = self._rows.tasks.get(task.id)
        if current is None or current.version != task.version - 1:
            raise PreconditionFailed(task_id=task.id)
        self._rows.tasks[task.id] = task

    def using(self, server: str) -> list[Task]:
        return [one for one in self._rows.tasks.values() if f"'uses': '{server}." in str(one.payload)]

    def set_drift(self, task_id: str, drift: Sequence[Mapping[str, str]]) -> None:
        self._rows.tasks[task_id] = replace(self._rows.tasks[task_id], drift=tuple(drift))

    def delete(self, task_id: str) -> None:
        rows = self._rows
        if rows.tasks.pop(task_id, None) is None:
            raise NotFound("Task not found", task_id=task_id)
        gone = {run.id for run in rows.runs.values() if run.task_id == task_id}
        rows.runs = {key: run for key, run in rows.runs.items() if key not in gone}
        rows.journals = {key: lines for key, lines in rows.journals.items() if key not in gone}
        rows.origins = {origin: key for origin, key in rows.origins.items() if key not in gone}
        rows.definitions = {key: one for key, one in rows.definitions.items() if one.task_id != task_id}
        rows.occurrences = {key: one for key, one in rows.occurrences.items() if one.task_id != task_id}

    def page(self, where: TaskFilter, *, limit: int, offset: int) -> Page[Task]:
        found = (task for task in self._rows.tasks.values() if _wanted_task(task, where))
        return _paged(map(self._seen, sorted(found, key=lambda task: task.id, reverse=True)), limit, offset)

    def add_definition(self, definition: Definition) -> None:
        assert definition.task_id in self._rows.tasks
        self._rows.definitions[definition.id] = definition

    def definition(self, definition_id: str) -> Definition:
        if definition_id not in self._rows.definitions:
            raise NotFound("Definition not found", definition_id=definition_id)
        return self._rows.definitions[definition_id]

    def due(self, now: datetime, limit: int) -> list[Task]:
        waiting = [(task.next_due_at, task.id) for task in self._rows.tasks.values() if task.next_due_at]
        return [self._rows.tasks[key] for due, key in sorted(waiting) if due <= now][:limit]

    def advance(self, moved: Sequence[Task]) -> None:
        for task in moved:
            self._rows.tasks[task.id] = replace(
                self._rows.tasks[task.id],
                next_run_at=task.next_run_at,
                next_due_at=task.next_due_at,
                status=task.status,
                fired_count=task.fired_count,
            )

    def next_due_at(self) -> datetime | None:
        return min((task.next_due_at for task in self._rows.tasks.values() if task.next_due_at), default=None)

    def soonest(self, until: datetime, *, created_by: str | None, limit: int) -> list[Task]:
        mine = [task for task in self._rows.tasks.values() if created_by in (None, task.created_by)]
        due = [(task.next_due_at, task.id, task) for task in mine if task.next_due_at and task.next_due_at < until]
        return [task for _, _, task in sorted(due, key=lambda one: one[:2])][:limit]

    def add_occurrences(self, records: Sequence[OccurrenceRecord]) -> list[OccurrenceRecord]:
        known = self._rows.occurrences
        news = [record for record in records if (record.task_id, record.nominal_at) not in known]
        known.update({(record.task_id, record.nominal_at): record for record in news})
        return news

    def occurrences(self, task_id: str, *, limit: int, offset: int) -> Page[OccurrenceRecord]:
        return _paged(reversed(self._occurrences(task_id)), limit, offset)

    def occurrence_near(self, task_id: str, moment: datetime) -> OccurrenceRecord | None:
        before = [record for record in self._occurrences(task_id) if record.nominal_at <= moment]
        return before[-1] if before else None

    def _occurrences(self, task_id: str) -> list[OccurrenceRecord]:
        mine = (record for record in self._rows.occurrences.values() if record.task_id == task_id)
        return sorted(mine, key=lambda record: record.nominal_at)


def _wanted_task(task: Task, where: TaskFilter) -> bool:
    text = f"{task.title}\n{task.description}".casefold()
    return (
        (not where.status or task.status in where.status)
        and where.created_by in (None, task.created_by)
        and where.schedule_kind in (None, task.schedule_kind)
        and (where.q is None or where.q.casefold() in text)
        and (where.tag is None or where.tag in task.tags)
        and where.drifted in (None, bool(task.drift))
    )


class MemoryRunStore:
    """See `app.domain.ports.RunStore`."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    def add(self, new: Sequence[NewRun], now: datetime) -> None:
        for run in new:
            if run.origin is not None and run.origin in self._rows.origins:
                continue
            if run.origin is not None:
                self._rows.origins[run.origin] = run.id
            self._rows.runs[run.id] = _queued(run, self._rows.tasks[run.task_id].title, now)
            self._rows.journals[run.id] = []

    def remember(self, run_id: str, lines: Sequence[Line]) -> None:
        records = [
            Record(number, from_micros(at), cast(Any, kind), body) for number, (at, kind, body) in enumerate(lines, 1)
        ]
        self._rows.journals[run_id] = records
        self._rows.runs[run_id] = replace(self._rows.runs[run_id], journal_length=len(records))

    def by_origin(self, origin: str) -> Run | None:
        run_id = self._rows.origins.get(origin)
        return None if run_id is None else self._rows.runs[run_id]

    def get(self, run_id: str) -> Run:
        if run_id not in self._rows.runs:
            raise NotFound("Run not found", run_id=run_id)
        return self._rows.runs[run_id]

    def page(self, where: RunFilter, *, limit: int, offset: int) -> Page[Run]:
        tasks = self._rows.tasks
        mine = (run for run in self._newest() if where.owner in (None, tasks[run.task_id].created_by))
        again = {run.parent_run_id for run in self._rows.runs.values() if run.trigger == "rerun"}
        found = (run for run in mine if where.repeated in (None, run.id in again))
        return _paged((run for run in found if _wanted_run(run, where)), limit, offset)

    def count(self, where: RunFilter) -> int:
        return self.page(where, limit=0, offset=0).total

    def batch(self, where: RunFilter, *, after: str, limit: int) -> list[Run]:
        found = self.page(where, limit=len(self._rows.runs), offset=0).items
        return [run for run in reversed(found) if run.id > after][:limit]

    def _newest(self, task_id: str | None = None) -> list[Run]:
        found = [run for run in self._rows.runs.values() if task_id in (None, run.task_id)]
        return sorted(found, key=lambda run: run.id, reverse=True)

    def latest(self, task_id: str) -> Run | None:
        return next(iter(self._newest(task_id)), None)

    def busy_tasks(self, task_ids: Sequence[str]) -> dict[str, int]:
        mine = (run for run in self._rows.runs.values() if run.trigger != "backfill" and run.part is None)
        busy = Counter(run.task_id for run in mine if run.status in ACTIVE)
        return {task_id: count for task_id, count in busy.items() if task_id in task_ids}

    def journal(self, run_id: str, *, after: int = 0) -> list[Record]:
        return [record for record in self._rows.journals.get(run_id, []) if record.number > after]

    def parts(self, run_id: str, without: str = "") -> list[list[Record]]:
        return []

    def part_lengths(self, ids: Sequence[str]) -> dict[str, tuple[Mapping[str, Any], int]]:
        return {}

    def cancel_queued(self, run_id: str, now: datetime) -> bool:
        run = self._rows.runs.get(run_id)
        if run is None or run.status not in ("queued", "waiting"):
            return False
        length = run.journal_length + 1
        self._rows.runs[run_id] = replace(
            run,
            status="canceled",
            finished_at=now,
            cancel_requested_at=now,
            fence=run.fence + 1,
            journal_length=length,
        )
        self._rows.journals[run_id].append(Record(length, now, "state", {"status": "canceled"}))
        return True

    def request_cancel(self, run_id: str, now: datetime) -> bool:
        run = self._rows.runs.get(run_id)
        if run is None or run.status != "running":
            return False
        self._rows.runs[run_id] = replace(run, cancel_requested_at=run.cancel_requested_at or now)
        return True

    def last_outcomes(self, task_id: str, limit: int) -> list[str]:
        return [str(run.status) for run in self._newest(task_id) if run.success is not None][:limit]

    def next_available_at(self) -> datetime | None:
        return min((run.available_at for run in self._rows.runs.values() if run.status == "queued"), default=None)

    def purge(self, before: datetime, limit: int) -> int:
        old = [run.id for run in self._rows.runs.values() if run.status in ENDED and run.created_at < before]
        for run_id in sorted(old)[:limit]:
            del self._rows.runs[run_id], self._rows.journals[run_id]
        return len(old[:limit])

    def stats(self, *, since: datetime, task_id: str | None = None, owner: str | None = None) -> RunStats:
        mine = [run for run in self._newest(task_id) if owner in (None, self._rows.tasks[run.task_id].created_by)]
        counted = [run for run in mine if run.scheduled_for >= since]
        by_status: dict[str, int] = {}
        for run in counted:
            by_status[run.status] = by_status.get(run.status, 0) + 1
        ended = [run for run in counted if run.success is not None]
        took = sorted(
            (run.finished_at - run.started_at).total_seconds() for run in ended if run.finished_at and run.started_at
        )
        return RunStats(
            total=len(counted),
            by_status=by_status,
            success_rate=by_status.get("succeeded", 0) / len(ended) if ended else None,
            duration_avg=fmean(took) if took else None,
            duration_p50=took[min(len(took) - 1, int(len(took) * 0.5))] if took else None,
            duration_p95=took[min(len(took) - 1, int(len(took) * 0.95))] if took else None,
            duration_max=took[-1] if took else None,
        )


def _wanted_run(run: Run, where: RunFilter) -> bool:
    return (
        where.task_id in (None, run.task_id)
        and (not where.status or run.status in where.status)
        and (where.success is None or run.success is where.success)
        and where.trigger in (None, run.trigger)
        and where.cancelling in (None, run.cancel_requested_at is not None)
        and (where.start_time is None or run.scheduled_for >= where.start_time)
        and (where.end_time is None or run.scheduled_for < where.end_time)
    )


def _queued(new: NewRun, title: str, now: datetime) -> Run:
    return Run(
        id=new.id,
        task_id=new.task_id,
        task_title=title,
        definition_id=new.definition_id,
        trigger=new.trigger,
        status="queued",
        nominal_at=new.nominal_at,
        scheduled_for=new.scheduled_for,
        available_at=new.scheduled_for,
        priority=new.priority,
        attempt=0,
        max_attempts=new.max_attempts,
        fence=0,
        lease_owner=None,
        leased_until=None,
        cancel_requested_at=None,
        created_at=now,
        started_at=None,
        finished_at=None,
        params=new.params,
        event=new.event,
        parent_run_id=new.parent_run_id,
        error=None,
        output=None,
        journal_length=0,
        request_id=new.request_id,
    )


class MemoryUnitOfWork(AccessUnit):
    """See `app.domain.ports.UnitOfWork`."""

    def __init__(self, rows: Rows) -> None:
        super().__init__(rows.access)
        self.tasks = MemoryTaskStore(rows)
        self.runs = MemoryRunStore(rows)
        self.waits = MemoryWaitStore(rows)
        self.events = MemoryEventStore(self, rows)
        self.dedupe = MemoryDedupeStore(rows.limits)
        self.debounces = MemoryDebounceStore(rows.limits)
        self.keys = MemoryKeyStore(rows.keys)
        self.grants = MemoryGrantStore(rows.grants, rows.tasks)
        self.actions: list[Callable[[], None]] = []

    def after_commit(self, action: Callable[[], None]) -> None:
        self.actions.append(action)


class MemoryUnitsOfWork:
    """See `app.domain.ports.UnitsOfWork`; `rows` is open to tests."""

    def __init__(self) -> None:
        self.rows = Rows()

    @contextmanager
    def __call__(self, *, read_only: bool = False) -> Iterator[MemoryUnitOfWork]:
        rows = self.rows.copied()
        unit = MemoryUnitOfWork(rows)
        yield unit
        if not read_only:
            self.rows = rows
        for action in unit.actions:
            action()


class CountingQueue:
    """A `RunQueue` that counts its rings."""

    def __init__(self) -> None:
        self.rings = 0

    def ring(self, count: int = 1) -> None:
        self.rings += count

"""What the use cases need from the world; `app.storage`, `app.queueing` and `app.tools` provide it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, Protocol

from app.domain.access import AgentStore, AuditStore, SecretStore
from app.domain.debounce import DebounceStore
from app.domain.dedupe import DedupeStore
from app.domain.errors import Problem
from app.domain.event_store import EventStore
from app.domain.execution import Line
from app.domain.grants import GrantStore
from app.domain.idempotency import KeyStore
from app.domain.paging import Page
from app.domain.runs import NewRun, Record, Run, RunFilter, RunStats
from app.domain.tasks import Definition, OccurrenceRecord, Task, TaskFilter
from app.domain.tool_limits import TurnStore
from app.domain.waits import OpenWait, Resolution
from ordinaut import Tool


class Tools(Protocol):
    """The tools there are; `app.tools.registry`."""

    def get(self, name: str) -> Tool:
        """The tool, or NotFound."""

    def all(self) -> Sequence[Tool]:
        """Every tool, by name."""

    def names(self) -> Iterable[str]:
        """Their addresses."""

    def get_schema(self, name: str) -> Mapping[str, Any] | None:
        """JSON Schema of the tool's arguments; None for an unknown tool."""

    def argument_problems(self, name: str, arguments: Mapping[str, Any]) -> list[Problem]:
        """What is wrong with the arguments; pointers are relative to them."""


class TaskStore(Protocol):
    """Tasks, their definitions and occurrences, inside a unit of work."""

    def add(self, task: Task) -> None:
        """Store a new one; Conflict when its agent has another with the same external id."""

    def get(self, task_id: str, *, lock: bool = False) -> Task:
        """The task, or NotFound; `lock` holds its row until the unit ends."""

    def by_external_id(self, created_by: str, external_id: str) -> Task | None:
        """The agent's task of that name."""

    def save(self, task: Task) -> None:
        """Store a changed task under its id; the caller has raised `version` by one.

        Raises:
            PreconditionFailed: somebody else changed it since it was read.
        """

    def using(self, server: str) -> Sequence[Task]:
        """Those of which a step calls a tool `<server>.…`; a few others may be among them."""

    def set_drift(self, task_id: str, drift: Sequence[Mapping[str, str]]) -> None:
        """Store what of it no longer fits; that is no change of the task, so `version` stays."""

    def delete(self, task_id: str) -> None:
        """Remove it with its runs, journals and occurrences, or NotFound."""

    def page(self, where: TaskFilter, *, limit: int, offset: int) -> Page[Task]:
        """Newest first."""

    def add_definition(self, definition: Definition) -> None: ...

    def definition(self, definition_id: str) -> Definition: ...

    def due(self, now: datetime, limit: int) -> list[Task]:
        """Active tasks with `next_due_at <= now`, locked, those locked elsewhere left out; soonest first."""

    def advance(self, tasks: Sequence[Task]) -> None:
        """Store `next_run_at, next_due_at, status, fired_count` of tasks got from `due`."""

    def next_due_at(self) -> datetime | None:
        """The soonest `next_due_at` of all."""

    def soonest(self, until: datetime, *, created_by: str | None, limit: int) -> Sequence[Task]:
        """Tasks with an occurrence to come before `until`, soonest first; of one agent, or of all."""

    def add_occurrences(self, records: Sequence[OccurrenceRecord]) -> list[OccurrenceRecord]:
        """Each `(task, nominal time)` once: one that stands already stays as it is. Those that were news."""

    def occurrences(self, task_id: str, *, limit: int, offset: int) -> Page[OccurrenceRecord]:
        """Newest first."""

    def occurrence_near(self, task_id: str, moment: datetime) -> OccurrenceRecord | None:
        """The last row with `nominal_at <= moment`."""


class RunStore(Protocol):
    """Runs and their journals, inside a unit of work."""

    def add(self, new: Sequence[NewRun], now: datetime) -> None:
        """Queue runs; one whose origin stands already is left out (`by_origin` finds the earlier one)."""

    def remember(self, run_id: str, lines: Sequence[Line]) -> None:
        """Begin the journal of a run that was queued in this transaction; see `app.domain.execution.Line`."""

    def by_origin(self, origin: str) -> Run | None: ...

    def get(self, run_id: str) -> Run:
        """The run, or NotFound."""

    def page(self, where: RunFilter, *, limit: int, offset: int) -> Page[Run]:
        """Newest first."""

    def count(self, where: RunFilter) -> int:
        """How many there are."""

    def batch(self, where: RunFilter, *, after: str, limit: int) -> list[Run]:
        """Those with an id above `after`, in order."""

    def latest(self, task_id: str) -> Run | None: ...

    def busy_tasks(self, task_ids: Sequence[str]) -> Mapping[str, int]:
        """How many runs of each of the tasks have not ended; tasks without are left out, and so are backfills."""

    def journal(self, run_id: str, *, after: int = 0) -> list[Record]:
        """Records with a number above `after`, in order."""

    def parts(self, run_id: str, without: str = "") -> Sequence[Sequence[Record]]:
        """The journals of the runs in which some of its work went on; records of one kind may be left out."""

    def part_lengths(self, ids: Sequence[str]) -> Mapping[str, tuple[Mapping[str, Any], int]]:
        """Of these parts of runs, those there are: which piece of the work each is, and how long its journal."""

    def cancel_queued(self, run_id: str, now: datetime) -> bool:
        """End a run that no worker holds as canceled; False when a worker holds it or it has ended."""

    def request_cancel(self, run_id: str, now: datetime) -> bool:
        """Ask the worker that holds it to stop; False when none holds it."""

    def last_outcomes(self, task_id: str, limit: int) -> list[str]:
        """`succeeded` or `failed` of the task's last runs that ended by themselves, newest first."""

    def next_available_at(self) -> datetime | None:
        """The soonest `available_at` of the queued runs."""

    def purge(self, before: datetime, limit: int) -> int:
        """Delete at most `limit` runs that ended before then, with their journals; how many."""

    def stats(self, *, since: datetime, task_id: str | None = None, owner: str | None = None) -> RunStats:
        """Runs scheduled since then: all, one task's, or those of one agent's tasks."""


class WaitStore(Protocol):
    """What runs wait for, inside a unit of work; see `app.domain.waits`.

    Whoever ends waits does so before it touches their runs in any other way.
    """

    def resolve(self, wait_id: str, resolution: Resolution) -> bool:
        """End a wait and queue its run; False when it has ended already."""

    def drop(self, run_id: str) -> bool:
        """Forget what a run waits for: it is about to be ended. Whether it waited."""

    def ended_unseen(self, run_id: str, status: str, error: Mapping[str, Any] | None) -> None:
        """A run has ended in nobody's hands: whoever waits for it goes on."""

    def get(self, wait_id: str) -> OpenWait | None: ...

    def of_run(self, run_id: str) -> OpenWait | None: ...

    def next_due_at(self) -> int | None:
        """When the next wait ends by itself, in microseconds since 1970."""

    def due(self, limit: int) -> Sequence[OpenWait]:
        """Waits whose time has come, soonest first; those that others hold are left out."""

    def lost(self, limit: int) -> Sequence[tuple[str, Resolution]]:
        """Waits whose child has ended unseen, or is gone, each with what that means."""

    def let_go(self, wait: OpenWait) -> None:
        """The wait for a child is over though the child is not: it goes on, whatever becomes of its parent."""

    def orphans(self, limit: int) -> Sequence[str]:
        """Ids of unfinished children for which nobody waits any more."""


class UnitOfWork(Protocol):
    """One transaction; what is registered with `after_commit` runs once it stands."""

    @property
    def dedupe(self) -> DedupeStore: ...

    @property
    def debounces(self) -> DebounceStore: ...

    @property
    def tasks(self) -> TaskStore: ...

    @property
    def runs(self) -> RunStore: ...

    @property
    def waits(self) -> WaitStore: ...

    @property
    def events(self) -> EventStore: ...

    @property
    def agents(self) -> AgentStore: ...

    @property
    def audit(self) -> AuditStore: ...

    @property
    def secrets(self) -> SecretStore: ...

    @property
    def tool_turns(self) -> TurnStore: ...

    @property
    def grants(self) -> GrantStore: ...

    @property
    def keys(self) -> KeyStore: ...

    def after_commit(self, action: Callable[[], None]) -> None:
        """Run `action` after the commit; never when it fails."""


class UnitsOfWork(Protocol):
    """Opens units of work: `with units() as unit`, or `with units(read_only=True) as unit`.

    Leaving the block commits; an exception rolls back. A database that does not answer raises Unavailable. A thread
    has one unit at a time: opening another inside it raises RuntimeError.
    """

    def __call__(self, *, read_only: bool = False) -> AbstractContextManager[UnitOfWork]: ...


class RunQueue(Protocol):
    """The doorbell: tells workers that there is work. Never waits, never raises; a lost ring costs only time."""

    def ring(self, count: int = 1) -> None:
        """Wake up to `count` workers."""

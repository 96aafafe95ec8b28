"""Runs in memory, for tests of what is done with them over HTTP."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, Literal, cast

from app.domain.errors import NotFound, Unavailable
from app.domain.holds import Standing
from app.domain.paging import Page
from app.domain.runs import Record, Run, RunFilter, RunStats, RunStatus
from app.services.runs import State
from tests.fakes.access import AccessRows, MemoryAuditStore
from tests.fakes.events import MemoryEventStore
from tests.fakes.stores import Rows
from tests.fakes.waits import MemoryWaitStore

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def run_row(run_id: str = "r1", status: RunStatus = "queued", **members: Any) -> Run:
    """A run with plausible members."""
    known: dict[str, Any] = {
        "id": run_id,
        "task_id": "t1",
        "task_title": "Morning briefing",
        "definition_id": "d1",
        "trigger": "schedule",
        "status": status,
        "nominal_at": NOON,
        "scheduled_for": NOON,
        "available_at": NOON,
        "priority": 5,
        "attempt": 0,
        "max_attempts": 4,
        "fence": 0,
        "lease_owner": None,
        "leased_until": None,
        "cancel_requested_at": None,
        "created_at": NOON,
        "started_at": None,
        "finished_at": None,
        "params": None,
        "error": None,
        "output": None,
        "journal_length": 0,
        "request_id": None,
    }
    return Run(**{**known, **members})


class FixedClock:
    """Always noon."""

    def now(self) -> datetime:
        """The one moment there is."""
        return NOON


class FakeRuns:
    """A store of runs, its own unit of work, and the factory of units; `away` makes it refuse to open."""

    def __init__(self, *rows: Run) -> None:
        self.rows = {row.id: row for row in rows}
        self.records: dict[str, list[Record]] = {}
        self.task_ids = {row.task_id for row in rows}
        self.away = False
        self.asked: list[RunFilter] = []
        self._after: list[Callable[[], None]] = []

    @contextmanager
    def __call__(self, *, read_only: bool = False) -> Iterator[Any]:
        """A unit of work."""
        if self.away:
            raise Unavailable
        self._after = []
        yield _Unit(self, self._after)
        for action in self._after:
            action()

    def write(self, run_id: str, kind: Literal["state", "step", "log"], **body: Any) -> None:
        """Add a record to a run's journal; a state also becomes the run's own."""
        record = Record(len(self.records.get(run_id, [])) + 1, NOON, kind, body)
        self.records.setdefault(run_id, []).append(record)
        status = body["status"] if kind == "state" else self.rows[run_id].status
        self.rows[run_id] = replace(self.rows[run_id], journal_length=record.number, status=status)

    def states(self, run_ids: Any) -> dict[str, State]:
        """What the hub asks."""
        if self.away:
            raise Unavailable
        rows = [self.rows[run_id] for run_id in run_ids if run_id in self.rows]
        return {row.id: (row.journal_length, row.status) for row in rows}

    def get(self, run_id: str) -> Run:
        """See RunStore."""
        if run_id not in self.rows:
            raise NotFound("Run not found", run_id=run_id)
        return self.rows[run_id]

    def page(self, where: RunFilter, *, limit: int, offset: int) -> Page[Run]:
        """See RunStore; remembers the filter and knows only its statuses."""
        self.asked.append(where)
        rows = [row for row in self.rows.values() if not where.status or row.status in where.status]
        return Page(tuple(rows[offset : offset + limit]), len(rows), limit, offset)

    def journal(self, run_id: str, *, after: int = 0) -> list[Record]:
        """See RunStore."""
        return [record for record in self.records.get(run_id, []) if record.number > after]

    def latest(self, task_id: str) -> Run | None:
        """See RunStore."""
        return next((row for row in self.rows.values() if row.task_id == task_id), None)

    def parts(self, run_id: str) -> list[list[Record]]:
        return []

    def part_lengths(self, ids: Sequence[str]) -> dict[str, tuple[Mapping[str, Any], int]]:
        """See RunStore."""
        parts = {run_id: self.rows[run_id] for run_id in ids if run_id in self.rows}
        return {run_id: (row.part or {}, row.journal_length) for run_id, row in parts.items()}

    def cancel_queued(self, run_id: str, now: datetime) -> bool:
        """See RunStore."""
        if self.rows[run_id].status not in {"queued", "waiting"}:
            return False
        self.write(run_id, "state", status="canceled")
        return True

    def request_cancel(self, run_id: str, now: datetime) -> bool:
        """See RunStore."""
        held = self.rows[run_id].status == "running"
        if held:
            self.rows[run_id] = replace(self.rows[run_id], cancel_requested_at=now)
        return held

    def stats(self, *, since: datetime, task_id: str | None = None, owner: str | None = None) -> RunStats:
        """See RunStore."""
        return RunStats(
            total=len(self.rows),
            by_status={},
            success_rate=None,
            duration_avg=None,
            duration_p50=None,
            duration_p95=None,
            duration_max=None,
        )


class _Tasks:
    def __init__(self, ids: set[str]) -> None:
        self._ids = ids

    def get(self, task_id: str, *, lock: bool = False) -> Any:
        if task_id not in self._ids:
            raise NotFound("Task not found", task_id=task_id)
        return SimpleNamespace(id=task_id, created_by="ana")


class _Unit:
    def __init__(self, runs: FakeRuns, after: list[Callable[[], None]]) -> None:
        self.runs = runs
        self.tasks = _Tasks(runs.task_ids)
        self.waits = MemoryWaitStore(Rows())
        self.events = MemoryEventStore(cast(Any, self), Rows())
        self.audit = MemoryAuditStore(AccessRows())
        self.standings = NoStandings()
        self._after = after

    def after_commit(self, action: Callable[[], None]) -> None:
        self._after.append(action)


class NoStandings:
    """Lines in which nobody stands."""

    def of(self, run_ids: Collection[str]) -> Mapping[str, Standing]:
        """See StandingStore."""
        return {}

    def sent_back(self, run_ids: Collection[str]) -> Mapping[str, str]:
        """See StandingStore."""
        return {}


class ScriptedHub:
    """A hub whose every wait plays the next scene of a script; when it is over, the process is stopping."""

    def __init__(self, *scenes: Callable[[], Literal["changed", "timeout"]]) -> None:
        self._scenes = list(scenes)
        self.waits: list[tuple[State, float]] = []

    @contextmanager
    def watch(self, run_id: str) -> Iterator[ScriptedHub]:
        """Itself, for any run."""
        yield self

    def wait(self, known: State, timeout: float) -> Literal["changed", "timeout", "stopping"]:
        """Play the next scene."""
        self.waits.append((known, timeout))
        return self._scenes.pop(0)() if self._scenes else "stopping"

"""Runs and their journals in SQL, for everything but the hot path (that is `ledger.py`)."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    bindparam,
    delete,
    exists,
    func,
    insert,
    literal,
    or_,
    select,
    tuple_,
    type_coerce,
    union_all,
    update,
)
from sqlalchemy.engine import Connection, RowMapping

from app.domain.clock import to_micros
from app.domain.errors import NotFound
from app.domain.ids import id_border
from app.domain.journal import has_parts
from app.domain.paging import Page
from app.domain.runs import ENDED, NewRun, Record, Run, RunFilter, RunStats
from app.domain.texts import t
from app.storage.columns import Instant
from app.storage.gates import FAR, Gates, gate_of
from app.storage.inserts import insert_into
from app.storage.journal import JOURNAL_ROWS, Line, pack, unpack
from app.storage.ranks import rank_of
from app.storage.tables import AT_WORK, IN_TASK_LINE, OPEN, run_journal, runs, tasks

_HIDDEN = frozenset(
    {
        *("origin", "rank", "active_us", "claimed_length", "losses"),
        *("concurrency_key", "concurrency_limit", "in_line", "gate"),
    }
)
_shown = [column for column in runs.c if column.name not in _HIDDEN]
_whole = select(*_shown, tasks.c.title.label("task_title")).join(tasks, tasks.c.id == runs.c.task_id)
_next_available_at = select(runs.c.available_at).where(OPEN).order_by(runs.c.available_at).limit(1)


_these = runs.c.task_id.in_(bindparam("ids", expanding=True))
# Those at work and those in line, each by its own index.
_unended = union_all(
    select(runs.c.task_id).where(_these, AT_WORK), select(runs.c.task_id).where(_these, IN_TASK_LINE)
).subquery()
_busy_tasks = select(_unended.c.task_id, func.count()).group_by(_unended.c.task_id)
_add = insert(runs)
_others = runs.alias()
_WHOLE_RUN = runs.c.part.is_(None)
"""Not a piece of another run's work."""


def _run(row: RowMapping) -> Run:
    return Run(**{**row, "output": None if row["output"] is None else orjson.loads(row["output"])})


def new_row(run: NewRun, now: datetime, *, through: bool = False) -> dict[str, Any]:
    """The row of a run that is queued, by column; the other columns are null. `through`: no limit holds it back."""
    gate = 0 if through else gate_of(run, now)
    return {
        "id": run.id,
        "task_id": run.task_id,
        "definition_id": run.definition_id,
        "trigger": run.trigger,
        "origin": run.origin,
        "status": "queued",
        "nominal_at": run.nominal_at,
        "scheduled_for": run.scheduled_for,
        "available_at": run.scheduled_for,
        "priority": run.priority,
        "rank": rank_of(run.scheduled_for, run.priority) + (FAR if gate else 0),
        "attempt": 0,
        "max_attempts": run.max_attempts,
        "fence": 0,
        "created_at": now,
        "active_us": 0,
        "claimed_length": 0,
        "losses": 0,
        "params": run.params,
        "event": run.event,
        "parent_run_id": run.parent_run_id,
        "part": run.part,
        "concurrency_key": run.concurrency_key,
        "concurrency_limit": run.concurrency_limit,
        "in_line": int(run.in_line) + int(run.supersedes),
        "gate": gate,
        "depth": run.depth,
        "journal_length": 0,
        "request_id": run.request_id,
    }


class SqlRunStore:
    """See `app.domain.ports.RunStore`."""

    def __init__(self, connection: Connection, gates: Gates) -> None:
        self._connection = connection
        self._gates = gates

    def add(self, new: Sequence[NewRun], now: datetime) -> None:
        """Queue runs; one whose origin stands already is left out (`by_origin` finds the earlier one)."""
        if not new:
            return
        through = self._gates.made(new, now)
        rows = [new_row(run, now, through=run.id in through) for run in new]
        if all(run.origin is None for run in new):
            self._connection.execute(_add, rows)
            return
        statement = insert_into(runs, self._connection.dialect.name)
        self._connection.execute(statement.on_conflict_do_nothing(index_elements=["origin"]), rows)

    def remember(self, run_id: str, lines: Sequence[Line]) -> None:
        """Begin the journal of a run that was queued in this transaction."""
        if lines:
            self._connection.execute(update(runs).where(runs.c.id == run_id).values(journal_length=len(lines)))
            row = {"run_id": run_id, "first": 1, "last": len(lines), "records": pack(lines)}
            self._connection.execute(insert(run_journal), row)

    def by_origin(self, origin: str) -> Run | None:
        """The run that was asked for under this name."""
        row = self._connection.execute(_whole.where(runs.c.origin == origin)).mappings().first()
        return None if row is None else _run(row)

    def get(self, run_id: str) -> Run:
        """The run, or NotFound."""
        row = self._connection.execute(_whole.where(runs.c.id == run_id)).mappings().first()
        if row is None:
            raise NotFound(t("Run not found"), run_id=run_id)
        return _run(row)

    def page(self, where: RunFilter, *, limit: int, offset: int) -> Page[Run]:
        """Newest first."""
        conditions = _conditions(where)
        total = self.count(where)
        query = _whole.where(*conditions).order_by(runs.c.id.desc()).limit(limit).offset(offset)
        found = self._connection.execute(query).mappings()
        return Page(tuple(_run(row) for row in found), total, limit, offset)

    def count(self, where: RunFilter) -> int:
        """How many there are."""
        return self._connection.execute(select(func.count()).select_from(runs).where(*_conditions(where))).scalar_one()

    def batch(self, where: RunFilter, *, after: str, limit: int) -> list[Run]:
        """Those with an id above `after`, in order."""
        query = _whole.where(*_conditions(where), runs.c.id > after).order_by(runs.c.id).limit(limit)
        return [_run(row) for row in self._connection.execute(query).mappings()]

    def latest(self, task_id: str) -> Run | None:
        """The run of the task that was made last."""
        row = self._connection.execute(
            _whole.where(runs.c.task_id == task_id, _WHOLE_RUN).order_by(runs.c.id.desc()).limit(1)
        )
        found = row.mappings().first()
        return None if found is None else _run(found)

    def busy_tasks(self, task_ids: Sequence[str]) -> dict[str, int]:
        """How many runs of each of the tasks have not ended, backfills left aside; tasks without are left out."""
        if not task_ids:
            return {}
        rows = self._connection.execute(_busy_tasks, {"ids": list(task_ids)})
        return {row[0]: row[1] for row in rows}

    def journal(self, run_id: str, *, after: int = 0) -> list[Record]:
        """Its records above `after`, in order."""
        query = (
            select(run_journal.c.first, run_journal.c.records)
            .where(run_journal.c.run_id == run_id, run_journal.c.last > after)
            .order_by(run_journal.c.first)
        )
        return list(unpack(((first, text) for first, text in self._connection.execute(query)), after))

    def parts(self, run_id: str, without: str = "") -> list[list[Record]]:
        """The journals of the runs in which some of its work went on, and of their parts in turn."""
        found: dict[str, list[Record]] = {}
        for part_id, first, text in self._journals(run_id):
            found.setdefault(part_id, []).extend(unpack([(first, text)], 0, without=without))
        outer = [part_id for part_id, records in found.items() if has_parts(records)]
        return [*found.values(), *(one for part_id in outer for one in self.parts(part_id, without))]

    def _journals(self, run_id: str) -> Iterator[tuple[str, int, str]]:
        """Rows of the journals of its parts, few at a time: all together they may be larger than memory."""
        place, last = tuple_(run_journal.c.run_id, run_journal.c.first), ("", 0)
        mine = select(runs.c.id).where(runs.c.parent_run_id == run_id, ~_WHOLE_RUN)
        query = select(run_journal.c.run_id, run_journal.c.first, run_journal.c.records).where(
            run_journal.c.run_id.in_(mine)
        )
        while True:
            rows = self._connection.execute(
                query.where(place > last).order_by(*place.clauses).limit(JOURNAL_ROWS)
            ).all()
            yield from ((part_id, first, text) for part_id, first, text in rows)
            if len(rows) < JOURNAL_ROWS:
                return
            last = rows[-1][0], rows[-1][1]

    def part_lengths(self, ids: Sequence[str]) -> dict[str, tuple[Mapping[str, Any], int]]:
        """Of these parts of runs, those there are: which piece of the work each is, and how long its journal."""
        query = select(runs.c.id, runs.c.part, runs.c.journal_length).where(runs.c.id.in_(ids), ~_WHOLE_RUN)
        return {part_id: (part, length) for part_id, part, length in self._connection.execute(query)}

    def changes(self, run_ids: Collection[str]) -> dict[str, tuple[int, str]]:
        """Length of the journal and status, by id."""
        query = select(runs.c.id, runs.c.journal_length, runs.c.status).where(runs.c.id.in_(run_ids))
        return {run_id: (length, status) for run_id, length, status in self._connection.execute(query)}

    def cancel_queued(self, run_id: str, now: datetime) -> bool:
        """End a run that no worker holds."""
        ended = self._connection.execute(
            update(runs)
            .where(runs.c.id == run_id, runs.c.status.in_(["queued", "waiting"]))
            .values(
                status="canceled",
                finished_at=now,
                cancel_requested_at=now,
                fence=runs.c.fence + 1,
                journal_length=runs.c.journal_length + 1,
            )
            .returning(runs.c.journal_length, runs.c.task_id, runs.c.in_line, runs.c.concurrency_key)
        ).first()
        if ended is None:
            return False
        length, task_id, in_line, key = ended
        self._gates.touched(task_id if in_line else None, key)
        line = (to_micros(now), "state", {"status": "canceled"})
        self._connection.execute(
            insert(run_journal), {"run_id": run_id, "first": length, "last": length, "records": pack([line])}
        )
        return True

    def request_cancel(self, run_id: str, now: datetime) -> bool:
        """Leave a request for the worker that holds it."""
        asked = self._connection.execute(
            update(runs)
            .where(runs.c.id == run_id, runs.c.status == "running")
            .values(cancel_requested_at=func.coalesce(runs.c.cancel_requested_at, literal(now, Instant())))
        )
        return asked.rowcount == 1

    def last_outcomes(self, task_id: str, limit: int) -> list[str]:
        """Statuses of the task's last ended runs, newest first."""
        query = (
            select(runs.c.status)
            .where(runs.c.task_id == task_id, runs.c.status.in_(["succeeded", "failed"]), _WHOLE_RUN)
            .order_by(runs.c.id.desc())
            .limit(limit)
        )
        return list(self._connection.execute(query).scalars())

    def next_available_at(self) -> datetime | None:
        """The soonest moment at which a queued run may be taken; past when one is waiting now."""
        return self._connection.execute(_next_available_at).scalar()

    def purge(self, before: datetime, limit: int) -> int:
        """Delete runs that ended before then, with their journals; how many."""
        # Ids begin with the time of their making: the primary key finds the old ones, of which some ended lately.
        border, parent = id_border(before), runs.alias("parent")
        # A run that still waits for some of its parts has yet to read what the others did.
        wanted = exists().where(parent.c.id == runs.c.parent_run_id, parent.c.finished_at.is_(None))
        old = (
            select(runs.c.id)
            .where(runs.c.id < border, runs.c.status.in_(sorted(ENDED)), runs.c.finished_at < before)
            .where(or_(_WHOLE_RUN, ~wanted))
            .order_by(runs.c.id)
            .limit(limit)
        )
        ids = list(self._connection.execute(old).scalars())
        if ids:
            self._connection.execute(delete(run_journal).where(run_journal.c.run_id.in_(ids)))
            self._connection.execute(delete(runs).where(runs.c.id.in_(ids)))
        return len(ids)

    def stats(self, *, since: datetime, task_id: str | None = None, owner: str | None = None) -> RunStats:
        """Counts and durations of the runs scheduled since then."""
        scope: list[ColumnElement[bool]] = [runs.c.scheduled_for >= since, _WHOLE_RUN]
        if owner is not None:
            scope.append(_of(owner))
        if task_id is not None:
            scope.append(runs.c.task_id == task_id)
        counted = self._connection.execute(select(runs.c.status, func.count()).where(*scope).group_by(runs.c.status))
        by_status = {row[0]: row[1] for row in counted}
        ended = [*scope, runs.c.status.in_(["succeeded", "failed"]), runs.c.started_at.is_not(None)]
        return _stats(by_status, self._durations(ended))

    def _durations(self, ended: list[ColumnElement[bool]]) -> dict[str, float | None]:
        took = (type_coerce(runs.c.finished_at, BigInteger) - type_coerce(runs.c.started_at, BigInteger)).label("took")
        count, mean, most = self._connection.execute(
            select(func.count(), func.avg(took), func.max(took)).where(*ended)
        ).one()
        ordered = select(took).where(*ended).order_by(took)

        def quantile(share: float) -> float | None:
            if not count:
                return None
            index = min(count - 1, int(count * share))
            return int(self._connection.execute(ordered.limit(1).offset(index)).scalar_one()) / 1e6

        return {
            "duration_avg": None if mean is None else float(mean) / 1e6,
            "duration_p50": quantile(0.5),
            "duration_p95": quantile(0.95),
            "duration_max": None if most is None else int(most) / 1e6,
        }


def _stats(by_status: dict[str, int], durations: dict[str, float | None]) -> RunStats:
    ended = by_status.get("succeeded", 0) + by_status.get("failed", 0)
    rate = by_status.get("succeeded", 0) / ended if ended else None
    return RunStats(total=sum(by_status.values()), by_status=by_status, success_rate=rate, **durations)


def _conditions(where: RunFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = [_WHOLE_RUN]
    if where.task_id is not None:
        conditions.append(runs.c.task_id == where.task_id)
    if where.status:
        conditions.append(runs.c.status.in_(where.status))
    if where.success is not None:
        conditions.append(runs.c.status == ("succeeded" if where.success else "failed"))
    if where.trigger is not None:
        conditions.append(runs.c.trigger == where.trigger)
    if where.start_time is not None:
        conditions.append(runs.c.scheduled_for >= where.start_time)
    if where.end_time is not None:
        conditions.append(runs.c.scheduled_for < where.end_time)
    if where.owner is not None:
        conditions.append(_of(where.owner))
    if where.cancelling is not None:
        asked = runs.c.cancel_requested_at
        conditions.append(asked.is_not(None) if where.cancelling else asked.is_(None))
    if where.repeated is not None:
        again = exists().where(_others.c.parent_run_id == runs.c.id, _others.c.trigger == "rerun")
        conditions.append(again if where.repeated else ~again)
    return conditions


def _of(owner: str) -> ColumnElement[bool]:
    return runs.c.task_id.in_(select(tasks.c.id).where(tasks.c.created_by == owner))

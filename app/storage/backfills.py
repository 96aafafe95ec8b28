"""Backfills in SQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam, case, delete, exists, func, insert, literal, or_, select, update
from sqlalchemy.engine import Connection, RowMapping

from app.domain.backfills import FIRED, Backfill, BackfillDate, Hungry
from app.domain.errors import NotFound
from app.domain.ids import id_border
from app.domain.paging import Page
from app.domain.runs import ENDED
from app.domain.texts import t
from app.storage.tables import occurrences, runs, tasks
from app.storage.tables_backfills import backfill_dates as dates
from app.storage.tables_backfills import backfills

_MEMBERS = tuple(f.name for f in fields(Backfill))
_ended = runs.c.status.in_(sorted(ENDED))
# How the run of a started date stands; one that was deleted with old runs is gone.
_outcome = case((runs.c.id.is_(None), literal("gone")), (_ended, runs.c.status), else_=literal("started"))
_live = case((dates.c.status == "started", _outcome), else_=dates.c.status)
_with_runs = dates.outerjoin(runs, runs.c.id == dates.c.run_id)
_start = (
    update(dates)
    .where(dates.c.backfill_id == bindparam("of"), dates.c.nominal_at == bindparam("date"))
    .values(status="started", run_id=bindparam("run"))
)


class SqlBackfillStore:
    """See `app.domain.backfills.BackfillStore`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, backfill: Backfill, nominal: Sequence[datetime]) -> None:
        """Store a new one with its dates."""
        self._connection.execute(insert(backfills), {name: getattr(backfill, name) for name in _MEMBERS})
        if nominal:
            rows = [{"backfill_id": backfill.id, "nominal_at": one, "status": "pending"} for one in nominal]
            self._connection.execute(insert(dates), rows)

    def get(self, backfill_id: str) -> Backfill:
        """The backfill, or NotFound."""
        row = self._connection.execute(select(backfills).where(backfills.c.id == backfill_id)).mappings().first()
        if row is None:
            raise NotFound(t("Backfill not found"), backfill_id=backfill_id)
        return _backfill(row)

    def page(self, task_id: str, *, limit: int, offset: int) -> Page[Backfill]:
        """Newest first."""
        mine = backfills.c.task_id == task_id
        total = self._connection.execute(select(func.count()).select_from(backfills).where(mine)).scalar_one()
        query = select(backfills).where(mine).order_by(backfills.c.id.desc()).limit(limit).offset(offset)
        return Page(tuple(map(_backfill, self._connection.execute(query).mappings())), total, limit, offset)

    def dates(self, backfill_id: str, *, limit: int, offset: int) -> Page[BackfillDate]:
        """In order."""
        mine = dates.c.backfill_id == backfill_id
        total = self._connection.execute(select(func.count()).select_from(dates).where(mine)).scalar_one()
        query = select(dates.c.nominal_at, _live, dates.c.run_id).select_from(_with_runs).where(mine)
        rows = self._connection.execute(query.order_by(dates.c.nominal_at).limit(limit).offset(offset))
        return Page(tuple(BackfillDate(*row) for row in rows), total, limit, offset)

    def counts(self, backfill_ids: Sequence[str]) -> Mapping[str, Mapping[str, int]]:
        """Dates by status, for each backfill that has any."""
        status = _live.label("live")
        query = (
            select(dates.c.backfill_id, status, func.count())
            .select_from(_with_runs)
            .where(dates.c.backfill_id.in_(backfill_ids))
            .group_by(dates.c.backfill_id, status)
        )
        found: dict[str, dict[str, int]] = {}
        for backfill_id, name, count in self._connection.execute(query):
            found.setdefault(backfill_id, {})[name] = count
        return found

    def past(self, task_id: str, start: datetime, end: datetime) -> Mapping[datetime, str]:
        """What became of the task's dates: the status of the last run, `queued` for one to come, or `FIRED`."""
        fired = select(occurrences.c.nominal_at).where(
            occurrences.c.task_id == task_id,
            _within(occurrences.c.nominal_at, start, end),
            occurrences.c.outcome == FIRED,
        )
        made = (
            select(runs.c.nominal_at, runs.c.status)
            .where(runs.c.task_id == task_id, _within(runs.c.nominal_at, start, end), runs.c.part.is_(None))
            .order_by(runs.c.id)
        )
        asked = (
            select(dates.c.nominal_at)
            .join(backfills, backfills.c.id == dates.c.backfill_id)
            .where(backfills.c.task_id == task_id, backfills.c.finished_at.is_(None), dates.c.status == "pending")
        )
        past = dict.fromkeys(self._connection.execute(fired).scalars(), FIRED)
        past.update((nominal, status) for nominal, status in self._connection.execute(made))
        return {**past, **dict.fromkeys(self._connection.execute(asked).scalars(), "queued")}

    def hungry(self, limit: int) -> list[Hungry]:
        """Those with runs that have ended, room for more, or nothing left to do; oldest first."""
        mine = dates.c.backfill_id == backfills.c.id
        started = and_(mine, dates.c.status == "started")
        waits = exists().where(mine, dates.c.status == "pending")
        ended = exists(select(literal(1)).select_from(_with_runs).where(started, or_(_ended, runs.c.id.is_(None))))
        busy = select(func.count()).select_from(dates).where(started).correlate(backfills).scalar_subquery()
        granted = or_(tasks.c.grant_status.is_(None), tasks.c.grant_status == "accepted")
        goes_on = and_(backfills.c.status == "active", tasks.c.status != "paused", granted, waits)
        query = (
            select(backfills.c.id, backfills.c.task_id)
            .join(tasks, tasks.c.id == backfills.c.task_id)
            .where(backfills.c.finished_at.is_(None))
            .where(or_(ended, and_(goes_on, busy < backfills.c.max_parallel), and_(~waits, busy == 0), _given_up))
            .order_by(backfills.c.id)
            .limit(limit)
        )
        return [Hungry(id=row.id, task_id=row.task_id) for row in self._connection.execute(query)]

    def settle(self, backfill_id: str) -> None:
        """Give dates whose run has ended the status of that run."""
        run = select(runs.c.status).where(runs.c.id == dates.c.run_id).scalar_subquery()
        active = exists().where(runs.c.id == dates.c.run_id, ~_ended)
        self._connection.execute(
            update(dates)
            .where(dates.c.backfill_id == backfill_id, dates.c.status == "started", ~active)
            .values(status=func.coalesce(run, "gone"))
        )

    def pending(self, backfill_id: str, limit: int) -> list[datetime]:
        """The first dates without a run."""
        query = select(dates.c.nominal_at).where(dates.c.backfill_id == backfill_id, dates.c.status == "pending")
        return list(self._connection.execute(query.order_by(dates.c.nominal_at).limit(limit)).scalars())

    def started(self, backfill_id: str) -> int:
        """How many dates have a run that has not ended, as far as `settle` saw."""
        query = select(func.count()).select_from(dates)
        mine = query.where(dates.c.backfill_id == backfill_id, dates.c.status == "started")
        return self._connection.execute(mine).scalar_one()

    def start(self, backfill_id: str, made: Sequence[tuple[datetime, str]]) -> None:
        """These dates have a run now."""
        if made:
            rows = [{"of": backfill_id, "date": nominal, "run": run_id} for nominal, run_id in made]
            self._connection.execute(_start, rows)

    def cancel(self, backfill_id: str) -> None:
        """No further run is made: what is pending is canceled."""
        self._connection.execute(update(backfills).where(backfills.c.id == backfill_id).values(status="canceled"))
        pending = and_(dates.c.backfill_id == backfill_id, dates.c.status == "pending")
        self._connection.execute(update(dates).where(pending).values(status="canceled"))

    def purge(self, before: datetime) -> None:
        """Delete the oldest one that finished before then, with its dates."""
        # By the primary key, which begins with the time of its making: what was made later finished later still.
        made_before = backfills.c.id < id_border(before)
        oldest = (
            select(backfills.c.id)
            .where(made_before, backfills.c.finished_at < before)
            .order_by(backfills.c.id)
            .limit(1)
        )
        self._connection.execute(delete(backfills).where(backfills.c.id.in_(oldest)))

    def finish(self, backfill_id: str, now: datetime) -> None:
        """Nothing is left to do; one that was active is completed."""
        done = case((backfills.c.status == "active", literal("completed")), else_=backfills.c.status)
        self._connection.execute(
            update(backfills).where(backfills.c.id == backfill_id).values(status=done, finished_at=now)
        )


_given_up = and_(backfills.c.status == "active", tasks.c.status == "canceled")


def _within(column: ColumnElement[datetime], start: datetime, end: datetime) -> ColumnElement[bool]:
    return and_(column >= start, column < end)


def _backfill(row: RowMapping | Mapping[str, Any]) -> Backfill:
    return Backfill(**{name: row[name] for name in _MEMBERS})

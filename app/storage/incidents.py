"""Incidents in SQL, and what is known of the runs of tasks that are watched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, case, delete, func, select, text, update
from sqlalchemy.engine import Connection

from app.domain.errors import NotFound
from app.domain.expectations import IncidentKind, Watched
from app.domain.incidents import Incident, IncidentFilter, Resolution
from app.domain.paging import Page
from app.domain.texts import t
from app.storage.inserts import insert_into
from app.storage.tables import AT_WORK, IN_TASK_LINE, WATCHED, runs, tasks
from app.storage.tables_incidents import OPEN_INCIDENTS, incidents

_WATCHED_STATES = ("active", "completed")
CHUNK = 500
"""Tasks whose runs are looked up in one query."""

_STORED = tuple(column.name for column in incidents.c)
# How they stand is for Python to see: SQLite would rather go through all active tasks than through these.
WATCHED_TASKS = (
    select(
        tasks.c.id,
        tasks.c.title,
        tasks.c.status,
        tasks.c.expect,
        tasks.c.watched_since,
        tasks.c.snoozed_until,
        tasks.c.next_due_at,
    )
    .where(WATCHED)
    .order_by(tasks.c.id)
)
_unstarted = case((runs.c.started_at.is_(None), runs.c.scheduled_for))
_IN_LINE = text(f"trigger <> 'backfill' AND {IN_TASK_LINE.text}")
# Two queries rather than one with OR: each has an index that holds these runs and few others.
_UNENDED = tuple(
    select(runs.c.task_id, func.min(_unstarted), func.min(runs.c.scheduled_for)).where(which).group_by(runs.c.task_id)
    for which in (AT_WORK, _IN_LINE)
)
_newest_success = (
    select(runs.c.finished_at)
    .where(runs.c.task_id == tasks.c.id, runs.c.status == "succeeded", runs.c.part.is_(None))
    .order_by(runs.c.id.desc())
    .limit(1)
    .scalar_subquery()
)
_shown = select(incidents, tasks.c.title.label("task_title"), tasks.c.created_by.label("owner")).join_from(
    incidents, tasks, incidents.c.task_id == tasks.c.id
)


class SqlIncidentStore:
    """See `app.domain.incidents.IncidentStore`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def watched(self, task_id: str | None = None) -> list[Watched]:
        """Nothing but one look at a partial index where nothing is expected of any task."""
        query = WATCHED_TASKS if task_id is None else WATCHED_TASKS.where(tasks.c.id == task_id)
        found = [row for row in self._connection.execute(query) if row.status in _WATCHED_STATES]
        told: list[Watched] = []
        for start in range(0, len(found), CHUNK):
            chunk = found[start : start + CHUNK]
            late = self._late([row.id for row in chunk])
            successes = self._successes([row.id for row in chunk if "no_success_for" in row.expect])
            told += [_told(row, late, successes) for row in chunk]
        return told

    def _late(self, task_ids: Sequence[str]) -> dict[str, tuple[datetime | None, datetime | None]]:
        """Task -> for when the first of its runs was scheduled that has not begun, and that has not ended."""
        found: dict[str, tuple[datetime | None, datetime | None]] = {}
        for query in _UNENDED:
            for task_id, *moments in self._connection.execute(query.where(runs.c.task_id.in_(task_ids))):
                pairs = zip(moments, found.get(task_id, (None, None)), strict=True)
                unstarted, unfinished = (min((one for one in pair if one), default=None) for pair in pairs)
                found[task_id] = (unstarted, unfinished)
        return found

    def _successes(self, task_ids: Sequence[str]) -> dict[str, datetime | None]:
        query = select(tasks.c.id, _newest_success).where(tasks.c.id.in_(task_ids))
        return {row[0]: row[1] for row in self._connection.execute(query)} if task_ids else {}

    def unwatch(self, task_id: str) -> None:
        """Nothing is left to watch of a completed task."""
        ended = (tasks.c.id == task_id, tasks.c.status == "completed")
        self._connection.execute(update(tasks).where(*ended).values(watched_since=None))

    def standing(self) -> set[tuple[str, str]]:
        """Task and kind of every open incident."""
        query = select(incidents.c.task_id, incidents.c.kind).where(OPEN_INCIDENTS)
        return {(task_id, kind) for task_id, kind in self._connection.execute(query)}

    def of_task(self, task_id: str) -> list[Incident]:
        """The open ones of a task."""
        query = _shown.where(incidents.c.task_id == task_id, incidents.c.resolved_at.is_(None))
        return [_incident(row) for row in self._connection.execute(query).mappings()]

    def late_run(self, task_id: str, kind: IncidentKind) -> str | None:
        """Of two that were scheduled for the same moment, the one that was made first."""
        which: list[ColumnElement[bool]] = [runs.c.task_id == task_id]
        if kind == "start_within":
            which.append(runs.c.started_at.is_(None))
        candidates = [
            row
            for place in (AT_WORK, _IN_LINE)
            for row in self._connection.execute(
                select(runs.c.scheduled_for, runs.c.id)
                .where(place, *which)
                .order_by(runs.c.scheduled_for, runs.c.id)
                .limit(1)
            ).all()
        ]
        return min(candidates)[1] if candidates and kind != "no_success_for" else None

    def open(self, incident: Incident) -> bool:
        """Store it, unless one of its task and kind is open."""
        values = {name: getattr(incident, name) for name in _STORED}
        statement = insert_into(incidents, self._connection.dialect.name).on_conflict_do_nothing(
            index_elements=["task_id", "kind"], index_where=OPEN_INCIDENTS
        )
        return self._connection.execute(statement.returning(incidents.c.id), values).first() is not None

    def resolve(self, incident_id: str, at: datetime, resolution: Resolution) -> bool:
        """End it, if it is open."""
        mine = (incidents.c.id == incident_id, incidents.c.resolved_at.is_(None))
        ended = update(incidents).where(*mine).values(resolved_at=at, resolution=resolution)
        return self._connection.execute(ended).rowcount == 1

    def acknowledge(self, incident_id: str, at: datetime, by: str, note: str | None) -> None:
        """Note that somebody has seen it."""
        seen = {"acknowledged_at": at, "acknowledged_by": by, "note": note}
        self._connection.execute(update(incidents).where(incidents.c.id == incident_id).values(seen))

    def get(self, incident_id: str) -> Incident:
        """The incident, or NotFound."""
        row = self._connection.execute(_shown.where(incidents.c.id == incident_id)).mappings().first()
        if row is None:
            raise NotFound(t("Incident not found"), incident_id=incident_id)
        return _incident(row)

    def page(self, where: IncidentFilter, *, limit: int, offset: int) -> Page[Incident]:
        """Newest first."""
        wanted = _wanted(where)
        joined = select(func.count()).select_from(incidents.join(tasks, incidents.c.task_id == tasks.c.id))
        total = self._connection.execute(joined.where(*wanted)).scalar_one()
        query = _shown.where(*wanted).order_by(incidents.c.id.desc()).limit(limit).offset(offset)
        rows = self._connection.execute(query).mappings()
        return Page(tuple(_incident(row) for row in rows), total, limit, offset)

    def purge(self, before: datetime, limit: int) -> int:
        """Delete at most so many that were resolved before then."""
        old = select(incidents.c.id).where(incidents.c.resolved_at < before).limit(limit)
        return self._connection.execute(delete(incidents).where(incidents.c.id.in_(old))).rowcount


def _told(
    row: Any,
    late: Mapping[str, tuple[datetime | None, datetime | None]],
    successes: Mapping[str, datetime | None],
) -> Watched:
    unstarted, unfinished = late.get(row.id, (None, None))
    return Watched(
        task_id=row.id,
        title=row.title,
        expect=row.expect,
        since=row.watched_since,
        active=row.status == "active",
        snoozed_until=row.snoozed_until,
        due_at=row.next_due_at,
        unstarted_since=unstarted,
        unfinished_since=unfinished,
        succeeded_at=successes.get(row.id),
    )


def _wanted(where: IncidentFilter) -> list[ColumnElement[bool]]:
    wanted: list[ColumnElement[bool]] = []
    if where.open is not None:
        wanted.append(incidents.c.resolved_at.is_(None) if where.open else incidents.c.resolved_at.is_not(None))
    if where.task_id is not None:
        wanted.append(incidents.c.task_id == where.task_id)
    if where.kind is not None:
        wanted.append(incidents.c.kind == where.kind)
    if where.owner is not None:
        wanted.append(tasks.c.created_by == where.owner)
    return wanted


def _incident(row: Mapping[Any, Any]) -> Incident:
    return Incident(**row)

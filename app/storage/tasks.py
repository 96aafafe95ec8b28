"""Tasks, their definitions and their occurrences in SQL."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Text, bindparam, delete, func, insert, select, update
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from app.domain.errors import Conflict, NotFound, PreconditionFailed
from app.domain.paging import Page
from app.domain.tasks import Definition, OccurrenceRecord, Task, TaskFilter
from app.domain.texts import t
from app.storage import task_lists
from app.storage.inserts import insert_into
from app.storage.tables import definitions, occurrences, run_journal, runs, task_tags, tasks
from app.storage.task_rows import task_of, whole

_STORED = tuple(f.name for f in fields(Task) if f.name in tasks.c)

# Built once: to put such a statement together takes longer than to execute it.
_due = (
    select(tasks)
    .where(tasks.c.next_due_at <= bindparam("now"))
    .order_by(tasks.c.next_due_at)
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
)
_advance = (
    update(tasks)
    .where(tasks.c.id == bindparam("key"))
    .values(
        next_run_at=bindparam("nominal"),
        next_due_at=bindparam("due"),
        status=bindparam("state"),
        fired_count=bindparam("fired"),
    )
)
_RECORD = tuple(f.name for f in fields(OccurrenceRecord))
_next_due_at = (
    select(tasks.c.next_due_at).where(tasks.c.next_due_at.is_not(None)).order_by(tasks.c.next_due_at).limit(1)
)


@cache
def _add_occurrences(dialect: str) -> Any:
    return (
        insert_into(occurrences, dialect)
        .on_conflict_do_nothing(index_elements=["task_id", "nominal_at"])
        .returning(occurrences.c.task_id, occurrences.c.nominal_at)
    )


def _values(task: Task) -> dict[str, Any]:
    return {**{name: getattr(task, name) for name in _STORED}, "drift": task.drift or None}


@contextmanager
def _taken(task: Task) -> Iterator[None]:
    """Conflict where another task of the agent has the external id, or the name of its tool."""
    try:
        yield
    except IntegrityError as error:
        # Both databases name what is not unique: the index, or its columns.
        if task.expose_as_tool is not None and "expose_as_tool" in str(error.orig):
            message = t("There is already a task with this name of a tool")
            raise Conflict(message, expose_as_tool=task.expose_as_tool, field="expose_as_tool") from None
        if task.external_id is None:
            raise
        message = t("There is already a task with this external id")
        raise Conflict(message, external_id=task.external_id, field="external_id") from None


class SqlTaskStore:
    """See `app.domain.ports.TaskStore`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, task: Task) -> None:
        """Store a new task."""
        with _taken(task):
            self._connection.execute(insert(tasks), _values(task))
        self._tag(task)

    def by_external_id(self, created_by: str, external_id: str) -> Task | None:
        """The agent's task of that name."""
        mine = whole.where(tasks.c.created_by == created_by, tasks.c.external_id == external_id)
        row = self._connection.execute(mine).first()
        return None if row is None else task_of(row)

    def get(self, task_id: str, *, lock: bool = False) -> Task:
        """The task, or NotFound."""
        query = whole.where(tasks.c.id == task_id)
        row = self._connection.execute(query.with_for_update(of=tasks) if lock else query).first()
        if row is None:
            raise NotFound(t("Task not found"), task_id=task_id)
        return task_of(row)

    def save(self, task: Task) -> None:
        """Store a changed task, if nobody else has changed it since it was read."""
        mine = update(tasks).where(tasks.c.id == task.id, tasks.c.version == task.version - 1)
        with _taken(task):
            changed = self._connection.execute(mine.values(_values(task)))
        if changed.rowcount != 1:
            raise PreconditionFailed(task_id=task.id)
        self._connection.execute(delete(task_tags).where(task_tags.c.task_id == task.id))
        self._tag(task)

    def _tag(self, task: Task) -> None:
        if task.tags:
            self._connection.execute(insert(task_tags), [{"task_id": task.id, "tag": tag} for tag in task.tags])

    def using(self, server: str) -> list[Task]:
        """Tasks whose payload says so: looked through, since lists of tools change seldom."""
        calls = tasks.c.payload.cast(Text).contains(f'"uses":"{server}.', autoescape=True)
        return [task_of(row) for row in self._connection.execute(whole.where(calls).order_by(tasks.c.id)).all()]

    def set_drift(self, task_id: str, drift: Sequence[Mapping[str, str]]) -> None:
        """It alone is written: whoever edits the task holds its row."""
        self._connection.execute(update(tasks).where(tasks.c.id == task_id).values(drift=list(drift) or None))

    def delete(self, task_id: str) -> None:
        """Remove it with all it has left; its runs in the hands of workers lose their lease."""
        mine = select(runs.c.id).where(runs.c.task_id == task_id)
        # While they are locked no worker adds to their journals behind our back.
        self._connection.execute(mine.where(runs.c.status == "running").with_for_update())
        self._connection.execute(delete(run_journal).where(run_journal.c.run_id.in_(mine)))
        if self._connection.execute(delete(tasks).where(tasks.c.id == task_id)).rowcount != 1:
            raise NotFound(t("Task not found"), task_id=task_id)

    def page(self, where: TaskFilter, *, limit: int, offset: int) -> Page[Task]:
        """Newest first."""
        return task_lists.page(self._connection, where, limit=limit, offset=offset)

    def add_definition(self, definition: Definition) -> None:
        """Store a snapshot; it never changes."""
        self._connection.execute(
            insert(definitions),
            {f.name: getattr(definition, f.name) for f in fields(Definition)},
        )

    def definition(self, definition_id: str) -> Definition:
        """The snapshot, or NotFound."""
        row = self._connection.execute(select(definitions).where(definitions.c.id == definition_id)).mappings().first()
        if row is None:
            raise NotFound(t("Definition not found"), definition_id=definition_id)
        return Definition(**row)

    def due(self, now: datetime, limit: int) -> list[Task]:
        """Tasks to fire, locked; those another beat holds are its own affair."""
        found = self._connection.execute(_due, {"now": now, "most": limit})
        return [task_of(row) for row in found.all()]

    def advance(self, moved: Sequence[Task]) -> None:
        """Move tasks that have fired on to their next occurrence."""
        if not moved:
            return
        self._connection.execute(
            _advance,
            [
                {
                    "key": task.id,
                    "nominal": task.next_run_at,
                    "due": task.next_due_at,
                    "state": task.status,
                    "fired": task.fired_count,
                }
                for task in moved
            ],
        )

    def next_due_at(self) -> datetime | None:
        """The soonest moment at which any task is due."""
        return self._connection.execute(_next_due_at).scalar()

    def soonest(self, until: datetime, *, created_by: str | None, limit: int) -> list[Task]:
        """Tasks with an occurrence to come before `until`, soonest first; of one agent, or of all."""
        query = whole.where(tasks.c.next_due_at < until).order_by(tasks.c.next_due_at, tasks.c.id).limit(limit)
        if created_by is not None:
            query = query.where(tasks.c.created_by == created_by)
        return [task_of(row) for row in self._connection.execute(query).all()]

    def add_occurrences(self, records: Sequence[OccurrenceRecord]) -> list[OccurrenceRecord]:
        """Write down what became of occurrences; those that had no row yet."""
        if not records:
            return []
        rows = [{name: getattr(record, name) for name in _RECORD} for record in records]
        written = self._connection.execute(_add_occurrences(self._connection.dialect.name), rows)
        news = {(task_id, nominal) for task_id, nominal in written}
        return [record for record in records if (record.task_id, record.nominal_at) in news]

    def occurrences(self, task_id: str, *, limit: int, offset: int) -> Page[OccurrenceRecord]:
        """Newest first."""
        mine = occurrences.c.task_id == task_id
        total = self._connection.execute(select(func.count()).select_from(occurrences).where(mine)).scalar_one()
        query = select(occurrences).where(mine).order_by(occurrences.c.nominal_at.desc()).limit(limit).offset(offset)
        rows = self._connection.execute(query).mappings()
        return Page(tuple(_occurrence(row) for row in rows), total, limit, offset)

    def occurrence_near(self, task_id: str, moment: datetime) -> OccurrenceRecord | None:
        """The last one recorded at or before `moment`."""
        query = (
            select(occurrences)
            .where(occurrences.c.task_id == task_id, occurrences.c.nominal_at <= moment)
            .order_by(occurrences.c.nominal_at.desc())
            .limit(1)
        )
        row = self._connection.execute(query).mappings().first()
        return None if row is None else _occurrence(row)


def _occurrence(row: Mapping[Any, Any]) -> OccurrenceRecord:
    return OccurrenceRecord(**row)

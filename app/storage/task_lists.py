"""Pages of tasks: one statement a page, handed straight to the driver, put together once for each kind of question."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import BindParameter, ColumnElement, Select, bindparam, func, select
from sqlalchemy.engine import Connection, Dialect
from sqlalchemy.sql.compiler import SQLCompiler

from app.domain.paging import Page
from app.domain.tasks import Task, TaskFilter
from app.storage.engines import driver_errors
from app.storage.tables import task_tags, tasks
from app.storage.task_rows import listed_task, whole


class _Statement(NamedTuple):
    """SQL as the driver takes it, its own constants, and the order of all values where the driver counts them."""

    text: str
    constants: dict[str, Any]
    order: list[str] | None

    def values(self, given: dict[str, Any]) -> Any:
        """The values in the driver's shape."""
        values = self.constants | given
        return values if self.order is None else tuple(values[name] for name in self.order)


def page(connection: Connection, where: TaskFilter, *, limit: int, offset: int) -> Page[Task]:
    """Newest first."""
    given = {**_given(where), "most": limit, "skipped": offset}
    rows_of, count_of = _statements(connection.dialect, tuple(given))
    rows = _fetched(connection, rows_of, given)
    # Every row carries the number of all; past the last page there is none to carry it.
    total = rows[0][-1] if rows else 0
    if not rows and offset:
        ((total,),) = _fetched(connection, count_of, given)
    return Page(tuple([listed_task(row[:-1]) for row in rows]), total, limit, offset)


def _fetched(connection: Connection, statement: _Statement, given: dict[str, Any]) -> list[tuple[Any, ...]]:
    with driver_errors(connection.engine):
        cursor = connection.connection.cursor()
        try:
            cursor.execute(statement.text, statement.values(given))
            return list(cursor.fetchall())
        finally:
            cursor.close()


def _given(where: TaskFilter) -> dict[str, Any]:
    """The values that narrow the list, by the names of `_conditions`."""
    given: dict[str, Any] = {f"status{number}": status for number, status in enumerate(where.status)}
    given |= {
        name: getattr(where, name)
        for name in ("created_by", "schedule_kind", "q", "tag", "external_id", "expose_as_tool")
    }
    given["exposed"] = where.exposed or None
    if where.drifted is not None:
        given["drifted" if where.drifted else "fitting"] = True
    if where.q is not None:
        given["q"] = where.q.replace("/", "//").replace("%", "/%").replace("_", "/_")
    return {name: value for name, value in given.items() if value is not None}


def _conditions(names: tuple[str, ...]) -> list[ColumnElement[bool]]:
    q: BindParameter[str] = bindparam("q")
    states: list[BindParameter[str]] = [bindparam(name) for name in names if name.startswith("status")]
    known: dict[str, ColumnElement[bool]] = {
        "created_by": tasks.c.created_by == bindparam("created_by"),
        "schedule_kind": tasks.c.schedule_kind == bindparam("schedule_kind"),
        "external_id": tasks.c.external_id == bindparam("external_id"),
        "expose_as_tool": tasks.c.expose_as_tool == bindparam("expose_as_tool"),
        "exposed": tasks.c.expose_as_tool.is_not(None),
        "drifted": tasks.c.drift.is_not(None),
        "fitting": tasks.c.drift.is_(None),
        "q": tasks.c.title.icontains(q, escape="/") | tasks.c.description.icontains(q, escape="/"),
        "tag": tasks.c.id.in_(select(task_tags.c.task_id).where(task_tags.c.tag == bindparam("tag"))),
    }
    return [*([tasks.c.status.in_(states)] if states else []), *(known[name] for name in names if name in known)]


@lru_cache(maxsize=256)
def _statements(dialect: Dialect, names: tuple[str, ...]) -> tuple[_Statement, _Statement]:
    """The page with the number of all in its last column, and that number alone.

    To find such a statement in SQLAlchemy's own cache takes as long as SQLite takes to execute it.
    """
    conditions = _conditions(names)
    count: Select[Any] = select(func.count()).select_from(tasks).where(*conditions)
    rows = (
        whole.add_columns(count.scalar_subquery().label("total"))
        .where(*conditions)
        .order_by(tasks.c.id.desc())
        .limit(bindparam("most"))
        .offset(bindparam("skipped"))
    )
    return _compiled(rows, dialect), _compiled(count, dialect)


def _compiled(statement: Select[Any], dialect: Dialect) -> _Statement:
    compiled = statement.compile(dialect=dialect)
    assert isinstance(compiled, SQLCompiler)
    constants = {name: value for name, value in compiled.params.items() if value is not None}
    return _Statement(str(compiled), constants, compiled.positiontup)

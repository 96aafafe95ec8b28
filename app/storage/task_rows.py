"""Rows of tasks become tasks: once for a single one, from memory for lists."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import zip_longest
from typing import Any

from sqlalchemy import select

from app.domain.tasks import Task
from app.storage.columns import Document, Instant
from app.storage.tables import runs, tasks

REMEMBERED = 512
"""Rows whose tasks are kept; a page has 200 at most."""
LONGEST_REMEMBERED = 4096
"""Characters of a payload with which its task is still kept: memory is bounded by this and the number."""

# The last time any run of the task began: one index probe, and nothing for a finishing run to write.
_last_run_at = (
    select(runs.c.started_at)
    .where(runs.c.task_id == tasks.c.id, runs.c.started_at.is_not(None))
    .order_by(runs.c.id.desc())
    .limit(1)
    .scalar_subquery()
)
whole = select(tasks, _last_run_at.label("last_run_at"))
"""Everything of tasks, each value as the domain has it: see `task_of`."""

_COLUMNS = (*tasks.c.keys(), "last_run_at")
_SETTERS = tuple(getattr(Task, name).__set__ for name in _COLUMNS)
_set_tags = _SETTERS[_COLUMNS.index("tags")]
_set_drift = _SETTERS[_COLUMNS.index("drift")]
_PAYLOAD = _COLUMNS.index("payload")


_READERS = [
    (index, column.type.plain)
    for index, column in enumerate((*tasks.c, runs.c.started_at))
    if isinstance(column.type, Instant | Document)
]


def task_of(row: Sequence[Any]) -> Task:
    """A task from a row of `whole`, or of the table alone.

    Field by field: the constructor of a frozen class takes eight times as long, and a list has many rows.
    """
    task = object.__new__(Task)
    for put, value in zip_longest(_SETTERS, row):
        put(task, value)
    _set_tags(task, tuple(task.tags))
    _set_drift(task, tuple(task.drift or ()))
    return task


def listed_task(row: tuple[Any, ...]) -> Task:
    """A task from a row of `whole` as the driver brings it; shared with other lists, so its payload must stay as it is.

    Whoever asks for a list asks again soon, and most of its rows are what they were: equal rows are equal tasks.
    """
    return _converted(row) if len(row[_PAYLOAD]) > LONGEST_REMEMBERED else _remembered(row)


def _converted(row: tuple[Any, ...]) -> Task:
    values = list(row)
    for index, read in _READERS:
        values[index] = read(values[index])
    return task_of(values)


_remembered = lru_cache(maxsize=REMEMBERED)(_converted)

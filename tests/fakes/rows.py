"""Tasks and runs made in one line."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from app.domain.ids import new_id
from app.domain.ports import UnitsOfWork
from app.domain.runs import NewRun
from app.domain.tasks import Definition, Task, definition_document

MOMENT = datetime(2026, 11, 24, 8, 30, tzinfo=UTC)


def a_task(**fields: Any) -> Task:
    """A manual task without steps, but for what is given."""
    base: dict[str, Any] = {
        "id": new_id(),
        "title": "A task",
        "schedule_kind": "manual",
        "created_by": "local",
        "created_at": MOMENT,
        "updated_at": MOMENT,
        "anchor_at": MOMENT,
        "definition_id": new_id(),
    }
    return Task(**{**base, **fields})


def stored(units: UnitsOfWork, task: Task) -> Task:
    """Store a task with its definition."""
    with units() as unit:
        unit.tasks.add(task)
        unit.tasks.add_definition(
            Definition(id=task.definition_id, task_id=task.id, document=definition_document(task), created_at=MOMENT)
        )
    return task


def a_run(task: Task, **fields: Any) -> NewRun:
    """A run of the task, due now."""
    base: dict[str, Any] = {
        "id": new_id(),
        "task_id": task.id,
        "definition_id": task.definition_id,
        "trigger": "manual",
        "scheduled_for": datetime.now(UTC),
        "priority": task.priority,
        "max_attempts": task.max_retries + 1,
    }
    return NewRun(**{**base, **fields})


def queued(units: UnitsOfWork, task: Task, count: int = 1, **fields: Any) -> Sequence[str]:
    """Queue runs of a stored task; their ids in order."""
    runs = [a_run(task, **fields) for _ in range(count)]
    with units() as unit:
        unit.runs.add(runs, datetime.now(UTC))
    return [run.id for run in runs]

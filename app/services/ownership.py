"""Whose tasks and runs a caller may see and change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from app.domain.access import check_changed, check_seen, owner_filter, sees_all
from app.domain.errors import Forbidden
from app.domain.ports import UnitOfWork
from app.domain.runs import Run, RunFilter
from app.domain.tasks import Task, TaskFilter
from app.domain.texts import t
from ordinaut import Caller
from ordinaut.callers import ADMIN


def may_see(task: Task, caller: Caller) -> Task:
    """The task; NotFound for those who may not see it."""
    check_seen(caller, task.created_by, t("Task not found"), task_id=task.id)
    return task


def may_change(task: Task, caller: Caller) -> Task:
    """The task; NotFound for those who may not see it, Forbidden for those who only may."""
    check_changed(caller, task.created_by, t("Task not found"), task_id=task.id)
    return task


def visible(where: TaskFilter, caller: Caller) -> TaskFilter | None:
    """The filter, for what the caller may see; None when that is nothing."""
    owner = owner_filter(caller)
    if owner is None:
        return where
    return replace(where, created_by=owner) if where.created_by in (None, owner) else None


def check_owner_named(fields: Mapping[str, Any], caller: Caller, owner: str) -> None:
    """Refuse that somebody makes a task another's, whose scopes and secrets its runs would use.

    Raises:
        Forbidden: `created_by` names another than `owner`, and the caller is no admin.
    """
    named = fields.get("created_by")
    if named not in (None, owner) and not caller.may(ADMIN):
        raise Forbidden(
            t("Only an admin may make a task another agent's"),
            required_scopes=[ADMIN],
            granted_scopes=sorted(caller.scopes),
        )


def run_seen(unit: UnitOfWork, run: Run, caller: Caller) -> Run:
    """The run; NotFound for those who may not see its task."""
    if not sees_all(caller):
        check_seen(caller, unit.tasks.get(run.task_id).created_by, t("Run not found"), run_id=run.id)
    return run


def run_changed(unit: UnitOfWork, run: Run, caller: Caller) -> Run:
    """The run; NotFound or Forbidden for those to whom its task does not belong."""
    if not caller.may(ADMIN):
        check_changed(caller, unit.tasks.get(run.task_id).created_by, t("Run not found"), run_id=run.id)
    return run


def visible_runs(where: RunFilter, caller: Caller) -> RunFilter:
    """The filter, for the runs that the caller may see."""
    return replace(where, owner=owner_filter(caller))

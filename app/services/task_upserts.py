"""Tasks by the name that somebody else gave them: made where there is none, else changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

from app.domain.errors import Conflict, Forbidden, NotFound, PreconditionFailed, Problem
from app.domain.ports import UnitsOfWork
from app.domain.tasks import Task
from app.domain.texts import t
from app.services.ownership import may_see
from app.services.tasks import Preview, TaskService
from ordinaut import Caller

CREATE = "tasks:create"
TRIES = 3
"""Somebody else may make or delete the task between the look and the write."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Only:
    """What the caller insists on: these versions (None for any), or that there is no such task yet."""

    versions: AbstractSet[int] | None = None
    none: bool = False


class TaskUpserts:
    """The use cases of external ids; names are an agent's own, the one that `created_by` names or the caller."""

    def __init__(self, *, units: UnitsOfWork, tasks: TaskService) -> None:
        self._units = units
        self._tasks = tasks

    def get(self, external_id: str, *, caller: Caller) -> Task:
        """The caller's task of that name, or NotFound."""
        task = self._find(caller.agent_id, external_id)
        if task is None:
            raise NotFound(t("Task not found"), external_id=external_id)
        return may_see(task, caller)

    def put(
        self,
        external_id: str,
        fields: Mapping[str, Any],
        *,
        caller: Caller,
        only: Only,
        found: Sequence[Problem] = (),
    ) -> tuple[Task, bool]:
        """Make the task, or give every field a new value as a replacement does.

        Returns:
            The task, and whether it was made.

        Raises:
            PreconditionFailed: `only` does not hold. Everything that `create` and `replace` of `TaskService` raise.
        """
        fields = {**fields, "external_id": external_id}
        for left in reversed(range(TRIES)):
            current = self._held(external_id, fields, caller, only)
            try:
                if current is None:
                    return self._tasks.create(fields, caller=caller, found=found), True
                changed = self._tasks.replace(current.id, fields, caller=caller, if_match=only.versions, found=found)
                return changed, False
            except (Conflict, NotFound) as error:
                # Made, or deleted, by another at the same moment.
                if not left or (isinstance(error, Conflict) and current is not None):
                    raise
        raise AssertionError

    def preview(
        self,
        external_id: str,
        fields: Mapping[str, Any],
        *,
        caller: Caller,
        only: Only,
        found: Sequence[Problem] = (),
    ) -> Preview:
        """What `put` would store; nothing is stored."""
        fields = {**fields, "external_id": external_id}
        current = self._held(external_id, fields, caller, only)
        if current is None:
            return self._tasks.preview(fields, caller=caller, found=found)
        return self._tasks.preview_change(current.id, fields, caller=caller, whole=True, found=found)

    def _held(self, external_id: str, fields: Mapping[str, Any], caller: Caller, only: Only) -> Task | None:
        """The task as it stands, if the caller is content with that and may do what follows."""
        current = self._find(str(fields.get("created_by") or caller.agent_id), external_id)
        if current is None and only.versions is not None:
            raise PreconditionFailed(external_id=external_id)
        if current is not None and only.none:
            raise PreconditionFailed(task_id=current.id, version=current.version)
        if current is None and not caller.may(CREATE):
            raise Forbidden(required_scopes=[CREATE], granted_scopes=sorted(caller.scopes))
        return current

    def _find(self, created_by: str, external_id: str) -> Task | None:
        with self._units(read_only=True) as unit:
            return unit.tasks.by_external_id(created_by, external_id)

"""Grants in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from app.domain.errors import NotFound
from app.domain.grants import Grant, GrantFilter
from app.domain.paging import Page
from app.domain.tasks import Task


class MemoryGrantStore:
    """See `app.domain.grants.GrantStore`."""

    def __init__(self, grants: dict[str, Grant], tasks: Mapping[str, Task]) -> None:
        self._grants = grants
        self._tasks = tasks

    def _shown(self, grant: Grant) -> Grant:
        task = self._tasks[grant.task_id]
        return replace(grant, task_title=task.title, owner=task.created_by)

    def add(self, grant: Grant) -> None:
        assert grant.task_id in self._tasks
        self._grants[grant.id] = grant

    def get(self, grant_id: str) -> Grant:
        if grant_id not in self._grants:
            raise NotFound("Grant not found", grant_id=grant_id)
        return self._shown(self._grants[grant_id])

    def save(self, grant: Grant) -> None:
        self._grants[grant.id] = grant

    def standing(self, task_id: str) -> Sequence[Grant]:
        mine = [one for one in self._grants.values() if one.task_id == task_id and one.status != "replaced"]
        return [self._shown(one) for one in sorted(mine, key=lambda one: one.id)]

    def latest(self, task_id: str) -> Grant | None:
        found = self.standing(task_id)
        return found[-1] if found else None

    def page(self, where: GrantFilter, *, limit: int, offset: int) -> Page[Grant]:
        found = [
            self._shown(one)
            for one in sorted(self._grants.values(), key=lambda one: one.id, reverse=True)
            if (not where.status or one.status in where.status) and where.task_id in (None, one.task_id)
        ]
        return Page(tuple(found[offset : offset + limit]), len(found), limit, offset)

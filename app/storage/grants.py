"""Grants in SQL; whoever changes those of a task holds its row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from sqlalchemy import func, insert, select, update
from sqlalchemy.engine import Connection

from app.domain.errors import NotFound
from app.domain.grants import Grant, GrantFilter, Terms
from app.domain.paging import Page
from app.domain.permissions import Permission
from app.domain.texts import t
from app.storage.tables import tasks
from app.storage.tables_grants import grants

_shown = select(grants, tasks.c.title.label("task_title"), tasks.c.created_by.label("owner")).join_from(
    grants, tasks, grants.c.task_id == tasks.c.id
)
_SAID = ("status", "decided_by", "decided_at", "comment")


class SqlGrantStore:
    """See `app.domain.grants.GrantStore`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, grant: Grant) -> None:
        """Store a new one."""
        fixed = {name: getattr(grant, name) for name in ("id", "task_id", "asked_by", "asked_at")}
        self._connection.execute(insert(grants), {**fixed, **_moving(grant)})

    def get(self, grant_id: str) -> Grant:
        """The grant, or NotFound."""
        row = self._connection.execute(_shown.where(grants.c.id == grant_id)).mappings().first()
        if row is None:
            raise NotFound(t("Grant not found"), grant_id=grant_id)
        return _grant(row)

    def save(self, grant: Grant) -> None:
        """Store what was said to it."""
        self._connection.execute(update(grants).where(grants.c.id == grant.id).values(_moving(grant)))

    def standing(self, task_id: str) -> list[Grant]:
        """All but those that were replaced, oldest first."""
        query = _shown.where(grants.c.task_id == task_id, grants.c.status != "replaced").order_by(grants.c.id)
        return [_grant(row) for row in self._connection.execute(query).mappings()]

    def latest(self, task_id: str) -> Grant | None:
        """The newest one of the task."""
        found = self.standing(task_id)
        return found[-1] if found else None

    def page(self, where: GrantFilter, *, limit: int, offset: int) -> Page[Grant]:
        """Newest first."""
        conditions = [] if where.task_id is None else [grants.c.task_id == where.task_id]
        if where.status:
            conditions.append(grants.c.status.in_(where.status))
        total = self._connection.execute(select(func.count()).select_from(grants).where(*conditions)).scalar_one()
        query = _shown.where(*conditions).order_by(grants.c.id.desc()).limit(limit).offset(offset)
        return Page(tuple(_grant(row) for row in self._connection.execute(query).mappings()), total, limit, offset)


def _moving(grant: Grant) -> dict[str, Any]:
    return {
        **{name: getattr(grant, name) for name in _SAID},
        "permissions": [one.as_document() for one in grant.permissions],
        **{f.name: getattr(grant.terms, f.name) for f in fields(Terms)},
    }


def _grant(row: Mapping[Any, Any]) -> Grant:
    known = dict(row)
    terms = Terms(**{f.name: known.pop(f.name) for f in fields(Terms)})
    permissions = tuple(map(Permission.of_document, known.pop("permissions")))
    return Grant(**known, terms=terms, permissions=permissions)

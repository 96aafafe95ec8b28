"""What the audit log keeps of a change: who, what, and the members that differ."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

import orjson
import structlog

from app.domain.access import AuditEntry
from app.domain.clock import rfc3339
from app.domain.tasks import Task
from ordinaut import Caller

SYSTEM = Caller("system", frozenset())
"""Who does what nobody asked for at that moment."""
_LEFT_OUT = frozenset(
    {
        *("payload", "updated_at", "created_at", "anchor_at", "next_due_at", "last_run_at", "watched_since", "id"),
        "drift",
    }
)
_LONGEST = 200


@dataclass(frozen=True, slots=True)
class Difference:
    """The members that differ, as they were and as they are."""

    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None


UNTOLD = Difference()


def entry(at: datetime, caller: Caller, action: str, target: str, change: Difference = UNTOLD) -> AuditEntry:
    """A row; the kind of thing is the first word of the action: `task.created` is about a task."""
    request_id = structlog.contextvars.get_contextvars().get("request_id")
    return AuditEntry(
        at=at,
        actor=caller.agent_id,
        action=action,
        kind=action.partition(".")[0],
        target=target[:_LONGEST],
        before=change.before,
        after=change.after,
        request_id=str(request_id)[:128] if request_id else None,
    )


def task_entry(at: datetime, caller: Caller, action: str, *, before: Task | None, after: Task | None) -> AuditEntry:
    """A change of a task. A payload is told by its SHA-256 and its definition's id: it may be large, or hold keys."""
    old, new = _facts(before), _facts(after)
    names = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    task = after or before
    assert task is not None
    change = Difference(
        before=None if before is None else {name: old.get(name) for name in names},
        after=None if after is None else {name: new.get(name) for name in names},
    )
    return entry(at, caller, action, task.id, change)


def _facts(task: Task | None) -> dict[str, Any]:
    if task is None:
        return {}
    told = {f.name: _shown(getattr(task, f.name)) for f in fields(Task) if f.name not in _LEFT_OUT}
    digest = hashlib.sha256(orjson.dumps(task.payload, option=orjson.OPT_SORT_KEYS)).hexdigest()
    return {**{name: value for name, value in told.items() if value is not None}, "payload_sha256": digest}


def _shown(value: object) -> object:
    if isinstance(value, datetime):
        return rfc3339(value)
    return list(value) if isinstance(value, tuple) else value

"""The audit log on the wire."""

from __future__ import annotations

from typing import Any

from app.domain.access import AuditFilter, AuditRow
from app.domain.clock import rfc3339
from app.schemas.fields import Name, PageQuery
from app.schemas.shown import Shown


class AuditQuery(PageQuery):
    """Which rows of the audit log."""

    actor: Name | None = None
    action: Name | None = None
    kind: Name | None = None
    target: Name | None = None

    def where(self) -> AuditFilter:
        """As the store takes it."""
        return AuditFilter(actor=self.actor, action=self.action, kind=self.kind, target=self.target)


class AuditRowOut(Shown):
    """One change: who did what to which thing, and what was different before and after."""

    number: int
    at: str
    actor: str
    action: str
    kind: str
    target: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    request_id: str | None
    hash: str


def audit_row_out(row: AuditRow) -> AuditRowOut:
    """The row as it is answered."""
    entry = row.entry
    return AuditRowOut(
        number=row.number,
        at=rfc3339(entry.at),
        actor=entry.actor,
        action=entry.action,
        kind=entry.kind,
        target=entry.target,
        before=None if entry.before is None else dict(entry.before),
        after=None if entry.after is None else dict(entry.after),
        request_id=entry.request_id,
        hash=row.hash,
    )

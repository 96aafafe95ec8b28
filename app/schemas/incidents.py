"""Incidents on the wire."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from app.domain.expectations import IncidentKind
from app.domain.incidents import Incident, IncidentFilter, Resolution
from app.schemas.fields import STRICT, Body, PageQuery, Reason
from app.schemas.shown import Shown, UtcTime


class IncidentQuery(PageQuery):
    """Which incidents."""

    open: bool | None = Field(None, description="Only those that are open, or only those that are over")
    task_id: UUID | None = None
    kind: IncidentKind | None = None

    def where(self) -> IncidentFilter:
        """The same as the domain has it."""
        task_id = None if self.task_id is None else str(self.task_id)
        return IncidentFilter(open=self.open, task_id=task_id, kind=self.kind)


class AcknowledgeIn(Body):
    """That somebody has seen it; an empty body will do."""

    model_config = ConfigDict(**STRICT, json_schema_extra={"examples": [{"note": "The disk is full"}]})

    note: Annotated[Reason | None, Field(description="What is known of it")] = None


class IncidentTask(BaseModel):
    """Which task."""

    id: str
    title: str


class IncidentOut(Shown):
    """One time that a task did not keep an expectation."""

    id: str
    kind: IncidentKind
    open: bool
    task: IncidentTask
    run_id: str | None = Field(description="The run that is late, where it is one")
    limit_seconds: int = Field(description="What was expected")
    counted_from: UtcTime = Field(description="From when that time was counted")
    breached_at: UtcTime = Field(description="When it was over")
    opened_at: UtcTime = Field(description="When it was noticed")
    resolved_at: UtcTime | None
    resolution: Resolution | None = Field(
        description="`recovered`: it holds again; `not_watched`: nothing is expected any more"
    )
    acknowledged_at: UtcTime | None
    acknowledged_by: str | None
    note: str | None


def incident_out(incident: Incident) -> IncidentOut:
    """The incident as it is answered."""
    return IncidentOut(
        id=incident.id,
        kind=incident.kind,
        open=incident.resolved_at is None,
        task=IncidentTask(id=incident.task_id, title=incident.task_title),
        run_id=incident.run_id,
        limit_seconds=incident.limit_seconds,
        counted_from=incident.counted_from,
        breached_at=incident.breached_at,
        opened_at=incident.opened_at,
        resolved_at=incident.resolved_at,
        resolution=incident.resolution,
        acknowledged_at=incident.acknowledged_at,
        acknowledged_by=incident.acknowledged_by,
        note=incident.note,
    )

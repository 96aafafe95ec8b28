"""Schedules on the wire."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from app.domain.clock import rfc3339
from app.domain.schedules import Occurrence
from app.domain.tasks import ScheduleKind
from app.schemas.fields import STRICT, Body, Expr, Moment, Query, Zone
from app.services.agenda import Agenda
from app.services.schedules import SchedulePreview, ScheduleText

_EXAMPLE: JsonDict = {
    "schedule_kind": "cron",
    "schedule_expr": "30 8 * * 1-5",
    "timezone": "Europe/Chisinau",
    "count": 5,
}


class SchedulePreviewIn(Body):
    """A schedule to look at."""

    model_config = ConfigDict(**STRICT, json_schema_extra={"examples": [_EXAMPLE]})

    schedule_kind: ScheduleKind
    schedule_expr: Expr | None = None
    timezone: Zone = Field("UTC", description="IANA name")
    count: Annotated[int, Field(ge=1, le=100)] = 10
    from_: Moment | None = Field(None, alias="from", description="First moment to look at; now when left out")

    def text(self) -> ScheduleText:
        """The schedule as the service takes it."""
        return ScheduleText(kind=self.schedule_kind, expr=self.schedule_expr, timezone=self.timezone)


class OccurrenceOut(BaseModel):
    """One time at which a schedule fires."""

    nominal: Moment
    local: str = Field(description="RFC 3339 with the zone's offset", examples=["2026-11-24T10:30:00+02:00"])
    note: str | None = Field(description="What a change of the clocks does to it")


class SchedulePreviewOut(BaseModel):
    """A schedule in words and in times."""

    description: str = Field(examples=["Monday to Friday at 08:30"])
    occurrences: list[OccurrenceOut]


def occurrence_out(occurrence: Occurrence) -> dict[str, Any]:
    """The occurrence as `OccurrenceOut` describes it."""
    return {
        "nominal": rfc3339(occurrence.nominal),
        "local": occurrence.local.isoformat(),
        "note": occurrence.note,
    }


def schedule_preview_out(preview: SchedulePreview) -> dict[str, Any]:
    """The preview as `SchedulePreviewOut` describes it."""
    return {
        "description": preview.description,
        "occurrences": [occurrence_out(one) for one in preview.occurrences],
    }


class AgendaQuery(Query):
    """How far to look ahead, and how much to tell."""

    hours: Annotated[int, Field(ge=1, le=744, description="At most a month of 31 days")] = 24
    limit: Annotated[int, Field(ge=1, le=500)] = 50


class PlannedOut(BaseModel):
    """One occurrence to come."""

    task_id: str
    title: str
    schedule_kind: ScheduleKind
    timezone: str
    nominal_at: Moment = Field(description="The time the schedule names")
    effective_at: Moment = Field(description="When it will be due, with its jitter")
    local: str = Field(description="`nominal_at` in the task's zone", examples=["2026-11-24T10:30:00+02:00"])


class AgendaOut(BaseModel):
    """What is to come, soonest first."""

    items: list[PlannedOut]
    until: Moment = Field(description="Nothing is missing up to this moment")


def agenda_out(agenda: Agenda) -> dict[str, Any]:
    """The agenda as `AgendaOut` describes it."""
    items = [
        {
            "task_id": one.task.id,
            "title": one.task.title,
            "schedule_kind": one.task.schedule_kind,
            "timezone": one.task.timezone,
            "nominal_at": rfc3339(one.nominal_at),
            "effective_at": rfc3339(one.effective_at),
            "local": one.local.isoformat(),
        }
        for one in agenda.items
    ]
    return {"items": items, "until": rfc3339(agenda.until)}

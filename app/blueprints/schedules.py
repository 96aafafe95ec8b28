"""`/schedules`: looking at a schedule before it is saved."""

from __future__ import annotations

from typing import Any

from flask import Blueprint

from app.http.api import api
from app.http.identity import identity
from app.http.services import services
from app.schemas.schedules import (
    AgendaOut,
    AgendaQuery,
    SchedulePreviewIn,
    SchedulePreviewOut,
    agenda_out,
    schedule_preview_out,
)

bp = Blueprint("schedules", __name__)


@bp.post("/schedules/preview")
@api(body=SchedulePreviewIn, returns=SchedulePreviewOut, tags=("schedules",), scope="signed_in")
def preview_schedule(body: SchedulePreviewIn) -> dict[str, Any]:
    """Show a schedule in words and when it fires.

    The occurrences are those that beat would fire. `from` counts in; without it they begin now.
    """
    preview = services().schedules.preview(body.text(), count=body.count, from_=body.from_)
    return schedule_preview_out(preview)


@bp.get("/schedules/upcoming")
@api(query=AgendaQuery, returns=AgendaOut, tags=("schedules",), scope="tasks:read")
def upcoming(query: AgendaQuery) -> dict[str, Any]:
    """List what is to come, over all tasks, soonest first.

    These are the occurrences that beat will fire: paused tasks and snoozed times are left out. Where there are more
    than `limit`, `until` says up to when the list is whole.
    """
    return agenda_out(services().agenda.read(caller=identity(), hours=query.hours, limit=query.limit))

"""Backfills over HTTP."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Blueprint, url_for

from app.domain.texts import t
from app.http.api import Answer, api
from app.http.identity import identity
from app.http.services import services
from app.schemas.backfills import (
    BackfillCanceledOut,
    BackfillDetailOut,
    BackfillIn,
    BackfillOut,
    BackfillPageOut,
    BackfillPlanOut,
    backfill_page_out,
    detail_out,
    plan_out,
    standing_out,
)
from app.schemas.fields import PageQuery

bp = Blueprint("backfills", __name__)
TAGS = ("backfills",)


@bp.post("/tasks/<uuid:task_id>/backfills")
@api(
    body=BackfillIn,
    returns=BackfillOut,
    status=201,
    preview=BackfillPlanOut,
    tags=TAGS,
    errors=(404, 409, 422),
    scope="tasks:run",
)
def create_backfill(task_id: UUID, body: BackfillIn) -> Answer:
    """Make runs for dates that have gone by.

    Those that the task's schedule names from `start` on and before `end`, 10,000 at most, each with that date as
    `nominal_at`, `max_parallel` at a time, with the pipeline as the task has it now. With `dry_run` nothing is stored:
    the answer is 200 with the backfill as it would be.
    """
    wish = body.wish()
    if body.dry_run:
        plan = services().backfills.preview(str(task_id), wish, caller=identity())
        return Answer(plan_out(str(task_id), wish, plan), status=200)
    made = services().backfills.create(str(task_id), wish, caller=identity())
    location = url_for("backfills.get_backfill", backfill_id=made.backfill.id)
    return Answer(standing_out(made), headers={"Location": location})


@bp.get("/tasks/<uuid:task_id>/backfills")
@api(query=PageQuery, returns=BackfillPageOut, tags=TAGS, errors=(404,), scope="tasks:read")
def list_backfills(task_id: UUID, query: PageQuery) -> dict[str, Any]:
    """List a task's backfills, newest first."""
    page = services().backfills.page(str(task_id), caller=identity(), limit=query.limit, offset=query.offset)
    return backfill_page_out(page)


@bp.get("/backfills/<uuid:backfill_id>")
@api(query=PageQuery, returns=BackfillDetailOut, tags=TAGS, errors=(404,), scope="tasks:read")
def get_backfill(backfill_id: UUID, query: PageQuery) -> dict[str, Any]:
    """Get a backfill: how many of its dates stand how, and a page of them in order."""
    found = services().backfills.get(str(backfill_id), caller=identity(), limit=query.limit, offset=query.offset)
    return detail_out(*found)


@bp.post("/backfills/<uuid:backfill_id>/cancel")
@api(returns=BackfillCanceledOut, tags=TAGS, errors=(404, 409), scope="tasks:run")
def cancel_backfill(backfill_id: UUID) -> dict[str, Any]:
    """Make no further run of a backfill.

    Those under way go on; cancel them at `/runs/bulk` or one by one.
    """
    backfill = services().backfills.cancel(str(backfill_id), caller=identity())
    details = {"backfill_id": backfill.id, "status": backfill.status}
    return {"success": True, "message": t("Backfill canceled"), "details": details}

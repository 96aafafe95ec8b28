"""Backfills on the wire."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from app.domain.backfills import (
    MOST_PARALLEL,
    Backfill,
    BackfillDate,
    BackfillRequest,
    DateStatus,
    Reprocess,
    Status,
)
from app.domain.clock import rfc3339
from app.domain.paging import Page
from app.schemas.fields import STRICT, Body, Moment
from app.schemas.paging import PageOut
from app.services.backfills import Plan, Standing

SHOWN = 10
"""Dates that a dry run shows."""
_EXAMPLE: Any = {
    "start": "2026-11-01T00:00:00Z",
    "end": "2026-11-08T00:00:00Z",
    "max_parallel": 2,
    "reprocess": "failed",
}


class BackfillIn(Body):
    """Which dates, and how many runs at a time."""

    model_config = ConfigDict(**STRICT, json_schema_extra={"examples": [_EXAMPLE]})

    start: Moment = Field(description="The first moment that belongs to it")
    end: Moment = Field(description="The first moment that does not; dates to come are left to the schedule")
    max_parallel: Annotated[int, Field(ge=1, le=MOST_PARALLEL)] = 1
    reprocess: Reprocess = Field(
        "none",
        description="Which dates that have had a run are done again; `failed`: the last one failed or was canceled",
    )
    dry_run: bool = Field(False, description="Only tell which dates it would be")

    def wish(self) -> BackfillRequest:
        """The same for the service."""
        return BackfillRequest(start=self.start, end=self.end, max_parallel=self.max_parallel, reprocess=self.reprocess)


class CountsOut(BaseModel):
    """Dates by status; `gone` are those whose run was deleted with its task's old runs."""

    pending: int = 0
    started: int = 0
    succeeded: int = 0
    failed: int = 0
    canceled: int = 0
    gone: int = 0


class BackfillOut(BaseModel):
    """A backfill."""

    id: str | None = Field(description="Null in a dry run")
    task_id: str
    start: Moment
    end: Moment
    max_parallel: int
    reprocess: Reprocess
    status: Status | None = Field(description="Null in a dry run")
    total: int = Field(description="Its dates")
    skipped: int = Field(description="Dates left out, since they have had a run")
    counts: CountsOut
    created_by: str | None
    created_at: Moment | None
    finished_at: Moment | None = Field(description="When the last of its runs had ended")


class BackfillPlanOut(BackfillOut):
    """A backfill as it would be, with its first dates."""

    first_dates: list[Moment]


class BackfillDateOut(BaseModel):
    """One of its dates."""

    nominal_at: Moment
    status: DateStatus
    run_id: str | None


class BackfillDetailOut(BackfillOut):
    """A backfill with a page of its dates, in order."""

    dates: PageOut[BackfillDateOut]


class BackfillPageOut(BaseModel):
    """A page of backfills, newest first."""

    items: list[BackfillOut]
    total: int
    limit: int
    offset: int
    has_more: bool


class CancelDetails(BaseModel):
    """The backfill after it."""

    backfill_id: str
    status: Status


class BackfillCanceledOut(BaseModel):
    """No further run is made."""

    success: bool
    message: str
    details: CancelDetails


def standing_out(standing: Standing) -> dict[str, Any]:
    """The backfill as `BackfillOut` describes it."""
    backfill = standing.backfill
    return {
        **_asked(backfill.task_id, backfill),
        "id": backfill.id,
        "status": backfill.status,
        "total": backfill.total,
        "skipped": backfill.skipped,
        "counts": {name: standing.counts.get(name, 0) for name in CountsOut.model_fields},
        "created_by": backfill.created_by,
        "created_at": rfc3339(backfill.created_at),
        "finished_at": None if backfill.finished_at is None else rfc3339(backfill.finished_at),
    }


def plan_out(task_id: str, wish: BackfillRequest, plan: Plan) -> dict[str, Any]:
    """The plan as `BackfillPlanOut` describes it."""
    nobody = dict.fromkeys(("id", "status", "created_by", "created_at", "finished_at"))
    return {
        **_asked(task_id, wish),
        **nobody,
        "total": len(plan.dates),
        "skipped": plan.skipped,
        "counts": {name: len(plan.dates) if name == "pending" else 0 for name in CountsOut.model_fields},
        "first_dates": [rfc3339(one) for one in plan.dates[:SHOWN]],
    }


def _asked(task_id: str, wish: BackfillRequest | Backfill) -> dict[str, Any]:
    return {
        "task_id": task_id,
        "start": rfc3339(wish.start),
        "end": rfc3339(wish.end),
        "max_parallel": wish.max_parallel,
        "reprocess": wish.reprocess,
    }


def detail_out(standing: Standing, dates: Page[BackfillDate]) -> dict[str, Any]:
    """The backfill as `BackfillDetailOut` describes it."""
    items = [{"nominal_at": rfc3339(one.nominal_at), "status": one.status, "run_id": one.run_id} for one in dates.items]
    return {**standing_out(standing), "dates": _page(dates, items)}


def backfill_page_out(page: Page[Standing]) -> dict[str, Any]:
    """The page as `BackfillPageOut` describes it."""
    return _page(page, [standing_out(one) for one in page.items])


def _page(page: Page[Any], items: list[Any]) -> dict[str, Any]:
    return {
        "items": items,
        "total": page.total,
        "limit": page.limit,
        "offset": page.offset,
        "has_more": page.has_more,
    }

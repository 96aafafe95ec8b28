"""What became of occurrences, on the wire."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from app.domain.clock import rfc3339
from app.domain.paging import Page
from app.domain.tasks import OccurrenceRecord, Outcome
from app.http.locale import speak
from app.schemas.fields import Moment, Query, QueryMoment
from app.services.explaining import Explanation


class OccurrenceRecordOut(BaseModel):
    """What became of one occurrence."""

    nominal_at: Moment = Field(description="The time the schedule names")
    effective_at: Moment = Field(description="When it was due, with its jitter")
    outcome: Outcome
    reason: str
    run_id: str | None


class OccurrencePageOut(BaseModel):
    """A page of occurrences, newest first."""

    items: list[OccurrenceRecordOut]
    total: int
    limit: int
    offset: int
    has_more: bool


class WhyQuery(Query):
    """The moment asked about."""

    at: QueryMoment


class WhyOut(BaseModel):
    """Why a task did or did not run."""

    at: Moment
    answer: str = Field(examples=["The occurrence of 2026-11-24T08:30:00Z was skipped because ..."])
    nominal_at: Moment | None = Field(description="The occurrence meant, when there is one at that moment")
    occurrence: OccurrenceRecordOut | None = Field(description="Its record, when it left one")
    previous: Moment | None
    next: Moment | None


def record_out(record: OccurrenceRecord) -> dict[str, Any]:
    """The record as `OccurrenceRecordOut` describes it."""
    return {
        "nominal_at": rfc3339(record.nominal_at),
        "effective_at": rfc3339(record.effective_at),
        "outcome": record.outcome,
        "reason": speak(record.reason),
        "run_id": record.run_id,
    }


def record_page_out(page: Page[OccurrenceRecord]) -> dict[str, Any]:
    """The page as `OccurrencePageOut` describes it."""
    return {
        "items": [record_out(record) for record in page.items],
        "total": page.total,
        "limit": page.limit,
        "offset": page.offset,
        "has_more": page.has_more,
    }


def why_out(explanation: Explanation) -> dict[str, Any]:
    """The explanation as `WhyOut` describes it."""
    moments = {
        "nominal_at": explanation.nominal_at,
        "previous": explanation.previous,
        "next": explanation.next,
    }
    return {
        "at": rfc3339(explanation.at),
        "answer": explanation.answer,
        "occurrence": None if explanation.occurrence is None else record_out(explanation.occurrence),
        **{name: None if moment is None else rfc3339(moment) for name, moment in moments.items()},
    }

"""One action on many runs, on the wire."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import ConfigDict, Field, model_validator

from app.domain.bulk import Beginning, BulkAction, BulkRequest, BulkResult
from app.domain.reruns import DefinitionChoice
from app.domain.runs import RunFilter, RunStatus, Trigger
from app.domain.texts import t, tn
from app.schemas.fields import STRICT, Body, Moment
from app.schemas.shown import Shown

_EXAMPLE: Any = {
    "action": "rerun",
    "filter": {"status": ["failed"], "start_time": "2026-11-24T00:00:00Z"},
    "definition": "latest",
    "dry_run": False,
}


class BulkFilter(Body):
    """Which runs, as `GET /runs` takes it; at least one member. Times are those of `scheduled_for`."""

    task_id: Annotated[str, Field(max_length=100)] | None = None
    status: Annotated[list[RunStatus], Field(max_length=7)] = Field(default_factory=list)
    success: bool | None = None
    trigger: Trigger | None = None
    start_time: Moment | None = None
    end_time: Moment | None = None

    @model_validator(mode="after")
    def _not_empty(self) -> BulkFilter:
        if self.as_filter() == RunFilter():
            raise ValueError(t("it must name at least one member: all runs at once are never meant"))
        return self

    def as_filter(self) -> RunFilter:
        """The same for the store."""
        return RunFilter(
            task_id=self.task_id,
            status=tuple(dict.fromkeys(self.status)),
            success=self.success,
            trigger=self.trigger,
            start_time=self.start_time,
            end_time=self.end_time,
        )


class BulkIn(Body):
    """What to do with which runs; nothing is done unless `dry_run` is false."""

    model_config = ConfigDict(**STRICT, json_schema_extra={"examples": [_EXAMPLE]})

    action: BulkAction
    filter: BulkFilter
    dry_run: bool = True
    from_: Beginning = Field("failed", alias="from", description="For `rerun`: where each of them goes on")
    definition: DefinitionChoice = Field("original", description="For `rerun`: with which pipeline")

    def wish(self) -> BulkRequest:
        """The same for the service."""
        return BulkRequest(
            action=self.action,
            where=self.filter.as_filter(),
            dry_run=self.dry_run,
            start=self.from_,
            definition=self.definition,
        )


class SampledOut(Shown):
    """One of the runs that the action is for."""

    run_id: str
    task_id: str
    task_title: str
    status: RunStatus


class BulkDetails(Shown):
    """What became of the runs."""

    matched: int = Field(description="Runs that the filter finds among those you may change")
    done: int
    skipped: int = Field(description="Runs that the action is not for: they have ended, or are repeated already")
    left: int = Field(description="Runs still to be done: all in a dry run; else send the same again")
    sample: list[SampledOut] = Field(description="The newest ten of those the action is for")


class BulkOut(Shown):
    """What was done."""

    success: bool
    message: str
    details: BulkDetails


def bulk_out(result: BulkResult) -> dict[str, Any]:
    """The result as `BulkOut` describes it."""
    return {
        "success": True,
        "message": _message(result),
        "details": {
            "matched": result.matched,
            "done": result.done,
            "skipped": result.skipped,
            "left": result.left,
            "sample": [
                {"run_id": one.run_id, "task_id": one.task_id, "task_title": one.task_title, "status": one.status}
                for one in result.sample
            ],
        },
    }


def _message(result: BulkResult) -> str:
    match result.action, result.dry_run:
        case "cancel", True:
            return tn("{count} run would be canceled", "{count} runs would be canceled", result.left)
        case "cancel", False:
            return tn("{count} run canceled", "{count} runs canceled", result.done)
        case _, True:
            return tn("{count} run would be repeated", "{count} runs would be repeated", result.left)
        case _:
            return tn("{count} run is repeated", "{count} runs are repeated", result.done)

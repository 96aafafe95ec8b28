"""Pipelines on the wire."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from app.domain.pipelines.validate import Report
from app.schemas.fields import STRICT, Body
from app.schemas.problems import ProblemOut, problem_out

_EXAMPLE: JsonDict = {
    "pipeline": [{"id": "greeting", "uses": "data.set", "with": {"value": "Hello ${params.name}"}}],
    "params": {"name": "Ana"},
}


class PipelineIn(Body):
    """A pipeline to check."""

    model_config = ConfigDict(**STRICT, json_schema_extra={"examples": [_EXAMPLE]})

    pipeline: Any = Field(description="Steps in order; see /schemas/pipeline.json")
    params: dict[str, Any] | None = Field(None, description="Without them, references to params are not checked")


class ReportOut(BaseModel):
    """Every problem of a pipeline at once."""

    valid: bool
    errors: list[ProblemOut]
    warnings: list[ProblemOut]


def report_out(report: Report) -> dict[str, Any]:
    """The report as `ReportOut` describes it."""
    return {
        "valid": report.valid,
        "errors": [problem_out(one) for one in report.errors],
        "warnings": [problem_out(one) for one in report.warnings],
    }

"""`validate_pipeline`: every problem of a pipeline at once, before it is saved."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from app.domain.errors import Problem
from app.domain.pipelines.validate import validate_pipeline
from app.domain.texts import t
from app.tools.use_cases.answers import answer, fitting, shape
from app.tools.use_cases.ports import UseCases
from app.tools.use_cases.refusals import advised
from ordinaut import Tool, ToolCall

_PROBLEMS = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["path", "message", "hint"],
        "properties": {name: {"type": "string"} for name in ("path", "message", "hint")},
    },
}
_PROPERTIES: dict[str, Any] = {
    "payload": {"type": "object", "description": "{params, pipeline}, as create_task takes it."},
    "inputs": {"type": "object", "description": "Params of a run, laid over those of the payload."},
}


def pipeline_tools(uses: UseCases) -> list[Tool]:
    """The tools that look at pipelines."""
    return [advised(_validate(uses))]


def _validate(uses: UseCases) -> Tool:
    def run(call: ToolCall) -> dict[str, Any]:
        payload = call.arguments["payload"]
        pipeline, params = payload.get("pipeline", []), _params(payload, call.arguments.get("inputs"))
        report = validate_pipeline(pipeline, tools=uses.tools, params=params, at="/payload/pipeline")
        return {
            "valid": report.valid,
            "errors": fitting(report.errors, _problem, room=40_000),
            "warnings": fitting(report.warnings, _problem, room=20_000),
            "missing_tools": sorted({name for name in _used(pipeline) if uses.tools.get_schema(name) is None}),
        }

    return Tool(
        name="validate_pipeline",
        description=t(
            "Checks a pipeline for unknown tools, wrong arguments and references to nothing. Stores nothing."
        ),
        schema=shape(_PROPERTIES, ["payload"]),
        output_schema=answer(
            {
                "valid": {"type": "boolean", "description": "Whether it could be saved."},
                "errors": {**_PROBLEMS, "description": "What must be mended."},
                "warnings": {**_PROBLEMS, "description": "What its author had better know."},
                "missing_tools": {
                    "type": "array",
                    "items": {"type": "string"},
                    "description": "Names in `uses` that list_tools does not have.",
                },
            }
        ),
        run=run,
        idempotent=True,
        read_only=True,
        scope="tasks:read",
        examples=({"payload": {"pipeline": [{"id": "note", "uses": "log.write", "with": {"message": "Hello"}}]}},),
    )


def _params(payload: dict[str, Any], inputs: dict[str, Any] | None) -> dict[str, Any] | None:
    own = payload.get("params")
    if not isinstance(own, dict):
        return inputs
    return {**own, **(inputs or {})}


def _used(pipeline: Any) -> Iterator[str]:
    """Every name under `uses`, at any depth."""
    if isinstance(pipeline, list):
        for one in pipeline:
            yield from _used(one)
    elif isinstance(pipeline, dict):
        if isinstance(pipeline.get("uses"), str):
            yield pipeline["uses"]
        yield from _used(pipeline.get("parallel"))


def _problem(problem: Problem) -> dict[str, str]:
    return {"path": problem.pointer, "message": problem.message, "hint": problem.hint}

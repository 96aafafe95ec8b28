"""Tasks made of steps, tools that fail, and what became of their runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from app.domain.runs import Run
from app.domain.tasks import Task
from app.storage.unit_of_work import SqlUnitsOfWork
from ordinaut import ToolCall, ToolFailed
from tests.fakes.rows import a_task


def pipeline(*steps: Mapping[str, Any], **fields: Any) -> Task:
    """A task with these steps."""
    return a_task(
        **{"backoff_strategy": "fixed", "backoff_seconds": 0, **fields},
        payload={"params": {"n": 1}, "pipeline": list(steps)},
    )


def step(name: str, uses: Any = "fx.do", **keys: Any) -> dict[str, Any]:
    """One step."""
    return {"id": name, "uses": uses, "backoff_strategy": "fixed", "backoff_seconds": 0, **keys}


def refuse(**kinds: Any) -> Callable[[ToolCall], Any]:
    """A tool that always fails."""

    def run(call: ToolCall) -> Any:
        raise ToolFailed("No", **kinds)

    return run


def get(units: SqlUnitsOfWork, run_id: str) -> Run:
    """The run as it stands."""
    with units(read_only=True) as unit:
        return unit.runs.get(run_id)


def steps_of(units: SqlUnitsOfWork, run_id: str) -> list[tuple[str, str, int]]:
    """`(id, status, attempt)` of its journal's step records."""
    with units(read_only=True) as unit:
        records = unit.runs.journal(run_id)
    return [(r.body["id"], r.body["status"], r.body["attempt"]) for r in records if r.kind == "step"]

"""Work that is spread over several runs: the items of a list, and branches side by side.

Such a run is a part of its parent: `Claimed.part` says which piece is its own. It has the parent's definition, its own
lease and its own journal, and nobody sees it in lists. The parent waits for all of them without a worker.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from app.domain.clock import from_micros
from app.domain.execution import Claimed
from app.domain.ids import new_id
from app.domain.pipelines.model import Step
from app.domain.pipelines.plan import Plan, run_scope
from app.domain.pipelines.progress import Progress
from app.domain.runs import NewRun, Record, RunError
from app.domain.texts import t


@dataclass(frozen=True, slots=True)
class Job:
    """What of a plan is one run's to do.

    Attributes:
        items: For a part: the indices of the items that are its own.
        root: The run that people see; its id names effects, whichever part has them.
    """

    steps: tuple[Step, ...]
    items: Sequence[int] | None
    root: str

    @classmethod
    def of(cls, run: Claimed, plan: Plan) -> Job:
        """LookupError: the plan has no such piece."""
        part = run.part
        if part is None:
            return cls(plan.steps, None, run.id)
        step = plan.every[part["step"]]
        if "branch" in part:
            return cls(step.branches[part["branch"]], None, part["root"])
        return cls((step,), part["items"], part["root"])


@dataclass(frozen=True, slots=True)
class PartEnd:
    """A part and what its journal says."""

    part: Mapping[str, Any]
    status: str
    error: Mapping[str, Any] | None
    records: Sequence[Record]


@dataclass(slots=True)
class Gathered:
    """What the parts of a step came to.

    Attributes:
        results: Outputs of items, by index.
        branches: The last output of each branch, in order.
        outputs: What templates see of the steps in branches.
        error: Of the first part that failed.
    """

    results: dict[int, Any] = field(default_factory=dict)
    branches: list[Any] = field(default_factory=list)
    outputs: dict[str, Any] = field(default_factory=dict)
    error: RunError | None = None


def item_parts(run: Claimed, step: Step, indices: Sequence[int]) -> list[NewRun]:
    """As many parts as may work side by side, each with every so manieth item."""
    count = min(step.max_parallel, len(indices))
    return [_part(run, step, {"items": list(indices[number::count])}) for number in range(count)]


def branch_parts(run: Claimed, step: Step) -> list[NewRun]:
    """A part for each branch."""
    return [_part(run, step, {"branch": number}) for number in range(len(step.branches))]


def _part(run: Claimed, step: Step, piece: Mapping[str, Any]) -> NewRun:
    above = run.part or {"root": run.id, "above": [], "run": run_scope(run)}
    return NewRun(
        id=new_id(),
        task_id=run.task_id,
        definition_id=run.definition_id,
        trigger="child",
        scheduled_for=from_micros(run.scheduled_for),
        priority=run.priority,
        max_attempts=run.max_attempts,
        params=run.params,
        event=run.event,
        request_id=run.request_id,
        parent_run_id=run.id,
        depth=run.depth,
        part={"step": step.id, **piece, "root": above["root"], "above": [*above["above"], run.id], "run": above["run"]},
    )


def gather(step: Step, parts: Sequence[PartEnd], plan: Plan) -> Gathered:
    """Put together what parts have done; one that did not succeed gives the error."""
    gathered = Gathered()
    for one in sorted(parts, key=lambda one: one.part.get("branch", 0)):
        progress = Progress.restored(one.records, plan.every)
        gathered.results.update(progress.results.get(step.id, {}))
        gathered.branches.append(progress.last_output)
        gathered.outputs.update(progress.outputs)
        if one.status == "failed" and gathered.error is None:
            gathered.error = _failure(one.error)
    if gathered.error is None and any(one.status != "succeeded" for one in parts):
        message = t("A part of the step was canceled")
        gathered.error = RunError(type="part_canceled", message=message, step_id=step.id)
    return gathered


def _failure(error: Mapping[str, Any] | None) -> RunError:
    known = error or {}
    details = {**(known.get("details") or {}), "failed_step": known.get("step_id")}
    return RunError(type=known.get("type", ""), message=known.get("message", ""), details=details)

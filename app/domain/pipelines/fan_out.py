"""Work that is spread over several runs: the items of a list, branches side by side, and branches for each item.

Such a run is a part of its parent: `Claimed.part` says which piece is its own. It has the parent's definition, its own
lease and its own journal, and nobody sees it in lists. The parent waits for all of them without a worker.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final

from app.domain.clock import from_micros
from app.domain.execution import Claimed
from app.domain.ids import new_id
from app.domain.pipelines.model import Step
from app.domain.pipelines.plan import Plan, run_scope
from app.domain.pipelines.progress import Progress, key_of
from app.domain.runs import NewRun, Record, RunError
from app.domain.texts import t

LONGEST_WITHIN: Final = 32
"""Characters in a key; a longer place is told by its digest, so that keys keep within what stores and servers take."""


@dataclass(frozen=True, slots=True)
class Job:
    """What of a plan is one run's to do.

    Attributes:
        items: For a part: the indices of the items that are its own.
        root: The run that people see; its id names effects, whichever part has them.
        loop: Id of the step for one of whose items a branch is run, and the index of that item; the innermost one.
        within: Names that item, and those around it: `shop[3]/order[0]`; empty outside of such branches.
    """

    steps: tuple[Step, ...]
    items: Sequence[int] | None
    root: str
    loop: tuple[str, int] | None = None
    within: str = ""

    @classmethod
    def of(cls, run: Claimed, plan: Plan) -> Job:
        """LookupError: the plan has no such piece."""
        part = run.part
        if part is None:
            return cls(plan.steps, None, run.id)
        step, loop = plan.every[part["step"]], part.get("loop")
        steps, items = (step.branches[part["branch"]], None) if "branch" in part else ((step,), part["items"])
        return cls(steps, items, part["root"], tuple(loop) if loop else None, part.get("within", ""))

    def key(self, step: Step, item: int | None) -> str:
        """Names an effect, whichever run has it and however often it is tried."""
        within = self.within
        if len(within) > LONGEST_WITHIN:
            within = sha256(within.encode()).hexdigest()[:LONGEST_WITHIN]
        return f"{self.root}:{within}{'/' if within else ''}{key_of(step, item)}"

    def seen(self, items: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
        """What templates see of the item around these steps.

        Args:
            items: The lists that steps go through, by their ids.
        """
        if self.loop is None:
            return {}
        step_id, index = self.loop
        return {"item": items[step_id][index], "index": index}


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


def branch_parts(run: Claimed, step: Step, item: int | None) -> list[NewRun]:
    """A part for each branch; with `item` those for that item of the step's list."""
    within = (run.part or {}).get("within", "")
    place = f"{within}{'/' if within else ''}{key_of(step, item)}"
    loop = {} if item is None else {"loop": [step.id, item], "within": place}
    return [_part(run, step, {"branch": number, **loop}) for number in range(len(step.branches))]


def _part(run: Claimed, step: Step, piece: Mapping[str, Any]) -> NewRun:
    around = {name: run.part[name] for name in ("loop", "within") if run.part and name in run.part}
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
        part={"step": step.id, **around, **piece, **_origin(run)},
    )


def _origin(run: Claimed) -> dict[str, Any]:
    """Of what run a part is in the end, and which stand between them."""
    above = run.part or {"root": run.id, "above": [], "run": run_scope(run)}
    return {"root": above["root"], "above": [*above["above"], run.id], "run": above["run"]}


def gather(step: Step, parts: Sequence[PartEnd], plan: Plan) -> Gathered:
    """Put together what parts have done; one that did not succeed gives the error."""
    gathered = Gathered()
    for one in sorted(parts, key=lambda one: one.part.get("branch", 0)):
        progress = Progress.restored(one.records, plan.every)
        gathered.results.update(progress.results.get(step.id, {}))
        gathered.branches.append(progress.last_output)
        gathered.outputs.update(progress.outputs)
        if one.status == "failed" and gathered.error is None:
            gathered.error = _failure(one.error, step)
    if gathered.error is None and any(one.status != "succeeded" for one in parts):
        message = t("A part of the step was canceled")
        gathered.error = RunError(type="part_canceled", message=message, step_id=step.id)
    return gathered


def _failure(error: Mapping[str, Any] | None, step: Step) -> RunError:
    known = error or {}
    details = dict(known.get("details") or {})
    if known.get("step_id") != step.id or "failed_step" not in details:
        # A part that went through items with branches has found out already in which of their steps it was.
        details["failed_step"] = known.get("step_id")
    return RunError(type=known.get("type", ""), message=known.get("message", ""), details=details)

"""A run's way through a list, and into branches: here, or in runs of its own; see `app.domain.pipelines.fan_out`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from app.domain.execution import Settlement
from app.domain.pipelines.fan_out import Gathered, branch_parts, gather, item_parts
from app.domain.pipelines.model import ITEM_NAMES, Step
from app.domain.pipelines.outcome import Failed
from app.domain.pipelines.progress import key_of
from app.domain.runs import NewRun
from app.domain.templates import Template
from app.domain.waits import PartsWait
from app.services.steps import Pending, encode, listed

if TYPE_CHECKING:
    from app.services.run_execution import RunExecution


def each(execution: RunExecution, step: Step, foreach: Template) -> Settlement | None:
    """Do a step for each item. The list is made once; it is gone through here, or by several runs side by side."""
    progress = execution.progress
    items = progress.items.get(step.id)
    if items is None:
        found = listed(step, foreach, execution.scope)
        if isinstance(found, Failed):
            return execution.failed(step, found)
        progress.items[step.id] = items = found
        progress.began[step.id] = execution.lines.began
        execution.lines.record("expanded", items=items)
    done = progress.results.get(step.id, {})
    left = [index for index in range(len(items)) if index not in done]
    if step.max_parallel > 1 and len(left) > 1:
        return _parted(execution, step, item_parts(execution.run, step, left))
    if (settled := through(execution, step, left)) is not None:
        return settled
    return _finished(execution, step)


def through(execution: RunExecution, step: Step, indices: Sequence[int]) -> Settlement | None:
    """These items, one after another; each that is done is recorded."""
    progress, job = execution.progress, execution.job
    items, done = progress.items[step.id], progress.results.setdefault(step.id, {})
    for index in indices:
        if index in done:
            continue
        # What an item has waited for is recorded first, whatever became of others.
        begun = key_of(step, index) in progress.resumed
        if job.items is not None and not begun and execution.desk.sibling_failed(execution.run):
            return execution.settle_canceled()
        if (settled := execution.interrupted(step) or _item(execution, step, index, items[index])) is not None:
            return settled
    for name in ITEM_NAMES:
        execution.scope.pop(name, None)
    execution.scope.update(job.seen(progress.items))
    return None


def _item(execution: RunExecution, step: Step, index: int, item: Any) -> Settlement | None:
    if not isinstance(settled := execution.resumed(step, index), Pending):
        return settled
    execution.scope.update(item=item, index=index)
    execution.begin_attempt(step, index)
    return branched(execution, step, index) if step.branches else execution.work(step)


def branched(execution: RunExecution, step: Step, item: int | None) -> Settlement:
    """The branches, once or for one item, begin in runs of their own; this one waits for them."""
    return _parted(execution, step, branch_parts(execution.run, step, item))


def _parted(execution: RunExecution, step: Step, parts: Sequence[NewRun]) -> Settlement:
    return execution.parked(step, PartsWait(parts=tuple(parts)), parts=[part.id for part in parts])


def gathered(execution: RunExecution, step: Step, item: int | None) -> Settlement | None:
    """All parts have ended: what they came to."""
    progress = execution.progress
    parts = execution.desk.parts(execution.run.id, step.id, progress.parts.get(key_of(step, item), ()))
    found = gather(step, parts, execution.plan)
    if item is not None or step.foreach is None:
        return _joined(execution, step, found, item)
    progress.results.setdefault(step.id, {}).update(found.results)
    if found.error is None:
        return _finished(execution, step)
    if found.results:
        execution.lines.record("gathered", results={str(index): one for index, one in found.results.items()})
    return execution.failed(step, Failed(replace(found.error, step_id=step.id), False))


def _joined(execution: RunExecution, step: Step, found: Gathered, item: int | None) -> Settlement | None:
    """All branches have ended, once or for one item."""
    if found.error is not None:
        return execution.failed(step, Failed(replace(found.error, step_id=step.id), False))
    outcome = encode(found.branches, step, None)
    if isinstance(outcome, Failed):
        return execution.failed(step, outcome)
    if item is not None:
        # What the steps in branches gave is this item's own: the next item's have the same names.
        return execution.succeeded(step, outcome)
    execution.progress.outputs.update(found.outputs)
    return execution.succeeded(step, outcome, outputs=found.outputs)


def _finished(execution: RunExecution, step: Step) -> Settlement | None:
    """All items are done: their outputs are the step's, in order."""
    progress = execution.progress
    done = progress.results.get(step.id, {})
    outcome = encode([done[index] for index in range(len(progress.items[step.id]))], step, None)
    if isinstance(outcome, Failed):
        return execution.failed(step, outcome)
    execution.lines.about(step, None, progress.attempts[step.id], progress.began[step.id])
    return execution.succeeded(step, outcome)

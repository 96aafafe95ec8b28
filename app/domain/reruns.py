"""Where a new run takes up one that has ended, and which steps it takes over from it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from app.domain.errors import InvalidInput
from app.domain.pipelines.model import Step
from app.domain.pipelines.unknown import Word
from app.domain.runs import Record
from app.domain.texts import t

FAILED: Final = "failed"
"""In place of a step's id: the first step that has not been done."""
START: Final = "start"
"""In place of a step's id: the first step of all."""

DefinitionChoice = Literal["original", "latest"]
Body = dict[str, Any]
"""A journal record of kind `step`, see `app.domain.runs.Record`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """What somebody says that a step came to; `retry` and `failed` are answers to a run that asks.

    Attributes:
        by: Id of the agent who says so.
        note: Why, for those who read the run later.
    """

    step_id: str
    status: Word
    output: Any
    note: str
    by: str


def taken_over(records: Sequence[Record], steps: Sequence[Step], start: str, *, at: str = "/from") -> list[Body]:
    """The records with which a new run begins: one for each step before the one it goes on from.

    Args:
        records: The journal of the run that is repeated.
        steps: Those of the definition that the new run keeps.
        start: `failed`, `start`, or the id of a step.
        at: JSON pointer of `start` in the request, for problems.

    Raises:
        InvalidInput: there is no such step, or a step before it has no outcome that could be taken over.
    """
    outcomes = _outcomes(records)
    place = _place(steps, outcomes, start, at)
    for step in steps[:place]:
        if not _fits(step, outcomes):
            message = t("Step {step} comes before it and has no outcome in this run", step=step.id)
            raise InvalidInput.at(at, message, t("Go on from {step} or from a step before it", step=step.id))
    return [{**outcomes[step.id], "reused": True} for step in steps[:place]]


def items_taken_over(records: Sequence[Record], steps: Sequence[Step], taken: Sequence[Body]) -> list[Body]:
    """Where a run under the same definition goes on in the middle of a list: the list, and its items that are done.

    Args:
        taken: What `taken_over` gave for `failed`.
    """
    left = steps[len(taken) :]
    if not left or left[0].foreach is None:
        return []
    mine = [one.body for one in records if _is_of(one, left[0].id)]
    return [{**body, "reused": True} for body in mine if _is_of_list(body)]


def marked(records: Sequence[Record], steps: Sequence[Step], mark: Mark, moment: str) -> list[Body]:
    """The records with which a run begins that takes one step as done: those before it, and the mark itself.

    Args:
        moment: Now, in RFC 3339.

    Raises:
        InvalidInput: as for `taken_over`.
    """
    before = taken_over(records, steps, mark.step_id, at="/step_id")
    step = next(step for step in steps if step.id == mark.step_id)
    tried = max((one.body["attempt"] for one in records if _is_of(one, step.id)), default=0)
    body = {
        "id": step.id,
        "uses": step.uses,
        "status": mark.status,
        "attempt": tried + 1,
        "started_at": moment,
        "finished_at": moment,
        "marked": {"by": mark.by, "note": mark.note},
    }
    return [*before, {**body, "output": mark.output} if mark.status == "succeeded" else body]


def _is_of_list(body: Mapping[str, Any]) -> bool:
    done = body["status"] == "succeeded" or bool(body.get("continued"))
    return body["status"] in ("expanded", "gathered") or ("item" in body and done)


def _is_of(record: Record, step_id: str) -> bool:
    return record.kind == "step" and record.body["id"] == step_id


def _outcomes(records: Iterable[Record]) -> dict[str, Mapping[str, Any]]:
    """Step id -> the record that ended it for good, with the input that only its beginning tells."""
    outcomes: dict[str, Mapping[str, Any]] = {}
    inputs: dict[str, Any] = {}
    for record in records:
        # A record of one item of a list is not the outcome of its step.
        if record.kind != "step" or "item" in record.body:
            continue
        body, step_id = record.body, record.body["id"]
        if "input" in body:
            inputs[step_id] = body["input"]
        if body["status"] in ("succeeded", "skipped") or body.get("continued"):
            given = {"input": inputs[step_id]} if step_id in inputs else {}
            outcomes[step_id] = {**given, **body}
    return outcomes


def _place(steps: Sequence[Step], outcomes: Mapping[str, Any], start: str, at: str) -> int:
    if start == START:
        return 0
    if start == FAILED:
        undone = (place for place, step in enumerate(steps) if not _fits(step, outcomes))
        return next(undone, len(steps))
    ids = [step.id for step in steps]
    if start not in ids:
        message = t("There is no step {step} in this pipeline", step=start[:100])
        raise InvalidInput.at(at, message, t("Its steps are {names}", names=", ".join(ids)) if ids else "")
    return ids.index(start)


def _fits(step: Step, outcomes: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether the step was done by the tool that it calls now: another one's output would mean something else."""
    return step.id in outcomes and outcomes[step.id].get("uses") == step.uses

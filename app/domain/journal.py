"""What a run's journal says about its steps: one reading for people who look and workers who resume."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from app.domain.runs import Record, StepStatus
from app.domain.texts import t

_INTERRUPTED: Mapping[str, Any] = MappingProxyType(
    {"type": "interrupted", "message": t("The worker stopped before this attempt had ended")}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptView:
    """One try of a step; times are RFC 3339 texts, as the journal holds them."""

    attempt: int
    status: StepStatus
    started_at: str | None
    finished_at: str | None
    error: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StepView:
    """A step as its records leave it: the last attempt's state, and every attempt in order.

    Attributes:
        reused: Whether it was done by the run that this one repeats.
        marked: `{by, note}` where not a tool but somebody said what it came to.
        asks: Whether somebody is to say so, since its worker was lost in the call.
    """

    id: str
    uses: str | None
    status: StepStatus
    attempt: int
    started_at: str | None
    finished_at: str | None
    input: Any
    output: Any
    error: Mapping[str, Any] | None
    attempts: tuple[AttemptView, ...]
    reused: bool = False
    marked: Mapping[str, Any] | None = None
    items: ItemsView | None = None
    asks: bool = False
    waiting: Mapping[str, Any] | None = None
    """While it waits: `{kind, until}`."""
    within: str | None = None
    """The item around it, where it is in a branch that is run for each: `shop[3]`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemsView:
    """How far a step has come through its list; an item that has failed may yet be tried again."""

    total: int
    succeeded: int = 0
    failed: int = 0


def has_parts(records: Iterable[Record]) -> bool:
    """Whether some of a run's work went on in runs of its own."""
    return any(record.kind == "state" and record.body.get("reason") == "parts" for record in records)


def steps_with_parts(records: Sequence[Record], parts: Sequence[Sequence[Record]]) -> dict[str, StepView]:
    """The steps of a run, and of the parts in which some of its work went on, each with its records."""
    steps = fold_steps(records)
    for step in (one for part in parts for one in fold_steps(part).values()):
        # A step in a branch that is run for each item is there many times: shown as it failed, or as it was last.
        if step.id not in steps or (step.within and steps[step.id].status != "failed"):
            steps[step.id] = step
    everything = [record.body for part in (records, *parts) for record in part if record.kind == "step"]
    for step_id, items in _items(everything).items():
        if step_id in steps:
            steps[step_id] = replace(steps[step_id], items=items)
    return steps


def _items(bodies: Sequence[Mapping[str, Any]]) -> dict[str, ItemsView]:
    """Step id -> how often it is done for an item of a list, its own or one around it, by what became of each last."""
    lengths: dict[str, dict[str, int]] = {}
    lists: dict[str, str] = {}
    ends: dict[str, dict[Any, str]] = {}
    for body in bodies:
        step_id, within = body["id"], body.get("within", "")
        if body["status"] == "expanded":
            lengths.setdefault(step_id, {})[within] = len(body["items"])
            lists[step_id] = step_id
        elif "item" in body or (within and lists.get(step_id) != step_id):
            # `shop[3]/order[0]`: the innermost list around it is that of `order`.
            lists.setdefault(step_id, within.rpartition("/")[2].partition("[")[0])
            ends.setdefault(step_id, {})[within, body.get("item")] = body["status"]
    totals = {step_id: sum(lengths[name].values()) for step_id, name in lists.items() if name in lengths}
    return {step_id: _counted(total, ends.get(step_id, {}).values()) for step_id, total in totals.items()}


def _counted(total: int, ends: Iterable[str]) -> ItemsView:
    count = Counter(ends)
    return ItemsView(total=total, succeeded=count["succeeded"], failed=count["failed"])


def fold_steps(records: Iterable[Record]) -> dict[str, StepView]:
    """Step id -> how it stands, in the order the steps began; records of other kinds are passed over.

    An attempt that was running when the next one began is shown as failed with `interrupted`.
    """
    steps: dict[str, StepView] = {}
    for record in records:
        if record.kind == "step" and "item" not in record.body:
            step_id = str(record.body["id"])
            steps[step_id] = _after(steps.get(step_id), step_id, record.body)
    return steps


_STATUS: Mapping[str, StepStatus] = MappingProxyType(
    {"resumed": "running", "expanded": "running", "gathered": "running"}
)
"""Records that a step goes on."""


def _after(before: StepView | None, step_id: str, body: Mapping[str, Any]) -> StepView:
    attempt = int(body.get("attempt", 1))
    goes_on = before is not None and before.status in ("running", "waiting") and before.attempt == attempt
    # What only the opening record said (input, started_at) holds until the attempt ends.
    known = before if goes_on else None
    try_now = AttemptView(
        attempt=attempt,
        status=_STATUS.get(body["status"], body["status"]),
        started_at=body.get("started_at") or (known.started_at if known else None),
        finished_at=body.get("finished_at"),
        error=body.get("error"),
    )
    return StepView(
        id=step_id,
        uses=body.get("uses") or (before.uses if before else None),
        status=try_now.status,
        attempt=attempt,
        started_at=try_now.started_at,
        finished_at=try_now.finished_at,
        input=body.get("input", known.input if known else None),
        output=body.get("output") if try_now.status == "succeeded" else None,
        error=try_now.error,
        waiting=body.get("wait"),
        attempts=(*_earlier(before, goes_on=goes_on), try_now),
        reused=bool(body.get("reused")),
        marked=body.get("marked"),
        asks=bool(body.get("asks")),
        within=body.get("within"),
    )


def _earlier(before: StepView | None, *, goes_on: bool) -> tuple[AttemptView, ...]:
    """The attempts that the newest one follows."""
    if before is None:
        return ()
    if goes_on:
        return before.attempts[:-1]
    last = before.attempts[-1]
    if last.status == "running":
        return (*before.attempts[:-1], replace(last, status="failed", error=dict(_INTERRUPTED)))
    return before.attempts

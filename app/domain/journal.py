"""What a run's journal says about its steps: one reading for people who look and workers who resume."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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
        attempts=(*_earlier(before, goes_on=goes_on), try_now),
        reused=bool(body.get("reused")),
        marked=body.get("marked"),
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

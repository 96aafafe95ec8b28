"""A run: one execution of a task's pipeline, its life, and the journal it leaves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from app.domain.errors import Conflict
from app.domain.texts import t

RunStatus = Literal["queued", "running", "waiting", "succeeded", "failed", "canceled", "skipped"]
Trigger = Literal["schedule", "manual", "event", "api", "backfill", "rerun", "child"]
StepStatus = Literal["running", "waiting", "succeeded", "failed", "skipped"]

ENDED: frozenset[str] = frozenset({"succeeded", "failed", "canceled", "skipped"})
ACTIVE: frozenset[str] = frozenset({"queued", "running", "waiting"})
TRANSITIONS: Mapping[str, frozenset[str]] = {
    # running -> queued: a retry, a hand-back or a lost worker
    "queued": frozenset({"running", "canceled", "failed"}),
    "running": frozenset({"queued", "waiting", "succeeded", "failed", "canceled"}),
    "waiting": frozenset({"queued", "canceled", "failed"}),
    "succeeded": frozenset(),
    "failed": frozenset(),
    "canceled": frozenset(),
    "skipped": frozenset(),
}


def check_transition(before: str, after: str) -> None:
    """Refuse a change of status that the life of a run does not know.

    Raises:
        Conflict: with both statuses in its details.
    """
    if after not in TRANSITIONS[before]:
        raise Conflict(
            t("A {before} run cannot become {after}", before=before, after=after), status=before, requested=after
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RunError:
    """Why a run or a step failed: a stable type, one sentence, and the step where it happened."""

    type: str
    message: str
    step_id: str | None = None
    details: Mapping[str, Any] | None = None

    def as_dict(self) -> dict[str, Any]:
        """The wire form: `{type, message, step_id[, details]}`."""
        body: dict[str, Any] = {"type": self.type, "message": self.message, "step_id": self.step_id}
        if self.details:
            body["details"] = dict(self.details)
        return body


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run as it stands in the store, without its journal.

    Attributes:
        attempt: Attempts begun so far; 0 until a worker first takes it.
        available_at: No worker takes it before this moment (retries wait here).
        fence: Rises with every claim and hand-back; a commit that carries an older one is refused.
        journal_length: Records in its journal; the last record's number.
        event: What started it, see `app.domain.events.event_document`.
    """

    id: str
    task_id: str
    task_title: str
    definition_id: str
    trigger: Trigger
    status: RunStatus
    nominal_at: datetime | None
    scheduled_for: datetime
    available_at: datetime
    priority: int
    attempt: int
    max_attempts: int
    fence: int
    lease_owner: str | None
    leased_until: datetime | None
    cancel_requested_at: datetime | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    params: Mapping[str, Any] | None
    error: Mapping[str, Any] | None
    output: Any
    journal_length: int
    request_id: str | None
    event: Mapping[str, Any] | None = None
    parent_run_id: str | None = None
    part: Mapping[str, Any] | None = None
    depth: int = 0

    @property
    def success(self) -> bool | None:
        """True or False once it has ended by itself, else None."""
        return {"succeeded": True, "failed": False}.get(self.status)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRun:
    """A run about to be stored as queued.

    Attributes:
        origin: Names what asked for it (`manual:<task>:<key>`); unique, so asking twice gives one run.
        parent_run_id: The run that started it, or that it repeats.
        part: Which piece of its parent's work it is; None for a run of its own.
        in_line: The runs of its task go one at a time.
        supersedes: Those before it are cancelled.
        dedupe_key: No second run of the task is made with the same key within `dedupe_window_seconds`; see
            `app.domain.dedupe`.
        concurrency_key: At most `concurrency_limit` runs with the same key are at work; see `app.domain.run_limits`.
        depth: How many events and runs have led to it.
    """

    id: str
    task_id: str
    definition_id: str
    trigger: Trigger
    scheduled_for: datetime
    priority: int
    max_attempts: int
    nominal_at: datetime | None = None
    params: Mapping[str, Any] | None = None
    origin: str | None = None
    request_id: str | None = None
    event: Mapping[str, Any] | None = None
    parent_run_id: str | None = None
    part: Mapping[str, Any] | None = None
    in_line: bool = False
    supersedes: bool = False
    concurrency_key: str | None = None
    concurrency_limit: int = 1
    depth: int = 0
    dedupe_key: str | None = None
    dedupe_window_seconds: int = 0


@dataclass(frozen=True, slots=True)
class Record:
    """One line of a run's journal; `number` counts from 1 within the run and is the SSE id.

    `kind` and `body`:
        state: `{status, attempt, error?, available_at?}`
        step:  `{id, uses, status, attempt, started_at, finished_at?, input?, output?, error?}`; a step that waited has
               a record `waiting` and one `resumed` with what came of it
        log:   `{level, message, step_id?}`
    """

    number: int
    at: datetime
    kind: Literal["state", "step", "log"]
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFilter:
    """What `GET /runs` may be narrowed by; None leaves a member out. Times are those of `scheduled_for`."""

    task_id: str | None = None
    status: tuple[str, ...] = ()
    success: bool | None = None
    trigger: str | None = None
    start_time: datetime | None = None
    end_time: datetime | None = None
    owner: str | None = None
    """Only runs of this agent's tasks; this and what follows is not for clients to choose."""
    cancelling: bool | None = None
    """Whether somebody has asked for its end."""
    repeated: bool | None = None
    """Whether another run repeats it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStats:
    """Runs counted over a window; durations in seconds, of runs that ended by themselves."""

    total: int
    by_status: Mapping[str, int]
    success_rate: float | None
    duration_avg: float | None
    duration_p50: float | None
    duration_p95: float | None
    duration_max: float | None

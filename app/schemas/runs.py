"""Runs on the wire."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from app.domain.clock import rfc3339
from app.domain.holds import Held, Reason
from app.domain.journal import StepView
from app.domain.runs import Record, Run, RunFilter, RunStatus, StepStatus, Trigger
from app.domain.tasks import Definition
from app.http.locale import speak
from app.schemas.fields import PageQuery, Query, QueryMoment, Spoken
from app.schemas.shown import Shown, UtcTime
from app.services.run_stories import Told
from app.services.runs import Window

Timeout = Annotated[float, Field(ge=0, le=50, description="Seconds to wait at most")]
Days = Annotated[int, Field(ge=1, le=365, description="How far back to count")]

_RUN: dict[str, Any] = {
    "id": "019f2a3c-5d10-7a42-9b0e-3f6c1d2e4a5b",
    "task_id": "019f2a00-1111-7a42-9b0e-3f6c1d2e4a5b",
    "task_title": "Morning briefing",
    "trigger": "schedule",
    "status": "succeeded",
    "success": True,
    "nominal_at": "2026-11-24T08:30:00Z",
    "scheduled_for": "2026-11-24T08:30:00Z",
    "available_at": "2026-11-24T08:30:00Z",
    "created_at": "2026-11-24T08:30:00.012Z",
    "started_at": "2026-11-24T08:30:00.041Z",
    "finished_at": "2026-11-24T08:30:01.2Z",
    "attempt": 1,
    "max_attempts": 4,
    "priority": 5,
    "lease_owner": None,
    "leased_until": None,
    "cancel_requested_at": None,
    "params": {"city": "Chișinău"},
    "error": None,
    "output": {"text": "12 degrees, light rain"},
    "parent_run_id": None,
    "event": None,
    "request_id": None,
}
_TRY: dict[str, Any] = {
    "attempt": 1,
    "status": "succeeded",
    "started_at": "2026-11-24T08:30:00.041Z",
    "finished_at": "2026-11-24T08:30:01.2Z",
    "error": None,
}
_STEP: dict[str, Any] = {
    **_TRY,
    "id": "weather",
    "uses": "http.request",
    "input": {"url": "https://weather.example/chisinau"},
    "output": {"status": 200},
    "attempts": [_TRY],
    "reused": False,
    "marked": None,
    "asks": False,
    "items": None,
    "waiting": None,
}
_DEFINITION: dict[str, Any] = {
    "id": "019f2a00-4444-7a42-9b0e-3f6c1d2e4a5b",
    "task_id": "019f2a00-1111-7a42-9b0e-3f6c1d2e4a5b",
    "created_at": "2026-11-20T10:00:00Z",
    "latest": True,
    "title": "Morning briefing",
    "payload": {"pipeline": [{"id": "weather", "uses": "http.request", "with": {"url": "https://weather.example"}}]},
    "max_retries": 3,
    "backoff_strategy": "exponential_jitter",
    "backoff_seconds": 5,
    "timeout_seconds": 3600,
    "pause_after_failures": None,
}


class RunListQuery(PageQuery):
    """What `GET /runs` may be narrowed by; times are those of `scheduled_for`."""

    task_id: Annotated[str, Field(max_length=100)] | None = None
    status: Annotated[list[RunStatus], Field(description="Repeat it, or join values by commas")] = Field(
        default_factory=list
    )
    success: bool | None = None
    trigger: Trigger | None = None
    start_time: QueryMoment | None = None
    end_time: QueryMoment | None = None
    include_errors: Annotated[bool, Field(description="False leaves `error` out of the items")] = True

    def as_filter(self) -> RunFilter:
        """The same for the store."""
        return RunFilter(
            task_id=self.task_id,
            status=tuple(dict.fromkeys(self.status)),
            success=self.success,
            trigger=self.trigger,
            start_time=self.start_time,
            end_time=self.end_time,
        )


class WaitQuery(Query):
    """How long `GET /runs/{run_id}/wait` may take."""

    timeout: Timeout = 30


class StatsQuery(Query):
    """The window of statistics."""

    days: Days = 7


class StreamQuery(Query):
    """Where a stream goes on; the `Last-Event-ID` header says the same and wins."""

    last_event_id: Annotated[str, Field(max_length=8000, pattern=r"^[0-9(),]+$")] | None = None


class ErrorOut(Shown):
    """Why a run or a step failed."""

    type: str
    message: Spoken
    step_id: str | None = None
    details: dict[str, Any] | None = None


class AttemptOut(Shown):
    """One try of a step."""

    attempt: int
    status: StepStatus
    started_at: str | None
    finished_at: str | None
    error: ErrorOut | None


class MarkOut(Shown):
    """Who took a step as done, and why."""

    by: str
    note: str


class WaitingOut(Shown):
    """What a step waits for (`sleep`, `event`, `child`, `approval`, `parts`, `answer`), and until when at most."""

    kind: str
    until: str | None


class ItemsOut(Shown):
    """How far a step with `foreach` has come."""

    total: int
    succeeded: int
    failed: int


class StepOut(Shown):
    """A step that has begun: its last attempt, and all of them."""

    id: str
    uses: str | None
    status: StepStatus
    attempt: int
    started_at: str | None
    finished_at: str | None
    input: Any
    output: Any
    error: ErrorOut | None
    attempts: list[AttemptOut]
    reused: bool = Field(False, description="Done by the run that this one repeats")
    marked: MarkOut | None = Field(None, description="By whom and why, where somebody said what it came to")
    asks: bool = Field(False, description="Somebody is to say what it came to: its worker was lost in the call")
    items: ItemsOut | None = None
    waiting: WaitingOut | None = None


class HeldOut(Shown):
    """Why a queued run has not started."""

    reason: Reason
    message: Spoken
    until: UtcTime | None = Field(None, description="When it goes on, where a moment is known")
    runs: list[str] = Field(description="Ids of runs that it waits for and that you may see, 20 at most")
    at_work: int = Field(description="How many runs it waits for")
    ahead: int = Field(description="Runs before it in the same line, counted up to 1,000")


class RunOut(Shown):
    """A run."""

    model_config = ConfigDict(frozen=True, json_schema_extra={"examples": [_RUN]})

    id: str
    task_id: str
    task_title: str
    trigger: Trigger
    status: RunStatus
    success: bool | None
    nominal_at: UtcTime | None
    scheduled_for: UtcTime
    available_at: UtcTime
    created_at: UtcTime
    started_at: UtcTime | None
    finished_at: UtcTime | None
    attempt: int
    max_attempts: int
    priority: int
    lease_owner: str | None
    leased_until: UtcTime | None
    cancel_requested_at: UtcTime | None
    params: dict[str, Any] | None
    error: ErrorOut | None
    output: Any
    parent_run_id: str | None = None
    event: dict[str, Any] | None = None
    request_id: str | None


class RunListedOut(RunOut):
    """A run in a list."""

    model_config = ConfigDict(frozen=True, json_schema_extra={"examples": [{**_RUN, "held_by": None}]})

    held_by: HeldOut | None = Field(description="Why it has not started, while it is queued")


class RunDetailOut(RunListedOut):
    """A run with the steps that have begun."""

    model_config = ConfigDict(
        frozen=True, json_schema_extra={"examples": [{**_RUN, "held_by": None, "steps": [_STEP]}]}
    )

    steps: list[StepOut]


class RunWaitedOut(RunOut):
    """A run after a wait; `timed_out` says that it had not ended when the time was up."""

    model_config = ConfigDict(frozen=True, json_schema_extra={"examples": [{**_RUN, "timed_out": False}]})

    timed_out: bool


class StepsOut(Shown):
    """The steps of a run."""

    steps: list[StepOut]


class DefinitionOut(Shown):
    """What a run does: the part of its task that it was queued with."""

    model_config = ConfigDict(frozen=True, json_schema_extra={"examples": [_DEFINITION]})

    id: str
    task_id: str
    created_at: UtcTime
    latest: bool = Field(description="Whether the task still has this definition")
    title: str
    payload: dict[str, Any]
    max_retries: int
    backoff_strategy: str
    backoff_seconds: float
    timeout_seconds: int
    pause_after_failures: int | None


class LogLineOut(Shown):
    """A line of a run's log; `number` is its record's, as in the stream."""

    number: int
    at: UtcTime
    level: str
    message: str
    step_id: str | None


class CancelDetails(Shown):
    """The run and how it stands: `canceled`, or `running` until its worker has stopped."""

    run_id: str
    status: Literal["canceled", "running"]


class CancelOut(Shown):
    """What a cancellation did."""

    success: bool
    message: Spoken
    details: CancelDetails


class StatsOut(Shown):
    """Runs counted over a window; durations in seconds, of runs that ended by themselves."""

    task_id: str | None = None
    days: int
    since: UtcTime
    total: int
    by_status: dict[str, int]
    success_rate: float | None
    duration_avg: float | None
    duration_p50: float | None
    duration_p95: float | None
    duration_max: float | None


def run_members(run: Run, *, include_errors: bool = True) -> dict[str, Any]:
    """The members of `RunOut`."""
    members = {name: getattr(run, name) for name in RunOut.model_fields if hasattr(run, name)}
    if not include_errors:
        members["error"] = None
    return members


def held_out(held: Held | None) -> HeldOut | None:
    """What holds a run back, as it is answered."""
    return None if held is None else HeldOut.model_validate(held, from_attributes=True)


def step_out(step: StepView) -> StepOut:
    """A step as it is answered."""
    return StepOut.model_validate(step, from_attributes=True)


def definition_out(definition: Definition, *, latest: bool) -> DefinitionOut:
    """A definition as it is answered."""
    return DefinitionOut(
        id=definition.id,
        task_id=definition.task_id,
        created_at=definition.created_at,
        latest=latest,
        **definition.document,
    )


def log_line_out(record: Record) -> LogLineOut:
    """A log record as it is answered."""
    body = record.body
    return LogLineOut(
        number=record.number,
        at=record.at,
        level=str(body.get("level", "info")),
        message=str(body.get("message", "")),
        step_id=body.get("step_id"),
    )


def told_data(told: Told) -> dict[str, Any]:
    """The data of a record in a stream: its body, its number in its journal, its moment, and of what part it is."""
    record = told.record
    data = {"number": record.number, "at": rfc3339(record.at), **record.body}
    # Ids of runs that nobody sees by themselves, and what a tool keeps for itself.
    data.pop("parts", None)
    data.pop("again", None)
    if told.part is not None:
        data["part"] = told.part
    error = data.get("error")
    if isinstance(error, dict) and isinstance(error.get("message"), str):
        data["error"] = {**error, "message": speak(error["message"])}
    return data


def stats_out(window: Window, task_id: str | None = None) -> StatsOut:
    """Statistics as they are answered."""
    stats = window.stats
    return StatsOut(
        task_id=task_id,
        days=window.days,
        since=window.since,
        total=stats.total,
        by_status=dict(stats.by_status),
        success_rate=stats.success_rate,
        duration_avg=stats.duration_avg,
        duration_p50=stats.duration_p50,
        duration_p95=stats.duration_p95,
        duration_max=stats.duration_max,
    )

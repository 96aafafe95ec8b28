"""Dead letters and background tasks of extensions on the wire."""

from __future__ import annotations

from pydantic import ConfigDict, Field

from app.domain.extension_work import DeadLetter
from app.schemas.events import EventOut, event_out
from app.schemas.fields import Spoken
from app.schemas.shown import Shown, UtcTime
from ordinaut import TaskInfo


class DeadLetterOut(Shown):
    """An event that a handler of an extension could not take."""

    id: str = Field(examples=["01a20faa-30b9-79cb-b32b-aeb68edfce5a"])
    extension_id: str
    pattern: str = Field(description="The subscription it is of", examples=["shop.*"])
    event: EventOut
    error: Spoken = Field(description="How the last attempt ended", examples=["ValueError: no such order"])
    attempts: int
    at: UtcTime = Field(description="When it was put aside")
    redelivering: bool = Field(description="Whether one more delivery was asked for and has not begun")


class RedeliveryDetails(Shown):
    """Which letter."""

    extension_id: str
    dead_letter_id: str


class RedeliveryOut(Shown):
    """The letter will be delivered once more."""

    model_config = ConfigDict(frozen=True)

    success: bool
    message: str
    details: RedeliveryDetails


class BackgroundTaskOut(Shown):
    """A background task as it stands in the cluster."""

    name: str = Field(examples=["sweep"])
    status: str = Field(description="`starting`, `running`, `restarting`, `finished`, `stopped` or `failed`")
    owner: str | None = Field(description="The worker that holds it")
    started_at: UtcTime | None = Field(description="When the present attempt began")
    restarts: int = Field(description="How often it began anew after a crash")
    error: Spoken | None = Field(description="The last crash in one line")


class BackgroundTasksOut(Shown):
    """Those of one extension."""

    items: list[BackgroundTaskOut]


class StopDetails(Shown):
    """Which task."""

    extension_id: str
    name: str


class StopOut(Shown):
    """The task will be stopped."""

    success: bool
    message: str
    details: StopDetails


def background_task_out(task: TaskInfo) -> BackgroundTaskOut:
    """The task as it is answered."""
    return BackgroundTaskOut(
        name=task.name,
        status=task.status,
        owner=task.owner,
        started_at=task.started_at,
        restarts=task.restarts,
        error=task.error,
    )


def stop_out(extension_id: str, name: str, message: str) -> StopOut:
    """That it has been asked for."""
    return StopOut(success=True, message=message, details=StopDetails(extension_id=extension_id, name=name))


def dead_letter_out(letter: DeadLetter) -> DeadLetterOut:
    """The letter as it is answered."""
    return DeadLetterOut(
        id=letter.id,
        extension_id=letter.extension_id,
        pattern=letter.pattern,
        event=event_out(letter.event),
        error=letter.error,
        attempts=letter.attempts,
        at=letter.at,
        redelivering=letter.redelivering,
    )


def redelivery_out(letter: DeadLetter, message: str) -> RedeliveryOut:
    """That somebody will try."""
    details = RedeliveryDetails(extension_id=letter.extension_id, dead_letter_id=letter.id)
    return RedeliveryOut(success=True, message=message, details=details)

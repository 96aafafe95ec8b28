"""Dead letters on the wire."""

from __future__ import annotations

from pydantic import ConfigDict, Field

from app.domain.extension_work import DeadLetter
from app.schemas.events import EventOut, event_out
from app.schemas.fields import Spoken
from app.schemas.shown import Shown, UtcTime


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

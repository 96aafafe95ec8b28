"""What a run waits for while no worker holds it, and how the waiting ends.

A tool that has to wait raises `Parked`. The worker settles the run as `waiting` and stores one row with what it waits
for, in the transaction of the run's journal. Whoever sees it come (beat, a publisher, the end of a child, a decision)
resolves the row: the result is written to the journal and the run is queued, all in one transaction.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from app.domain.clock import from_micros, rfc3339
from app.domain.conditions import is_true
from app.domain.evaluation import Meter
from app.domain.events import PLATFORM, TopicPattern
from app.domain.expressions import TemplateError, TemplateSyntaxError, compile_expression
from app.domain.runs import NewRun, RunError
from app.domain.texts import t
from ordinaut import Event, ToolCall

if TYPE_CHECKING:
    from app.domain.approvals import NewApproval

WaitKind = Literal["sleep", "event", "child", "approval", "parts", "answer"]

LONGEST_SECONDS = 31_536_000
"""A wait ends by itself after a year at the latest, where it has an end."""


MATCH_VISITS = 20_000
"""Nodes of an expression that one wait may visit at one publication…"""
MATCH_BYTES = 2 * 1024 * 1024
PUBLICATION_VISITS = 300_000
"""…all of them together before those that are left may visit but few…"""
FEW_VISITS = 2_000
LOOK_BACK_VISITS = 200_000
"""…and one that looks back, at all events together."""
LOOK_BACK_EVENTS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """How a wait ended: with the step's output, or with its failure."""

    output: Any = None
    error: RunError | None = None
    retryable: bool = False

    def as_body(self) -> dict[str, Any]:
        """The members of the journal record that says so."""
        if self.error is None:
            return {"output": self.output}
        return {"error": self.error.as_dict(), "retryable": self.retryable}

    @classmethod
    def of_body(cls, body: Mapping[str, Any]) -> Resolution:
        """The same, read back."""
        error = body.get("error")
        if error is None:
            return cls(output=body.get("output"))
        known = {name: error.get(name) for name in ("type", "message", "step_id", "details")}
        return cls(error=RunError(**known), retryable=bool(body.get("retryable")))


@dataclass(frozen=True, slots=True, kw_only=True)
class Until:
    """When a wait ends by itself, and with what: so many microseconds from now, or at a moment since 1970."""

    then: Resolution
    delay_us: int | None = None
    at_us: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sleep:
    """Nothing but time."""

    until: Until
    kind: WaitKind = "sleep"


@dataclass(frozen=True, slots=True, kw_only=True)
class EventWait:
    """An event on a topic of the pattern for which `match` holds.

    Attributes:
        asked_at: When the step began (`time.monotonic()`): what has been published since then counts…
        lookback_us: …and so many microseconds before.
        match: An expression over `{topic, payload}`, or members that the payload must have; None takes every event.
    """

    topic: str
    match: str | Mapping[str, Any] | None
    asked_at: float
    lookback_us: int = 0
    until: Until | None = None
    kind: WaitKind = "event"

    @property
    def head(self) -> str:
        """What its topics have in common: the only one there is, a first segment and a dot, or nothing."""
        pattern = TopicPattern.parse(self.topic)
        if pattern.literals is not None and len(pattern.literals) == 1:
            return pattern.literals[0]
        heads = {part[0] for part in pattern.included}
        head = heads.pop()
        return "" if heads or head in ("*", "**") else f"{head}."

    @property
    def hears_platform(self) -> bool:
        """Whether it may be for something that the platform tells of itself."""
        pattern = TopicPattern.parse(self.topic)
        return any(pattern.names(family) for family in PLATFORM)


def heads_of(topic: str) -> tuple[str, ...]:
    """Every `EventWait.head` that a wait for an event on this topic may have."""
    return "", topic, f"{topic.partition('.')[0]}."


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildWait:
    """The end of a run that is made together with the wait."""

    child: NewRun
    until: Until | None = None
    kind: WaitKind = "child"


@dataclass(frozen=True, slots=True, kw_only=True)
class PartsWait:
    """The end of all pieces of the run's own work, which are made together with the wait."""

    parts: tuple[NewRun, ...]
    until: Until | None = None
    kind: WaitKind = "parts"


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerWait:
    """Somebody's word on what a call came to whose worker was lost; see `app.domain.pipelines.unknown`."""

    until: Until | None = None
    kind: WaitKind = "answer"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalWait:
    """Somebody's decision about an approval that is made together with the wait."""

    approval: NewApproval
    until: Until | None = None
    kind: WaitKind = "approval"


Wait = Sleep | EventWait | ChildWait | PartsWait | ApprovalWait | AnswerWait


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """Something that goes on elsewhere while a run waits: a task of a server of the Model Context Protocol."""

    server: str
    task_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Parking:
    """A step that waits: which, and for what.

    Attributes:
        errand: What nobody wants any more if the run is ended before its wait is.
    """

    step_id: str
    uses: str | None
    attempt: int
    wait: Wait
    item: int | None = None
    errand: Errand | None = None


def told(wait: Wait) -> dict[str, Any]:
    """What the journal says of a wait: `{kind, until}`, with the moment at which it ends by itself, or null."""
    until = wait.until
    if until is None:
        return {"kind": wait.kind, "until": None}
    at_us = time.time_ns() // 1000 + (until.delay_us or 0) if until.at_us is None else until.at_us
    return {"kind": wait.kind, "until": rfc3339(from_micros(at_us))}


class Parked(Exception):
    """The tool's answer will come later.

    Args:
        again: JSON that the tool wants back: its wait is not its answer, it is called again when that has ended.
        errand: What goes on elsewhere meanwhile.
    """

    def __init__(self, wait: Wait, *, again: Mapping[str, Any] | None = None, errand: Errand | None = None) -> None:
        super().__init__(wait.kind)
        self.wait = wait
        self.again = again
        self.errand = errand


@dataclass(frozen=True, slots=True)
class GoingOn:
    """What a tool gets back that is called again after a wait: what it gave, and how the wait ended."""

    again: Mapping[str, Any]
    ended: Resolution


@dataclass(frozen=True, slots=True, kw_only=True)
class StepCall(ToolCall):
    """A call by a step of a pipeline.

    Attributes:
        has_secrets: Whether secrets are among its arguments: then nothing of it may be kept where others read it, so
            it cannot wait.
        going_on: Where its last wait was not the answer.
    """

    has_secrets: bool
    going_on: GoingOn | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenWait:
    """A stored wait that has not ended.

    Attributes:
        due_at: Microseconds since 1970; None while nothing but what it waits for ends it.
        then: What it ends with when it is due.
    """

    id: str
    run_id: str
    step_id: str
    kind: WaitKind
    due_at: int | None
    then: Resolution | None
    topic: str | None = None
    match: str | Mapping[str, Any] | None = None
    child_run_id: str | None = None


def match_meter(most_visits: int = MATCH_VISITS) -> Meter:
    """What may be spent on the expression of a wait: others stand in line behind it, whoever publishes first of all."""
    return Meter(most_visits=most_visits, most_bytes=MATCH_BYTES)


def is_awaited(wait: OpenWait, event: Event, meter: Meter) -> bool:
    """Whether this is the event that the wait is for; an expression that cannot be evaluated does not hold.

    Raises:
        MatchTooCostly: The expression took more than the meter allows.
    """
    if wait.topic is None:
        return False
    pattern, family = TopicPattern.parse(wait.topic), event.topic.partition(".")[0]
    if not pattern.matches(event.topic) or (family in PLATFORM and not pattern.names(family)):
        return False
    if isinstance(wait.match, str):
        return _holds(wait.match, event, meter)
    return all(_member(event.data, path) == value for path, value in (wait.match or {}).items())


def _holds(text: str, event: Event, meter: Meter) -> bool:
    try:
        return is_true(compile_expression(text).evaluate({"topic": event.topic, "payload": event.data}, meter))
    except TemplateSyntaxError:
        return False
    except TemplateError as error:
        if meter.exhausted:
            raise MatchTooCostly(str(error)) from None
        return False


class MatchTooCostly(Exception):
    """The expression of a wait takes too much; the message says what."""

    def as_resolution(self) -> Resolution:
        """The wait ends with that: nobody is to wait for an event that will not be noticed."""
        return Resolution(error=RunError(type="match_too_costly", message=str(self)))


def _member(value: Any, path: str) -> Any:
    for name in path.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(name)
    return value


def of_child(run_id: str, status: str, output: Any, error: Mapping[str, Any] | None) -> Resolution:
    """What the end of a child run means for the step that waits for it."""
    if status == "succeeded":
        return Resolution(output={"run_id": run_id, "status": status, "output": output})
    details = {"run_id": run_id, "status": status, "error": error}
    message = t("The run it waited for is {status}", status=status)
    return Resolution(error=RunError(type="child_failed", message=message, details=details))

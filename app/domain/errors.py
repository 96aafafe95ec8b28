"""Every way the platform says no: one root, leaves with a code; the docstring is the default message."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with an input: where (a JSON pointer, RFC 6901), what, and how to mend it.

    Attributes:
        kind: What sort of mistake it is, where readers are told that first and `message` as its detail.
    """

    pointer: str
    message: str
    hint: str = ""
    kind: str = ""

    @property
    def field(self) -> str:
        """The pointer in dotted form, as `details.field` prints it: `/payload/pipeline/0` -> `payload.pipeline.0`."""
        return self.pointer.lstrip("/").replace("/", ".").replace("~1", "/").replace("~0", "~")


class OrdinautError(Exception):
    """Something went wrong."""

    code: ClassVar[str] = "internal_error"

    def __init__(self, message: str | None = None, **details: Any) -> None:
        self.message = message or (type(self).__doc__ or "").strip().split("\n")[0]
        self.details: dict[str, Any] = details
        super().__init__(self.message)


class InvalidInput(OrdinautError):
    """Invalid request parameters"""

    code = "bad_request"

    def __init__(self, problems: Sequence[Problem], message: str | None = None) -> None:
        super().__init__(message)
        self.problems = tuple(problems)

    @classmethod
    def at(cls, pointer: str, message: str, hint: str = "") -> InvalidInput:
        """The common case: one problem at one place."""
        return cls([Problem(pointer, message, hint)])


class ScheduleInvalid(InvalidInput):
    """The schedule cannot be used"""


class PipelineInvalid(InvalidInput):
    """The pipeline cannot be used"""


class Unauthorized(OrdinautError):
    """Authentication required"""

    code = "unauthorized"


class Forbidden(OrdinautError):
    """Insufficient permissions"""

    code = "forbidden"


class NotFound(OrdinautError):
    """Not found"""

    code = "not_found"


class Conflict(OrdinautError):
    """The request conflicts with the current state"""

    code = "conflict"


class LoopDetected(OrdinautError):
    """Runs and events have led to one another too often: the chain ends here"""

    code = "conflict"


class Gone(OrdinautError):
    """No longer there"""

    code = "gone"


class StillInProgress(Conflict):
    """The same request is still being carried out; try again shortly"""


class PreconditionFailed(OrdinautError):
    """The resource was changed by someone else since it was read"""

    code = "precondition_failed"


class Unprocessable(OrdinautError):
    """The request is well formed but cannot be followed"""

    code = "unprocessable"


class RateLimited(OrdinautError):
    """Rate limit exceeded"""

    code = "rate_limit_exceeded"


class Unavailable(OrdinautError):
    """A service this request needs does not answer; try again shortly"""

    code = "unavailable"


class LeaseLost(OrdinautError):
    """The run is no longer this worker's: its lease has passed on"""

    code = "conflict"

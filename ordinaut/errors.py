"""What an extension's code may raise or meet."""

from __future__ import annotations

from collections.abc import Iterable

from ordinaut.capabilities import Capability

CODES = (
    "bad_request",
    "unauthorized",
    "forbidden",
    "not_found",
    "method_not_allowed",
    "conflict",
    "gone",
    "precondition_failed",
    "payload_too_large",
    "unsupported_media_type",
    "unprocessable",
    "rate_limit_exceeded",
    "unavailable",
)
"""The error codes of the API that an extension may refuse with."""


class CapabilityDenied(Exception):
    """A capability was used that was not granted; over HTTP it becomes the 403 body of the API.

    Args:
        required: The capability it takes.
        granted: Those the extension has.
    """

    def __init__(self, required: Capability, granted: Iterable[Capability]) -> None:
        self.required = required
        self.granted = tuple(sorted(granted, key=lambda one: one.value))
        names = ", ".join(one.value for one in self.granted) or "none"
        super().__init__(f"This takes the capability {required.value}; granted: {names}")


class RequestRefused(Exception):
    """A route's no, in the one shape of every error of the API.

    Args:
        code: An error code of the API: `bad_request`, `unauthorized`, `forbidden`, `not_found`, `method_not_allowed`,
            `conflict`, `gone`, `precondition_failed`, `payload_too_large`, `unsupported_media_type`, `unprocessable`,
            `rate_limit_exceeded` or `unavailable`.
        message: One sentence; empty for the code's own.
        details: JSON-serialisable facts; `field` and `issue` name what is wrong with an input.

    Raises:
        ValueError: There is no such code.
    """

    def __init__(self, code: str, message: str = "", **details: object) -> None:
        if code not in CODES:
            raise ValueError(f"There is no error code {code!r}; there are {', '.join(CODES)}")
        self.code = code
        self.message = message
        self.details = details
        super().__init__(message or code)

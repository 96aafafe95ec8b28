"""What an extension's code may raise or meet."""

from __future__ import annotations

from collections.abc import Iterable

from ordinaut.capabilities import Capability


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
        code: An error code of the API, e.g. `bad_request`, `not_found`, `conflict`.
        message: One sentence; empty for the code's own.
        details: JSON-serialisable facts; `field` and `issue` name what is wrong with an input.
    """

    def __init__(self, code: str, message: str = "", **details: object) -> None:
        self.code = code
        self.message = message
        self.details = details
        super().__init__(message or code)

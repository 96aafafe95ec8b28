"""Calling a tool for an extension: the use case of the API, with its refusals in the words authors know."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from app.domain.errors import InvalidInput, OrdinautError, Unprocessable
from app.services.tools import Invocation
from ordinaut import Caller, RequestRefused, ToolFailed
from ordinaut.errors import CODES


class ToolCalls(Protocol):
    """What is needed of `app.services.tools.ToolService`."""

    def invoke(self, name: str, arguments: Mapping[str, Any], *, caller: Any) -> Invocation: ...


class Invoker:
    """See `app.extension_host.doors.Invoke`."""

    def __init__(self, tools: ToolCalls) -> None:
        self._tools = tools

    def __call__(self, name: str, arguments: Mapping[str, Any], caller: Caller) -> Any:
        """The tool's output.

        Raises:
            RequestRefused: The tool is unknown, the arguments do not fit, or the caller may not call it.
            ToolFailed: The tool could not do it.
        """
        try:
            return self._tools.invoke(name, arguments, caller=caller).output
        except Unprocessable as error:
            raise _failed(error) from error
        except OrdinautError as error:
            if error.code not in CODES:
                raise
            raise RequestRefused(error.code, error.message, **_details(error)) from error


def _failed(error: Unprocessable) -> ToolFailed:
    details = error.details
    return ToolFailed(
        error.message,
        type=str(details.get("type", "tool_failed")),
        retryable=bool(details.get("retryable", True)),
        details=details.get("details") or {},
    )


def _details(error: OrdinautError) -> dict[str, Any]:
    if not isinstance(error, InvalidInput) or not error.problems:
        return dict(error.details)
    errors = [
        {"field": one.field, "pointer": one.pointer, "issue": one.message, "hint": one.hint} for one in error.problems
    ]
    return {**error.details, "field": errors[0]["field"], "issue": errors[0]["issue"], "errors": errors}

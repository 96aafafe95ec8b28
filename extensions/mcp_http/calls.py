"""Calling a tool, and telling a refusal under the code that its kind has in the API."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from ordinaut import ExtensionContext, RequestRefused, ToolFailed

CODES: Mapping[str, str] = MappingProxyType(
    {
        "invalid_arguments": "bad_request",
        "confirmation_required": "bad_request",
        "not_found": "not_found",
        "conflict": "conflict",
        "precondition_failed": "precondition_failed",
        "forbidden": "forbidden",
        "unauthorized": "unauthorized",
        "unavailable": "unavailable",
    }
)
"""Kinds of failure that have a code of their own; every other is `unprocessable`."""
ARGUMENTS = "arguments"


def invoked(context: ExtensionContext, tool: str, parameters: Any) -> dict[str, Any]:
    """What a call of `tool` is answered with.

    Raises:
        RequestRefused: The parameters are no object, the tool is unknown or not the caller's, or it failed.
    """
    if parameters is None:
        parameters = {}
    if not isinstance(parameters, dict):
        raise RequestRefused("bad_request", field="parameters", issue="'parameters' must be an object")
    try:
        result = context.tool_registry.invoke(tool, parameters)
    except ToolFailed as failed:
        raise _refused(failed) from failed
    except RequestRefused as refused:
        raise RequestRefused(refused.code, refused.message, **_at_parameters(refused.details)) from refused
    return {"success": True, "result": _said(context, result)}


def _said(context: ExtensionContext, result: Any) -> Any:
    """The result with its message, where it has one, in the reader's language."""
    if isinstance(result, dict) and isinstance(result.get("message"), str):
        return {**result, "message": context.translate(result["message"])}
    return result


def _refused(failed: ToolFailed) -> RequestRefused:
    details: dict[str, Any] = {"type": failed.type, "retryable": failed.retryable, **failed.details}
    errors = failed.details.get("errors")
    if isinstance(errors, list) and errors:
        located = [{**one, "field": f"parameters.{one.get('field', '')}"} for one in errors]
        details.update(field=located[0]["field"], issue=located[0].get("issue", ""), errors=located)
    return RequestRefused(CODES.get(failed.type, "unprocessable"), failed.message, **details)


def _at_parameters(details: Mapping[str, Any]) -> dict[str, Any]:
    """The tool's arguments are called `parameters` here."""
    told = dict(details)
    if isinstance(told.get("field"), str):
        told["field"] = _renamed(told["field"])
    if isinstance(told.get("errors"), list):
        told["errors"] = [{**one, "field": _renamed(str(one.get("field", "")))} for one in told["errors"]]
    return told


def _renamed(field: str) -> str:
    head, dot, rest = field.partition(".")
    return f"parameters{dot}{rest}" if head == ARGUMENTS else field

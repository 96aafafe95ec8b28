"""Tasks for scripts: `{id, title, status, next_run}`, the status in the reader's language."""

from __future__ import annotations

from typing import Any

from flask import request

from ordinaut import ExtensionContext, RequestRefused, ToolFailed

MOST = 200
_FIELDS = {"schedule": "schedule_expr"}
"""What the tool calls otherwise than this address does."""


def listed(context: ExtensionContext) -> dict[str, Any]:
    """`{tasks: [...]}`, the newest 200; `?status=` and `?query=` narrow it."""
    wanted: dict[str, Any] = {name: request.args[name] for name in ("status", "query") if request.args.get(name)}
    found = context.tool_registry.invoke("list_tasks", {**wanted, "limit": MOST})
    return {"tasks": [_short(context, task) for task in found["tasks"]]}


def create(context: ExtensionContext) -> dict[str, Any]:
    """Create the task of the body: `{title, schedule_kind, schedule_expr, payload, …}`.

    Raises:
        RequestRefused: `bad_request`, with the field to mend.
    """
    arguments = _arguments()
    try:
        made = context.tool_registry.invoke("create_task", arguments)
    except ToolFailed as failed:
        if failed.type != "invalid_arguments":
            raise
        raise _refused(failed.details.get("errors") or []) from failed
    except RequestRefused as refused:
        errors = refused.details.get("errors")
        if refused.code != "bad_request" or not isinstance(errors, list):
            raise
        raise _refused(errors) from refused
    task = context.tool_registry.invoke("get_task", {"task_id": made["task_id"]})["task"]
    return {"success": True, "message": context.translate(made["message"]), "task": _short(context, task)}


def _arguments() -> dict[str, Any]:
    """The body as `create_task` takes it."""
    try:
        body = request.get_json()
    except RecursionError:
        raise RequestRefused("bad_request", field="body", issue="The body is nested too deeply") from None
    if not isinstance(body, dict):
        raise RequestRefused("bad_request", field="body", issue="The body must be a JSON object")
    if "schedule" in body:
        raise RequestRefused("bad_request", field="schedule", issue="This field is not known here")
    if "schedule_kind" not in body:
        raise RequestRefused("bad_request", field="schedule_kind", issue="This field is required")
    expr = body.pop("schedule_expr", None)
    return {**body, "schedule": "" if expr is None else expr}


def _refused(errors: list[Any]) -> RequestRefused:
    located = [{**one, "field": _named(str(one.get("field", "")))} for one in errors]
    first = located[0] if located else {"field": "body", "issue": ""}
    return RequestRefused("bad_request", field=first["field"], issue=first.get("issue", ""), errors=located)


def _named(field: str) -> str:
    head, dot, rest = field.removeprefix("arguments.").partition(".")
    return f"{_FIELDS.get(head, head)}{dot}{rest}"


def _short(context: ExtensionContext, task: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": task["task_id"],
        "title": task["title"],
        "status": context.translate(task["status"]),
        "next_run": task["next_run"],
    }

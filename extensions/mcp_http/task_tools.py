"""Tasks that people let assistants call: each is a tool `task.<name>` whose call starts a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

from ordinaut import ApiAnswer, ExtensionContext, RequestRefused, ToolInfo

PREFIX = "task."
MOST = 200
RUN, SEE = "tasks:run", "tasks:read"
"""What a caller needs to find one and to call it."""
TYPES: Mapping[type, str] = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array"}


def listed(context: ExtensionContext) -> Sequence[ToolInfo]:
    """Those of the caller's tasks that are published, and of all tasks for who sees all."""
    caller = context.routes.caller()
    if not (caller.may(RUN) and caller.may(SEE)):
        return ()
    answer = context.api.get("/tasks", exposed=True, status="active,paused,completed", limit=MOST)
    tasks = answer.data["items"] if answer.ok else []
    # Two agents may have one name each: whoever sees both gets the newest, whose page comes first.
    named = {task["expose_as_tool"]: task for task in reversed(tasks)}
    return [_tool(task) for _, task in sorted(named.items())]


def found(context: ExtensionContext, name: str) -> ToolInfo | None:
    """The one of that name."""
    task = _task(context, name)
    return None if task is None else _tool(task)


def begun(context: ExtensionContext, tool: ToolInfo, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Start a run with these params.

    Raises:
        RequestRefused: They do not fit, or the task is the caller's no more.
    """
    task = _task(context, tool.name)
    if task is None:
        raise RequestRefused("not_found", tool=tool.name)
    body = {"params": dict(arguments), "idempotency_key": f"mcp-{uuid4()}"}
    answer = context.api.post(f"/tasks/{task['id']}/run_now", body)
    if not answer.ok:
        raise RequestRefused(answer.data["error"], answer.data["message"], **answer.data["details"])
    return {"run_id": answer.data["run_id"]}


def is_task(tool: ToolInfo) -> bool:
    """Whether the tool is one of these."""
    return tool.name.startswith(PREFIX)


def _task(context: ExtensionContext, name: str) -> Mapping[str, Any] | None:
    caller = context.routes.caller()
    if not name.startswith(PREFIX) or not (caller.may(RUN) and caller.may(SEE)):
        return None
    answer: ApiAnswer = context.api.get("/tasks", expose_as_tool=name.removeprefix(PREFIX), limit=1)
    items: list[Mapping[str, Any]] = answer.data["items"] if answer.ok else []
    return items[0] if items and items[0]["status"] != "canceled" else None


def _tool(task: Mapping[str, Any]) -> ToolInfo:
    says = task["description"] or task["title"]
    return ToolInfo(
        name=PREFIX + task["expose_as_tool"],
        description=f"{says} (Starts a run of this task; it does real work.)",
        parameters=task["params_schema"] or _guessed(task["payload"].get("params") or {}),
        scope=RUN,
        destructive=True,
        open_world=True,
        starts_run=True,
    )


def _guessed(params: Mapping[str, Any]) -> dict[str, Any]:
    """A schema from the task's own params: each has its value where a call says nothing."""
    properties = {
        name: {**({"type": TYPES[type(value)]} if type(value) in TYPES else {}), "default": value}
        for name, value in params.items()
    }
    return {"type": "object", "properties": properties, "additionalProperties": False}

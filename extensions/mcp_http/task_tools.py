"""Tasks that people let assistants call: each is a tool `task_<name>` whose call starts a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

from ordinaut import ApiAnswer, ExtensionContext, RequestRefused, ToolInfo

PREFIX = "task_"
"""Without a dot, which not every client takes in a name."""
MOST = 200
RUN = "tasks:run"
NEEDS = (RUN, "tasks:read", "runs:read")
"""What a caller needs to find one, to call it, and to hear what came of it."""
STATES = "active,paused,completed"
TYPES: Mapping[type, str] = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array"}


def listed(context: ExtensionContext) -> Sequence[ToolInfo]:
    """Those of the caller's own tasks that are published, by name: nobody else puts words into their list."""
    if lacking(context):
        return ()
    found = _tasks(context, exposed=True, limit=MOST)
    return [_tool(task) for task in sorted(found, key=lambda task: str(task["expose_as_tool"]))]


def lacking(context: ExtensionContext) -> list[str]:
    """The scopes that the caller would need beside their own."""
    caller = context.routes.caller()
    return [scope for scope in NEEDS if not caller.may(scope)]


def found(context: ExtensionContext, name: str) -> ToolInfo | None:
    """The one of that name; without its form for a caller who may not see whether there is one."""
    if lacking(context):
        return nameless(name)
    task = _task(context, name)
    return None if task is None else _tool(task)


def nameless(name: str) -> ToolInfo:
    """What is known of such a tool by its name alone: a run that it has started goes on without it."""
    return ToolInfo(name=name, description="", parameters={"type": "object"}, scope=RUN, starts_run=True)


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
    found = _tasks(context, expose_as_tool=name.removeprefix(PREFIX), limit=1)
    return found[0] if found else None


def _tasks(context: ExtensionContext, **narrowed: Any) -> list[Mapping[str, Any]]:
    mine = context.routes.caller().agent_id
    answer: ApiAnswer = context.api.get("/tasks", created_by=mine, status=STATES, **narrowed)
    items: list[Mapping[str, Any]] = answer.data["items"] if answer.ok else []
    return items


def _tool(task: Mapping[str, Any]) -> ToolInfo:
    says = task["description"] or task["title"]
    return ToolInfo(
        name=PREFIX + task["expose_as_tool"],
        description=f"{says} (Starts a run of this task; it does real work.)",
        # Clients want the type said, and JSON Schema does not.
        parameters={"type": "object", **task["params_schema"]}
        if task["params_schema"]
        else _guessed(task["payload"].get("params") or {}),
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

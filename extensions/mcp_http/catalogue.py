"""Which tools assistants may know of: the use cases, whose names have no dot, what extensions expose, and tasks."""

from __future__ import annotations

from collections.abc import Sequence

from ordinaut import ExtensionContext, RequestRefused, ToolInfo

from . import task_tools


def offered(context: ExtensionContext) -> Sequence[ToolInfo]:
    """All of them, whoever asks, and the caller's tasks."""
    return [*(tool for tool in context.tool_registry.list_tools() if _is_offered(tool)), *task_tools.listed(context)]


def offered_tool(context: ExtensionContext, name: str) -> ToolInfo | None:
    """The one of that name."""
    if name.startswith(task_tools.PREFIX):
        return task_tools.found(context, name)
    try:
        tool = context.tool_registry.get_tool(name)
    except RequestRefused as refused:
        if refused.code != "not_found":
            raise
        return next((one for one in offered(context) if one.mcp_name == name), None)
    return tool if _is_offered(tool) else None


def lacking(context: ExtensionContext, tool: ToolInfo) -> list[str]:
    """The scopes that the caller would need to call it."""
    if task_tools.is_task(tool):
        return task_tools.lacking(context)
    return [] if context.routes.caller().may(tool.scope) else [tool.scope]


def known_as(tool: ToolInfo) -> str:
    """The name it has in the list."""
    return tool.mcp_name or tool.name


def _is_offered(tool: ToolInfo) -> bool:
    return tool.expose_to_mcp or "." not in tool.name

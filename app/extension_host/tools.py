"""An author's function as a tool of the platform."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from app.domain.texts import t
from app.extension_host.cause import within
from ordinaut import Caller, Tool, ToolCall, ToolInfo
from ordinaut.contexts import ToolOptions


def tool_of(name: str, func: Callable[..., Any], schema: Mapping[str, Any], options: ToolOptions) -> Tool:
    """The tool that calls `func` with its arguments by keyword, and with the call where it has a parameter `call`.

    Raises:
        ValueError: `func` cannot be called.
    """
    if not callable(func):
        raise ValueError(
            t("{name} needs something that can be called, not {kind}", name=name, kind=type(func).__name__)
        )
    described: dict[str, Any] = {"description": _first_line(func) or name, **options}
    return Tool(name=name, schema=dict(schema), run=_run_of(func, wants_call=_wants_call(func)), **described)


def info_of(tool: Tool) -> ToolInfo:
    """The tool as authors see it in the catalogue."""
    return ToolInfo(
        name=tool.name,
        description=tool.description,
        parameters=tool.schema,
        output_schema=tool.output_schema,
        scope=tool.scope,
        idempotent=tool.idempotent,
        read_only=tool.read_only,
        destructive=tool.destructive,
        open_world=tool.open_world,
    )


def _run_of(func: Callable[..., Any], *, wants_call: bool) -> Callable[[ToolCall], Any]:
    def run(call: ToolCall) -> Any:
        arguments = {**call.arguments, "call": call} if wants_call else dict(call.arguments)
        with within(_caller(call)):
            answer = func(**arguments)
            return asyncio.run(_awaited(answer)) if inspect.isawaitable(answer) else answer

    return run


async def _awaited(answer: Any) -> Any:
    return await answer


def _caller(call: ToolCall) -> Caller:
    caller: object = call.caller
    return caller if isinstance(caller, Caller) else Caller(str(caller), frozenset())


def _wants_call(func: Callable[..., Any]) -> bool:
    try:
        return "call" in inspect.signature(func).parameters
    except (TypeError, ValueError):
        return False  # some built-in functions have no signature to look at


def _first_line(func: Callable[..., Any]) -> str:
    return (inspect.getdoc(func) or "").strip().partition("\n")[0]

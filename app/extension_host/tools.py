"""An author's function as a tool of the platform."""

from __future__ import annotations

import asyncio
import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from app.domain.texts import t
from app.extension_host.assistants import NAME as MCP_NAME
from app.extension_host.cause import dialog_here, within
from app.telemetry import emit
from ordinaut import Caller, CapabilityDenied, Dialog, InputNeeded, RequestRefused, Tool, ToolCall, ToolFailed, ToolInfo
from ordinaut.contexts import ToolOptions

NAME = re.compile(r"[a-z][a-z0-9_]*")
OPTIONS = tuple(ToolOptions.__annotations__)


def tool_of(
    extension_id: str, name: str, func: Callable[..., Any], schema: Mapping[str, Any], options: ToolOptions
) -> Tool:
    """The tool that calls `func` with its arguments by keyword, and with the call where it has a parameter `call`.

    Raises:
        ValueError: `name` cannot be one, or `func` cannot be called with what the schema requires.
        TypeError: There is no such option.
    """
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise ValueError(
            t("{name} cannot be a tool's name: lower-case letters, digits and _, a letter first", name=f"{name!r}")
        )
    full = f"ext.{extension_id}.{name}"
    if not callable(func):
        raise ValueError(
            t("{name} needs something that can be called, not {kind}", name=full, kind=type(func).__name__)
        )
    if unknown := sorted(set(options) - set(OPTIONS)):
        known = ", ".join(OPTIONS)
        raise TypeError(
            t("{name} has no option {option}; ToolOptions has {known}", name=full, option=unknown[0], known=known)
        )
    _refuse_odd_name(full, options)
    _refuse_deaf(full, func, schema)
    described: dict[str, Any] = {"description": _first_line(func) or full, **options}
    described["examples"] = tuple(described.get("examples", ()))
    return Tool(name=full, schema=dict(schema), run=_run_of(full, func, wants_call=_wants_call(func)), **described)


def _refuse_odd_name(name: str, options: ToolOptions) -> None:
    """ValueError where assistants could not find the tool under its `mcp_name`."""
    found = options.get("mcp_name", "")
    if found and not (MCP_NAME.fullmatch(found) and options.get("expose_to_mcp")):
        raise ValueError(t("mcp_name of {name}: lower-case letters, digits and _, with expose_to_mcp", name=name))


def _refuse_deaf(name: str, func: Callable[..., Any], schema: Mapping[str, Any]) -> None:
    """ValueError where `func` has no parameter for an argument that every call brings."""
    parameters = _parameters(func)
    required = schema.get("required", ())
    if parameters is None or any(one.kind is one.VAR_KEYWORD for one in parameters.values()):
        return
    takes = {one.name for one in parameters.values() if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)}
    for argument in required if isinstance(required, list | tuple) else ():
        if argument not in takes:
            raise ValueError(
                t(
                    "The function of {name} has no parameter {argument}, which its schema requires",
                    name=name,
                    argument=argument,
                )
            )


def extension_of(name: str) -> str | None:
    """The id of the extension that a tool's name belongs to; None for the platform's own."""
    root, _, rest = name.partition(".")
    return rest.partition(".")[0] or None if root == "ext" else None


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
        expose_to_mcp=tool.expose_to_mcp,
        mcp_name=tool.mcp_name,
        returns_content=tool.returns_content,
        starts_run=tool.starts_run,
        tasks_only=tool.tasks_only,
    )


def _run_of(name: str, func: Callable[..., Any], *, wants_call: bool) -> Callable[[ToolCall], Any]:
    def run(call: ToolCall) -> Any:
        dialog = dialog_here()
        call = call if dialog is None else _heard(call, dialog)
        arguments = {**call.arguments, "call": call} if wants_call else dict(call.arguments)
        with within(_caller(call)), _asking(name, dialog), _told(name):
            answer = func(**arguments)
            return asyncio.run(_awaited(answer)) if inspect.isawaitable(answer) else answer

    return run


def _heard(call: ToolCall, dialog: Dialog) -> ToolCall:
    """The call with its dialog, which hears what is logged."""
    hear = dialog.on_log
    if hear is None:
        return replace(call, dialog=dialog)
    kept = call.log

    def log(level: str, message: str) -> None:
        kept(level, message)
        hear(level, message)

    return replace(call, dialog=dialog, log=log)


@contextmanager
def _asking(name: str, dialog: Dialog | None) -> Iterator[None]:
    """A question is for whoever can answer it: nobody can where nobody listens, as in a pipeline."""
    try:
        yield
    except InputNeeded as needed:
        if dialog is not None:
            raise
        message = t("{name} has a question, and nobody is here to answer it", name=name)
        details = {"questions": sorted(needed.questions)}
        raise ToolFailed(message, type="input_required", retryable=False, details=details) from needed


@contextmanager
def _told(name: str) -> Iterator[None]:
    """Log and count what a tool raises that is no answer."""
    try:
        yield
    except (ToolFailed, InputNeeded, RequestRefused, CapabilityDenied):
        raise
    except (Exception, SystemExit, asyncio.CancelledError) as error:
        emit("extension.tool_crashed", extension=extension_of(name), tool=name, error=error)
        raise


async def _awaited(answer: Any) -> Any:
    return await answer


def _caller(call: ToolCall) -> Caller:
    caller: object = call.caller
    return caller if isinstance(caller, Caller) else Caller(str(caller), frozenset())


def _wants_call(func: Callable[..., Any]) -> bool:
    return "call" in (_parameters(func) or ())


def _parameters(func: Callable[..., Any]) -> Mapping[str, inspect.Parameter] | None:
    try:
        return inspect.signature(func).parameters
    except (TypeError, ValueError):
        return None  # some built-in functions have no signature to look at


def _first_line(func: Callable[..., Any]) -> str:
    return (inspect.getdoc(func) or "").strip().partition("\n")[0]

"""Tools on the wire."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from app.schemas.fields import STRICT, Body
from app.services.tools import MAX_SECONDS, Invocation
from ordinaut import Tool


class ToolOut(BaseModel):
    """A tool that pipelines and clients can call."""

    name: str = Field(examples=["http.request"])
    description: str
    input_schema: dict[str, Any] = Field(description="JSON Schema 2020-12 of the arguments")
    output_schema: dict[str, Any] | None = Field(description="JSON Schema of the output, where it is known")
    pure: bool = Field(description="Touches nothing outside of the run")
    idempotent: bool = Field(description="A repeated call has no further effect")
    scope: str = Field(description="What a caller must hold to call it")
    read_only: bool = Field(description="Changes nothing anywhere")
    destructive: bool = Field(description="May end something that cannot be had back")
    open_world: bool = Field(description="Reaches beyond this installation")
    examples: list[dict[str, Any]] = Field(description="Arguments that fit the schema")


class ToolPageOut(BaseModel):
    """A page of tools, by name."""

    items: list[ToolOut]
    total: int
    limit: int
    offset: int
    has_more: bool


class InvokeIn(Body):
    """A call."""

    model_config = ConfigDict(
        **STRICT,
        json_schema_extra={"examples": [{"arguments": {"value": {"answer": 42}}, "timeout_seconds": 5}]},
    )

    arguments: dict[str, Any] = Field(default_factory=dict)
    timeout_seconds: Annotated[float, Field(gt=0, le=MAX_SECONDS)] = MAX_SECONDS


class LogLine(BaseModel):
    """A line that a tool wrote."""

    level: str
    message: str


class InvocationOut(BaseModel):
    """What a call gave."""

    tool: str
    output: Any
    elapsed_ms: int
    logs: list[LogLine]


def tool_out(tool: Tool) -> dict[str, Any]:
    """The tool as `ToolOut` describes it."""
    return {
        "name": tool.name,
        "description": tool.description,
        "input_schema": tool.schema,
        "output_schema": tool.output_schema,
        "pure": tool.pure,
        "idempotent": tool.idempotent,
        "scope": tool.scope,
        "read_only": tool.read_only,
        "destructive": tool.destructive,
        "open_world": tool.open_world,
        "examples": tool.examples,
    }


def tool_page_out(tools: Sequence[Tool], *, limit: int, offset: int) -> dict[str, Any]:
    """A page of the tools as `ToolPageOut` describes it."""
    shown = tools[offset : offset + limit]
    return {
        "items": [tool_out(tool) for tool in shown],
        "total": len(tools),
        "limit": limit,
        "offset": offset,
        "has_more": offset + len(shown) < len(tools),
    }


def invocation_out(invocation: Invocation) -> dict[str, Any]:
    """The invocation as `InvocationOut` describes it."""
    return {
        "tool": invocation.tool,
        "output": invocation.output,
        "elapsed_ms": invocation.elapsed_ms,
        "logs": [{"level": level, "message": message} for level, message in invocation.logs],
    }

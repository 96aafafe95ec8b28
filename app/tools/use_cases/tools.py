"""`list_tools`, `get_tool`: what steps can call."""

from __future__ import annotations

from typing import Any

from app.domain.texts import t
from app.tools.use_cases.answers import CURSOR, NEXT_CURSOR, answer, capped, fitting, next_cursor, shape, start_of
from app.tools.use_cases.ports import UseCases
from app.tools.use_cases.refusals import advised
from ordinaut import Tool, ToolCall

PAGE = 50


def tool_tools(uses: UseCases) -> list[Tool]:
    """The tools that tell of tools."""
    return [advised(_list(uses)), advised(_get(uses))]


def _list(uses: UseCases) -> Tool:
    properties: dict[str, Any] = {
        "query": {"type": "string", "maxLength": 200, "description": "Part of the name or of the description."},
        "server": {"type": "string", "maxLength": 100, "description": "Only names that begin with this and a dot."},
        "cursor": CURSOR,
    }

    def run(call: ToolCall) -> dict[str, Any]:
        start = start_of(call.arguments)
        found = [tool for tool in uses.tools.all() if _matches(tool, call.arguments)]
        shown = fitting(found[start : start + PAGE], _line)
        return {"tools": shown, "total": len(found), "next_cursor": next_cursor(start, len(shown), len(found))}

    return Tool(
        name="list_tools",
        description=t("Lists the tools that pipeline steps can name in `uses`, one line each."),
        schema=shape(properties),
        output_schema=answer(
            {
                "tools": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["name", "description"],
                        "properties": {"name": {"type": "string"}, "description": {"type": "string"}},
                    },
                    "description": "By name.",
                },
                "total": {"type": "integer", "description": "How many there are in all."},
                "next_cursor": NEXT_CURSOR,
            }
        ),
        run=run,
        idempotent=True,
        read_only=True,
        scope="tools:read",
        examples=({"query": "http"},),
    )


def _get(uses: UseCases) -> Tool:
    def run(call: ToolCall) -> dict[str, Any]:
        tool = uses.tools.get(call.arguments["name"])
        example = tool.examples[0] if tool.examples else {}
        return {
            "name": tool.name,
            "description": tool.description,
            "schema": capped(tool.schema, t("GET /tools/{name} has it whole"), room=40_000),
            "output_schema": capped(tool.output_schema, t("GET /tools/{name} has it whole"), room=20_000),
            "scope": tool.scope,
            "read_only": tool.read_only,
            "example_step": {"id": "example", "uses": tool.name, "with": dict(example)},
        }

    return Tool(
        name="get_tool",
        description=t("Gets the JSON Schema of a tool's arguments and an example step."),
        schema=shape({"name": {"type": "string", "maxLength": 128, "description": "From list_tools."}}, ["name"]),
        output_schema=answer(
            {
                "name": {"type": "string", "description": "As given."},
                "description": {"type": "string", "description": "What it does."},
                "schema": {"type": "object", "description": "JSON Schema of `with`."},
                "output_schema": {"type": ["object", "null"], "description": "JSON Schema of what it gives."},
                "scope": {"type": "string", "description": "What a caller must hold."},
                "read_only": {"type": "boolean", "description": "Whether it changes nothing."},
                "example_step": {"type": "object", "description": "For a pipeline."},
            }
        ),
        run=run,
        idempotent=True,
        read_only=True,
        scope="tools:read",
        examples=({"name": "http.request"},),
    )


def _matches(tool: Tool, arguments: Any) -> bool:
    query, server = arguments.get("query", "").casefold(), arguments.get("server", "")
    if server and not tool.name.startswith(f"{server}."):
        return False
    return query in tool.name.casefold() or query in tool.description.casefold()


def _line(tool: Tool) -> dict[str, str]:
    return {"name": tool.name, "description": tool.description[:300]}

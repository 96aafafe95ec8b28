"""What servers say, as values of ours: descriptions of tools, and answers of calls."""

from __future__ import annotations

import json
from typing import Any

import mcp_types as types

from app.domain.mcp import RemoteTool
from app.domain.texts import t
from ordinaut.tools import ToolFailed

LONGEST_DESCRIPTION = 1000


def remote_tool(tool: types.Tool) -> RemoteTool:
    """The tool; hints that are left out are those of the protocol."""
    hints = tool.annotations or types.ToolAnnotations()
    read_only = bool(hints.read_only_hint)
    return RemoteTool(
        name=tool.name,
        description=(tool.description or tool.title or tool.name).strip()[:LONGEST_DESCRIPTION],
        schema={"type": "object", **tool.input_schema},
        output_schema=tool.output_schema,
        read_only=read_only,
        destructive=not read_only and hints.destructive_hint is not False,
        idempotent=read_only or bool(hints.idempotent_hint),
        open_world=hints.open_world_hint is not False,
    )


def answer_of(result: types.CallToolResult, server: str) -> Any:
    """The structured answer; else the JSON or the text of a single block of text; else `{content: [...]}`.

    Raises:
        ToolFailed: `tool_error`: the tool says that it failed.
    """
    if result.is_error:
        text = "\n".join(block.text for block in result.content if isinstance(block, types.TextContent))
        message = text[:2000] or t("{server} reports an error", server=server)
        raise ToolFailed(message, type="tool_error", details=_details(result.structured_content))
    if result.structured_content is not None:
        return result.structured_content
    if len(result.content) == 1 and isinstance(result.content[0], types.TextContent):
        return _parsed(result.content[0].text)
    return {"content": [_block(block) for block in result.content]}


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return {"text": text}


def _block(block: Any) -> dict[str, Any]:
    told: dict[str, Any] = block.model_dump(by_alias=True, mode="json", exclude_none=True)
    return told


def _details(structured: Any) -> dict[str, Any]:
    return structured if isinstance(structured, dict) else {}

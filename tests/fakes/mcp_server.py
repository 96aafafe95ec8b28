"""A server of the Model Context Protocol that does what tests want to see: over its pipes, or over HTTP."""

from __future__ import annotations

import asyncio
import base64
import os
import sys
from typing import Any

from mcp.server.mcpserver import Context, MCPServer
from mcp_types import ImageContent, TextContent, ToolAnnotations

server = MCPServer("fake", version="1")


@server.tool(annotations=ToolAnnotations(read_only_hint=True))
def pid() -> dict[str, int]:
    """Tells which process this is."""
    return {"pid": os.getpid()}


@server.tool()
async def slow(seconds: float, ctx: Context[Any, Any], mark: str = "") -> str:
    """Takes its time, says how far it is, and leaves a file where it was given up."""
    try:
        for tenth in range(int(seconds * 10)):
            await asyncio.sleep(0.1)
            await ctx.report_progress(tenth + 1, seconds * 10, "tick")
    except asyncio.CancelledError:
        if mark:
            os.mkdir(mark)
        raise
    return "done"


@server.tool()
def boom() -> str:
    """Fails."""
    raise ValueError("no such thing")


@server.tool(annotations=ToolAnnotations(destructive_hint=False, idempotent_hint=True))
def echo(text: str) -> dict[str, str]:
    """Says it again."""
    return {"text": text}


@server.tool()
def die() -> str:
    """Ends the server."""
    os._exit(3)


@server.tool()
def picture(size: int, text: int = 0, type: str = "image/png") -> list[ImageContent | TextContent]:
    """A picture of so many bytes, beside a text of so many letters."""
    data = base64.b64encode(bytes(number % 251 for number in range(size))).decode()
    return [ImageContent(type="image", data=data, mime_type=type), TextContent(type="text", text="a" * text)]


if os.environ.get("FAKE_EXTRA") == "yes":

    @server.tool()
    def extra(level: int) -> int:
        """There only when asked for."""
        return level


if os.environ.get("FAKE_EXTRA") == "worded":

    @server.tool(name="extra")
    def worded(level: str) -> str:
        """The same with other arguments."""
        return level


def main() -> None:
    """`stdio`, or `http` and a port."""
    if sys.argv[1:2] == ["http"]:
        server.run("streamable-http", host="127.0.0.1", port=int(sys.argv[2]))
    else:
        server.run("stdio")


if __name__ == "__main__":
    main()

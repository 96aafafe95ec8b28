"""Servers of the Model Context Protocol, on the wire."""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict, Field

from app.domain.mcp import Known, Server
from app.schemas.shown import Shown, UtcTime

_SERVER: dict[str, Any] = {
    "name": "time",
    "where": "mcp-server-time",
    "protocol": "2026-07-28",
    "tools": ["time.convert_time", "time.get_current_time"],
    "checked_at": "2026-11-25T08:30:00Z",
    "changed_at": "2026-11-20T08:30:00Z",
    "error": None,
    "drifted": {},
}


class McpServerOut(Shown):
    """A server that the operator has named, and what is known of it."""

    model_config = ConfigDict(frozen=True, json_schema_extra={"examples": [_SERVER]})

    name: str
    where: str = Field(description="Its command or its address, without arguments and headers")
    protocol: str | None
    tools: list[str] = Field(description="What pipelines may call: `<server>.<tool>`")
    checked_at: UtcTime | None
    changed_at: UtcTime | None
    error: str | None = Field(description="Why it could not be asked the last time; its tools stay as they were")
    drifted: dict[str, str] = Field(description="Tool -> since when it is gone or differs from what it was")


class McpServersOut(Shown):
    """All of them."""

    items: list[McpServerOut]


def mcp_server_out(server: Server, known: Known) -> McpServerOut:
    """The server as it is answered."""
    return McpServerOut(
        name=server.name,
        where=server.where,
        protocol=known.protocol,
        tools=[f"{server.name}.{tool.name}" for tool in known.tools if server.allows(tool.name)],
        checked_at=known.checked_at,
        changed_at=known.changed_at,
        error=known.error,
        drifted=dict(known.drifted),
    )

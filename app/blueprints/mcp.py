"""Servers of the Model Context Protocol over HTTP."""

from __future__ import annotations

from flask import Blueprint

from app.http.api import api
from app.http.services import services
from app.schemas.mcp import McpServerOut, McpServersOut, mcp_server_out

bp = Blueprint("mcp", __name__, url_prefix="/mcp/servers")
TAGS = ("mcp",)


@bp.get("")
@api(returns=McpServersOut, tags=TAGS, scope="admin")
def list_mcp_servers() -> McpServersOut:
    """List the servers whose tools pipelines may use.

    They are named by `ORDINAUT_MCP_SERVERS` alone: what they start and where they connect is the operator's to say.
    """
    return McpServersOut(items=[mcp_server_out(*pair) for pair in services().mcp.all()])


@bp.get("/<name>")
@api(returns=McpServerOut, tags=TAGS, errors=(404,), scope="admin")
def get_mcp_server(name: str) -> McpServerOut:
    """Get a server."""
    return mcp_server_out(*services().mcp.get(name))


@bp.post("/<name>/test")
@api(returns=McpServerOut, tags=TAGS, errors=(404,), scope="admin")
def test_mcp_server(name: str) -> McpServerOut:
    """Ask a server for its tools, now.

    A server that cannot be asked is no error of this request: `error` says why.
    """
    return mcp_server_out(*services().mcp.check(name))

"""Lists over the protocol: everything is on the first page."""

from __future__ import annotations

import mcp_types as types
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS


def require_first(params: types.PaginatedRequestParams | None) -> None:
    """MCPError for a cursor: none was ever given out."""
    if params is not None and params.cursor is not None:
        raise MCPError(INVALID_PARAMS, "Unknown cursor")

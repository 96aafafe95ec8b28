"""What clients with a handshake ask for that is about a session, of which there are none here."""

from __future__ import annotations

from typing import Any

import mcp_types as types
from mcp.server import Server, ServerRequestContext

from .resources import Resources

Context = ServerRequestContext[Any, Any]


def add_session_requests(server: Server[Any], resources: Resources) -> None:
    """Answer them as far as they can be answered without a session; see docs/assistants.md for what that is."""

    async def set_level(_: Context, __: types.SetLevelRequestParams) -> types.EmptyResult:
        # There is nowhere to keep it: lines of a tool go out from `info` up, whatever was wished.
        return types.EmptyResult()

    async def subscribe(asked: Context, params: types.SubscribeRequestParams) -> types.EmptyResult:
        resources.require(asked, str(params.uri))
        return types.EmptyResult()

    async def unsubscribe(_: Context, __: types.UnsubscribeRequestParams) -> types.EmptyResult:
        return types.EmptyResult()

    server.add_request_handler("logging/setLevel", types.SetLevelRequestParams, set_level)
    server.add_request_handler("resources/subscribe", types.SubscribeRequestParams, subscribe)
    server.add_request_handler("resources/unsubscribe", types.UnsubscribeRequestParams, unsubscribe)

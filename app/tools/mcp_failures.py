"""What goes wrong with servers of the Model Context Protocol, as failures of tools: their kind, and if to retry."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import httpx2
from mcp import MCPError
from mcp_types import (
    CONNECTION_CLOSED,
    INTERNAL_ERROR,
    INVALID_PARAMS,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    REQUEST_TIMEOUT,
)

from app.domain.texts import t
from app.tools.http import retry_after_seconds
from ordinaut.tools import ToolFailed

MISSING_CAPABILITY = -32021
_AGAIN = frozenset({408, 425, 429})
_KINDS = {
    REQUEST_TIMEOUT: ("timeout", True),
    CONNECTION_CLOSED: ("connection_lost", True),
    INTERNAL_ERROR: ("server_error", True),
    INVALID_PARAMS: ("bad_request", False),
    INVALID_REQUEST: ("bad_request", False),
    METHOD_NOT_FOUND: ("bad_request", False),
    MISSING_CAPABILITY: ("missing_capability", False),
}
"""Codes of JSON-RPC and of the protocol -> our kind, and whether another try can end differently."""


def failure_of(error: BaseException, server: str) -> ToolFailed:
    """The failure that an exception of the SDK comes to; it names the server, and repeats no address."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    match error:
        case ToolFailed():
            return error
        case MCPError():
            return _told(error, server)
        case FileNotFoundError() | PermissionError() | NotADirectoryError():
            message = t("The command of the server {server} cannot be started", server=server)
            return ToolFailed(message, type="command_not_found", retryable=False)
        case TimeoutError():
            return ToolFailed(t("The server {server} did not answer in time", server=server), type="timeout")
        case httpx2.TransportError() | OSError():
            message = t("The server {server} cannot be reached ({kind})", server=server, kind=type(error).__name__)
            return ToolFailed(message, type="unreachable")
    message = t("Talking to the server {server} failed ({kind})", server=server, kind=type(error).__name__)
    return ToolFailed(message, type="client_error", retryable=False)


def _told(error: MCPError, server: str) -> ToolFailed:
    data = error.data if isinstance(error.data, dict) else {}
    status = data.get("http_status")
    if isinstance(status, int):
        return _by_status(status, data, server)
    kind, again = _KINDS.get(error.code, (f"rpc_{error.code}".replace("-", "minus_"), False))
    message = t("{server} says: {message}", server=server, message=str(error.message)[:500])
    return ToolFailed(message, type=kind, retryable=again, details={"code": error.code})


def _by_status(status: int, data: dict[str, Any], server: str) -> ToolFailed:
    kind = {401: "unauthorized", 403: "forbidden"}.get(status, f"http_{status}")
    details: dict[str, Any] = {"status": status}
    if (after := retry_after_seconds(data.get("retry_after") or "", datetime.now(UTC))) is not None:
        details["retry_after_seconds"] = after
    message = t("{server} answered with HTTP {status}", server=server, status=status)
    return ToolFailed(message, type=kind, retryable=status in _AGAIN or status >= 500, details=details)


class StatusTransport(httpx2.AsyncBaseTransport):
    """Keeps the status and `Retry-After` of refusals, which the SDK would drop where the body is no JSON-RPC error."""

    def __init__(self, *, asks_for_tokens: bool) -> None:
        self._inner = httpx2.AsyncHTTPTransport()
        self._asks_for_tokens = asks_for_tokens

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """The answer; a refusal that says nothing is made one that says what HTTP said."""
        answer = await self._inner.handle_async_request(request)
        if answer.status_code < 400 or request.method != "POST":
            return answer
        body = await answer.aread()
        # Getting a token begins with a 401 and what it says.
        if _is_rpc(body) or (answer.status_code == 401 and self._asks_for_tokens):
            return httpx2.Response(answer.status_code, headers=answer.headers, content=body, request=request)
        data = {"http_status": answer.status_code, "retry_after": answer.headers.get("retry-after")}
        error = {"code": INTERNAL_ERROR, "message": f"HTTP {answer.status_code}", "data": data}
        content = json.dumps({"jsonrpc": "2.0", "id": None, "error": error}).encode()
        headers = {"content-type": "application/json"}
        return httpx2.Response(answer.status_code, headers=headers, content=content, request=request)

    async def aclose(self) -> None:
        """Close what is underneath."""
        await self._inner.aclose()


def _is_rpc(body: bytes) -> bool:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return False
    return isinstance(found, dict) and isinstance(found.get("error"), dict) and "code" in found["error"]

"""Servers that answer a call with a task: it is followed to its end, and its result is the call's (SEP-2663)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Literal

from mcp import MCPError
from mcp.client.extension import ClaimContext, ClientExtension, ResultClaim
from mcp_types import INTERNAL_ERROR, CallToolResult, Request, RequestParams, Result
from pydantic import ConfigDict, Field

from app.domain.texts import t
from ordinaut.tools import ToolFailed

EXTENSION = "io.modelcontextprotocol/tasks"
POLL_SECONDS = 1.0
SHORTEST_POLL, LONGEST_POLL = 0.05, 10.0


class _Handle(Result):
    model_config = ConfigDict(extra="allow")
    result_type: Literal["task"] = Field(alias="resultType")
    task_id: str = Field(alias="taskId")
    poll_interval_ms: int | None = Field(default=None, alias="pollIntervalMs")


class _Named(RequestParams):
    task_id: str = Field(alias="taskId")


class _Get(Request[_Named, Literal["tasks/get"]]):
    method: Literal["tasks/get"] = "tasks/get"
    params: _Named
    name_param = "taskId"


class _Cancel(Request[_Named, Literal["tasks/cancel"]]):
    method: Literal["tasks/cancel"] = "tasks/cancel"
    params: _Named
    name_param = "taskId"


class _State(Result):
    model_config = ConfigDict(extra="allow")
    result_type: Any = Field(default="complete", alias="resultType")
    status: str = "working"
    result: dict[str, Any] | None = None
    error: dict[str, Any] | None = None
    poll_interval_ms: int | None = Field(default=None, alias="pollIntervalMs")


class RemoteTasks(ClientExtension):
    """Follows tasks of one server."""

    identifier = EXTENSION

    def __init__(self, server: str) -> None:
        self._server = server

    def claims(self) -> Sequence[ResultClaim[Any]]:
        """One: an answer that is a task."""
        return [ResultClaim(result_type="task", model=_Handle, resolve=self._followed)]

    async def _followed(self, handle: _Handle, context: ClaimContext) -> CallToolResult:
        pause = handle.poll_interval_ms
        named = _Named(task_id=handle.task_id)  # type: ignore[call-arg]
        try:
            while True:
                state = await context.session.send_request(_Get(params=named), _State)
                if (ended := self._ended(state)) is not None:
                    return ended
                pause = state.poll_interval_ms or pause
                seconds = POLL_SECONDS if pause is None else pause / 1000
                await asyncio.sleep(min(LONGEST_POLL, max(SHORTEST_POLL, seconds)))
        except asyncio.CancelledError:
            # Nobody wants it any more, and over there it would go on.
            with suppress(Exception):
                async with asyncio.timeout(2):
                    await asyncio.shield(context.session.send_request(_Cancel(params=named), _State))
            raise

    def _ended(self, state: _State) -> CallToolResult | None:
        match state.status:
            case "completed":
                return CallToolResult.model_validate(state.result or {"content": []})
            case "failed":
                error = state.error or {}
                raise MCPError(error.get("code", INTERNAL_ERROR), str(error.get("message", "The task failed")))
            case "cancelled":
                raise ToolFailed(t("{server} canceled the task", server=self._server), type="canceled", retryable=False)
            case "input_required":
                message = t("{server} asks for input, which a step cannot give", server=self._server)
                raise ToolFailed(message, type="input_required", retryable=False)
        return None

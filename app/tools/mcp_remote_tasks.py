"""Tasks of servers, which answer a call with one, as their extension of the protocol has them (SEP-2663)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from mcp import Client
from mcp.client.extension import ClaimContext, ClientExtension, ResultClaim, UnexpectedClaimedResult
from mcp_types import CallToolResult, InputRequests, Request, RequestParams, Result
from pydantic import ConfigDict, Field

EXTENSION = "io.modelcontextprotocol/tasks"


class Handle(Result):
    """The answer that is a task."""

    model_config = ConfigDict(extra="allow")
    result_type: Literal["task"] = Field(alias="resultType")
    task_id: str = Field(alias="taskId")
    poll_interval_ms: int | None = Field(default=None, alias="pollIntervalMs")


class _Named(RequestParams):
    task_id: str = Field(alias="taskId")
    input_responses: dict[str, Any] | None = Field(default=None, alias="inputResponses")


class _Get(Request[_Named, Literal["tasks/get"]]):
    method: Literal["tasks/get"] = "tasks/get"
    params: _Named
    name_param = "taskId"


class _Update(Request[_Named, Literal["tasks/update"]]):
    method: Literal["tasks/update"] = "tasks/update"
    params: _Named
    name_param = "taskId"


class _Cancel(Request[_Named, Literal["tasks/cancel"]]):
    method: Literal["tasks/cancel"] = "tasks/cancel"
    params: _Named
    name_param = "taskId"


class TaskState(Result):
    """How a task stands."""

    model_config = ConfigDict(extra="allow")
    result_type: Any = Field(default="complete", alias="resultType")
    status: str = "working"
    result: dict[str, Any] | None = None
    error: dict[str, Any] | None = None
    asked: InputRequests | None = Field(default=None, alias="inputRequests")
    poll_interval_ms: int | None = Field(default=None, alias="pollIntervalMs")
    created_at: datetime | None = Field(default=None, alias="createdAt")
    ttl_ms: int | None = Field(default=None, alias="ttlMs")

    @property
    def ends_at(self) -> datetime | None:
        """When the server forgets it."""
        if self.ttl_ms is None:
            return None
        begun = self.created_at or datetime.now(UTC)
        return (begun if begun.tzinfo else begun.replace(tzinfo=UTC)) + timedelta(milliseconds=self.ttl_ms)


async def get_task(client: Client, task_id: str) -> TaskState:
    """How it stands."""
    return await client.session.send_request(_Get(params=_named(task_id)), TaskState)


async def answer_task(client: Client, task_id: str, answers: dict[str, Any]) -> None:
    """Give it what it asked for."""
    await client.session.send_request(_Update(params=_named(task_id, inputResponses=answers)), TaskState)


async def cancel_task(client: Client, task_id: str) -> None:
    """Nobody wants it any more."""
    await client.session.send_request(_Cancel(params=_named(task_id)), TaskState)


def _named(task_id: str, **more: Any) -> _Named:
    return _Named.model_validate({"taskId": task_id, **more})


class RemoteTasks(ClientExtension):
    """Says that we know tasks; what becomes of them is `app.tools.mcp_conversation`'s to see."""

    identifier = EXTENSION

    def claims(self) -> Sequence[ResultClaim[Any]]:
        """One: an answer that is a task."""
        return [ResultClaim(result_type="task", model=Handle, resolve=_not_here)]


async def _not_here(handle: Handle, context: ClaimContext) -> CallToolResult:
    # The SDK wants a function; calls go past it.
    raise UnexpectedClaimedResult(handle)

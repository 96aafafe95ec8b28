"""The connections of a process to servers of the Model Context Protocol, through the official SDK.

The SDK is asynchronous, and a connection has to be closed by the task that opened it. So there is one event loop in a
thread of its own, made when a server is first called, and on it one task for each server, which owns its connection.
A process that was forked starts afresh: loops and pipes belong to the parent.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
import time
from asyncio import AbstractEventLoop
from collections.abc import AsyncIterator, Coroutine
from concurrent.futures import Future, wait
from typing import Any, TypeVar

import mcp_types as types
from mcp import Client

from app.domain.mcp import RemoteCall, RemoteTool, Server, Unfinished
from app.domain.texts import t
from app.tools.mcp_answers import answer_of, remote_tool
from app.tools.mcp_connection import Connection
from app.tools.mcp_conversation import Conversation
from app.tools.mcp_failures import failure_of
from app.tools.mcp_remote_tasks import cancel_task
from ordinaut.tools import ToolFailed

T = TypeVar("T")

IDLE_SECONDS = 300.0
"""How long a connection that nobody uses is kept."""
GLANCE_SECONDS = 0.2
"""How often a call looks whether it is still wanted."""
GRACE_SECONDS = 5.0
"""How long a server is told that its call was given up, before the call is left to itself."""
LIST_SECONDS = 30.0
MOST_TOOLS = 1000


class Pool:
    """See `app.domain.mcp.Remote`; safe to use from any thread."""

    def __init__(self, *, idle_seconds: float = IDLE_SECONDS) -> None:
        self._idle_seconds = idle_seconds
        self._starting = threading.Lock()
        self._pid: int | None = None
        self._loop: AbstractEventLoop | None = None
        self._connections: dict[str, Connection] = {}

    def call(self, server: Server, call: RemoteCall) -> Any:
        """What the tool answers.

        Raises:
            ToolFailed: With the kinds of `app.tools.mcp_failures`; `tool_error` where the tool itself failed, and
                `canceled` where nobody wants the answer any more.
        """
        answer = self._started(self._called(server, call))
        deadline = time.monotonic() + call.seconds
        try:
            while not wait([answer], GLANCE_SECONDS).done:
                if call.should_stop():
                    raise ToolFailed(t("The call was stopped"), type="canceled", retryable=False)
                if time.monotonic() >= deadline:
                    raise failure_of(TimeoutError(), server.name)
        except BaseException:
            # Whatever ends this wait ends the call as well: the server is told, and a moment is left for that.
            answer.cancel()
            wait([answer], GRACE_SECONDS)
            raise
        result = self._result(answer, server)
        return result if isinstance(result, Unfinished) else answer_of(result, server.name)

    def cancel(self, server: Server, task_id: str) -> None:
        """Tell it, or raise ToolFailed."""
        self._result(self._started(self._cancelled(server, task_id)), server)

    def listed(self, server: Server) -> tuple[str, tuple[RemoteTool, ...]]:
        """The version that it speaks, and the tools that the operator allows; ToolFailed where it cannot be asked."""
        return self._result(self._started(self._listed(server)), server)

    def close(self) -> None:
        """End every connection of this process, and with it every command that it started."""
        if self._loop is None or self._pid != os.getpid():
            return
        ended = asyncio.run_coroutine_threadsafe(self._closed(), self._loop)
        wait([ended], 2 * GRACE_SECONDS)

    def _result(self, answer: Future[T], server: Server) -> T:
        try:
            return answer.result()
        except Exception as error:
            raise failure_of(error, server.name) from error

    def _started(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        with self._starting:
            if self._loop is None or self._pid != os.getpid():
                self._pid, self._connections = os.getpid(), {}
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=self._loop.run_forever, name="mcp", daemon=True).start()
                asyncio.run_coroutine_threadsafe(self._tidied(), self._loop)
                atexit.register(self.close)
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    async def _called(self, server: Server, call: RemoteCall) -> types.CallToolResult | Unfinished:
        connection = await self._connection(server)

        async def progress(progress: float, total: float | None, message: str | None) -> None:
            share = f"{progress:g}" if total is None else f"{progress:g}/{total:g}"
            call.progress(f"{message} ({share})" if message else share)

        with connection.used():
            async with asyncio.timeout(call.seconds):
                await connection.ready()
                return await Conversation(connection.client, server, call, progress).held()

    async def _cancelled(self, server: Server, task_id: str) -> None:
        connection = await self._connection(server)
        with connection.used():
            async with asyncio.timeout(LIST_SECONDS):
                await connection.ready()
                await cancel_task(connection.client, task_id)

    async def _listed(self, server: Server) -> tuple[str, tuple[RemoteTool, ...]]:
        connection = await self._connection(server)
        with connection.used():
            async with asyncio.timeout(LIST_SECONDS):
                await connection.ready()
                found = [tool async for tool in _pages(connection.client) if server.allows(tool.name)]
        tools = sorted((remote_tool(tool) for tool in found[:MOST_TOOLS]), key=lambda tool: tool.name)
        return str(connection.client.protocol_version), tuple(tools)

    async def _connection(self, server: Server) -> Connection:
        connection = self._connections.get(server.name)
        if connection is None or not connection.alive or connection.server != server:
            before, connection = connection, Connection(server)
            # First: others may ask for it while the old one ends.
            self._connections[server.name] = connection
            if before is not None:
                await before.end()
        return connection

    async def _tidied(self) -> None:
        while True:
            await asyncio.sleep(min(30.0, self._idle_seconds / 2))
            for name, connection in list(self._connections.items()):
                if self._connections.get(name) is not connection:
                    continue  # a newer one took its place while others were ended
                if connection.idle_for() > self._idle_seconds or not connection.alive:
                    del self._connections[name]
                    await connection.end()

    async def _closed(self) -> None:
        connections, self._connections = list(self._connections.values()), {}
        await asyncio.gather(*(connection.end() for connection in connections), return_exceptions=True)


async def _pages(client: Client) -> AsyncIterator[types.Tool]:
    """Every tool, page by page."""
    cursor: str | None = None
    while True:
        page = await client.list_tools(cursor=cursor, cache_mode="refresh")
        for tool in page.tools:
            yield tool
        cursor = page.next_cursor
        if cursor is None:
            return

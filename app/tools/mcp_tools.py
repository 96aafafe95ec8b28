"""Tools of servers of the Model Context Protocol as tools of the platform: `<server>.<tool>`."""

from __future__ import annotations

import importlib
import time
from collections.abc import Iterator, Mapping
from typing import Any, cast

from app.domain.mcp import Known, Remote, RemoteCall, RemoteTool, Server, Unfinished
from app.domain.texts import t
from app.domain.waits import StepCall
from app.tools.mcp_blobs import Keep, without_blobs
from app.tools.mcp_output import checked
from app.tools.mcp_pauses import away, pause, taken_up
from ordinaut.tools import Tool, ToolCall, ToolFailed


class LazyRemote:
    """The connections of this process, made when the first is wanted: most processes never talk to a server."""

    def __init__(self) -> None:
        self._pool: Remote | None = None

    def call(self, server: Server, call: RemoteCall) -> Any:
        """See `app.domain.mcp.Remote`."""
        return self._made().call(server, call)

    def listed(self, server: Server) -> tuple[str, tuple[RemoteTool, ...]]:
        """See `app.domain.mcp.Remote`."""
        return self._made().listed(server)

    def cancel(self, server: Server, task_id: str) -> None:
        """See `app.domain.mcp.Remote`."""
        self._made().cancel(server, task_id)

    def close(self) -> None:
        """End the connections of this process."""
        if self._pool is not None:
            self._pool.close()

    def _made(self) -> Remote:
        if self._pool is None:
            # The SDK costs 30 MB and half a second, which a process that calls no server does not pay.
            self._pool = cast(Remote, importlib.import_module("app.tools.mcp_pool").Pool())
        return self._pool


def tools_of(server: Server, known: Known, remote: Remote, *, keep: Keep) -> Iterator[Tool]:
    """A tool for each that the server has and the operator allows; what is too large of their answers is kept."""
    for tool in known.tools:
        if server.allows(tool.name):
            yield _tool(server, tool, remote, keep)


def _tool(server: Server, remote_tool: RemoteTool, remote: Remote, keep: Keep) -> Tool:
    name = f"{server.name}.{remote_tool.name}"

    def run(call: ToolCall) -> Any:
        began, before = time.monotonic(), taken_up(call, server, remote)
        seconds = min(before.seconds, call.deadline - began)
        if seconds <= 0:
            raise ToolFailed(t("There was no time left to call the server"), type="timeout")
        asked = RemoteCall(
            tool=remote_tool.name,
            arguments=call.arguments,
            seconds=seconds,
            should_stop=call.should_stop,
            progress=lambda message: call.log("info", message),
            may_pause=server.url is not None and isinstance(call, StepCall) and not call.has_secrets,
            state=before.state,
            answers=before.answers,
        )
        try:
            answer = remote.call(server, asked)
        except ToolFailed as failure:
            if not asked.may_pause or (answer := away(failure, before)) is None:
                raise
        if isinstance(answer, Unfinished):
            left = seconds - (time.monotonic() - began)
            raise pause(call, server, answer, left_seconds=left, remote=remote)
        return without_blobs(checked(answer, remote_tool.output_schema, name), call, keep)

    return Tool(
        name=name,
        description=remote_tool.description,
        schema=_schema(remote_tool.schema),
        output_schema=remote_tool.output_schema,
        run=run,
        idempotent=remote_tool.idempotent,
        read_only=remote_tool.read_only,
        destructive=remote_tool.destructive,
        open_world=remote_tool.open_world,
    )


def _schema(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema without its own name for itself, which would be looked up over the network."""
    return {name: value for name, value in schema.items() if name not in ("$id", "$schema")}

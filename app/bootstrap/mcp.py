"""Servers of the Model Context Protocol: those of the settings, with their secrets, and what is made of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

from app.domain.mcp import Known, Remote, RemoteCall, RemoteTool, Server
from app.services.events import EventService
from app.services.lifecycle import Herald
from app.services.mcp import McpService, ServedTools
from app.services.run_blobs import RunBlobs
from app.services.task_drifts import TaskDrifts
from app.storage.database import Database
from app.telemetry import emit
from app.tools.mcp_tools import LazyRemote, tools_of
from app.tools.registry import ToolRegistry
from config.mcp_servers import McpServer, McpServers, mcp_servers
from config.settings import Settings

SOURCE = "mcp"
"""Who publishes what becomes of servers."""
_SECRET = re.compile(r"\$\{secret:([A-Za-z0-9_.-]{1,100})\}")
Look = Callable[[Sequence[str]], Mapping[str, str]]

connections = LazyRemote()
"""Those of this process; nothing is connected before a tool is called."""


@dataclass(frozen=True, slots=True)
class WithSecrets:
    """Puts secrets where a server's description names them, each time it is used: they may have been changed."""

    remote: Remote
    look: Look

    def call(self, server: Server, call: RemoteCall) -> Any:
        """See `app.domain.mcp.Remote`."""
        return self.remote.call(self._filled(server), call)

    def listed(self, server: Server) -> tuple[str, tuple[RemoteTool, ...]]:
        """See `app.domain.mcp.Remote`."""
        return self.remote.listed(self._filled(server))

    def cancel(self, server: Server, task_id: str) -> None:
        """See `app.domain.mcp.Remote`."""
        self.remote.cancel(self._filled(server), task_id)

    def close(self) -> None:
        """See `app.domain.mcp.Remote`."""
        self.remote.close()

    def _filled(self, server: Server) -> Server:
        given = (server.env, server.headers, server.auth)
        names = [name for pairs in given for text in pairs.values() for name in _SECRET.findall(text)]
        if not names:
            return server
        secrets = self.look(names)
        env, headers, auth = (
            {name: _SECRET.sub(lambda found: secrets.get(found[1], ""), text) for name, text in pairs.items()}
            for pairs in given
        )
        return replace(server, env=env, headers=headers, auth=auth)


def serve_mcp(settings: Settings, database: Database, tools: ToolRegistry, look: Look) -> None:
    """Let the registry find the tools of servers."""
    served = ServedTools(
        servers=NamedServers(settings.mcp_servers).now,
        remote=WithSecrets(connections, look),
        known=database.known_mcp_servers,
        shelf=tools,
        tools_of=partial(tools_of, keep=RunBlobs(units=database.units).keep),
    )
    tools.ask(served.find)


def make_mcp(settings: Settings, database: Database, events: EventService, herald: Herald, look: Look) -> McpService:
    """The use cases of servers."""
    return McpService(
        units=database.units,
        clock=database.clock,
        servers=NamedServers(settings.mcp_servers).now,
        remote=WithSecrets(connections, look),
        publish=lambda topic, payload: events.publish(topic, payload, source=SOURCE),
        drifts=TaskDrifts(units=database.units, clock=database.clock, herald=herald, schemas=_schemas),
    )


def _schemas(server: Server, known: Known) -> ToolRegistry:
    registry = ToolRegistry()
    registry.serve(server.name, tools_of(server, known, connections, keep=lambda blob: None))
    return registry


class NamedServers:
    """The servers of the settings, and those of their file as it is now: adding one takes no restart."""

    def __init__(self, named: McpServers) -> None:
        self._file = named.file
        self._servers = _servers(named.servers)
        self._stamp: tuple[int, int] | None = None  # the settings may have been read long ago

    def now(self) -> Mapping[str, Server]:
        """By name; a file that cannot be used changes nothing, and is told once."""
        stamp = _stamp(self._file)
        if stamp != self._stamp:
            self._stamp = stamp
            try:
                self._servers = _servers(mcp_servers(str(self._file)).servers)
            except ValueError as error:
                emit("mcp.file_refused", file=self._file, reason=str(error))
        return self._servers


def _stamp(file: Path | None) -> tuple[int, int] | None:
    """Differs when the file does."""
    try:
        found = None if file is None else file.stat()
    except OSError:
        found = None
    return None if found is None else (found.st_mtime_ns, found.st_ino)


def _servers(named: Mapping[str, McpServer]) -> Mapping[str, Server]:
    return MappingProxyType(
        {
            name: Server(where=one.where, **{field.name: getattr(one, field.name) for field in fields(one)})
            for name, one in named.items()
        }
    )

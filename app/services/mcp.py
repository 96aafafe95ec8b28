"""Servers of the Model Context Protocol: what they offer, kept in SQL, looked after, brought into the registry."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, Protocol

from app.domain.clock import Clock, rfc3339
from app.domain.errors import NotFound, Unavailable
from app.domain.mcp import Drift, Known, Left, McpStore, Remote, Server, drift, ended_tasks
from app.domain.ports import UnitsOfWork
from app.domain.texts import t
from app.services.task_drifts import TaskDrifts
from app.telemetry import emit
from ordinaut import Tool, ToolFailed

FRESH_SECONDS = 5.0
"""How long a process trusts what it has read of the lists."""
HASTY_SECONDS = 0.5
"""How long when it is asked for a tool that is not there: somebody may just have added its server."""
CHECK_SECONDS = 600.0
"""How often every server is asked for its list."""
GLANCE_SECONDS = 2.0
"""How often the list of servers itself is looked at."""
TOPIC = "mcp.tools_changed"
LONGEST_ERROR = 500
MOST_LEFT = 20
"""Servers that are told of tasks in one go."""
PATIENCE = timedelta(hours=1)
"""For how long a server is told again that nobody wants its task."""
AGAIN_SECONDS = 30.0
"""How soon after it could not be told."""
MOST_TOLD = 100
"""Ids of tasks in an event."""

Publish = Callable[[str, Mapping[str, Any]], object]
Servers = Callable[[], Mapping[str, Server]]
"""Those that are named now; the operator may change them at any time."""


class Shelf(Protocol):
    """Where tools go; `app.tools.registry`."""

    def serve(self, server: str, tools: Iterable[Tool]) -> None: ...


class ToolsOf(Protocol):
    """Makes the tools of a server; `app.tools.mcp_tools`."""

    def __call__(self, server: Server, known: Known, remote: Remote) -> Iterator[Tool]: ...


class ServedTools:
    """Brings what is known of the servers into the registry of this process: its finder."""

    def __init__(
        self,
        *,
        servers: Servers,
        remote: Remote,
        known: Callable[[], Sequence[Known]],
        shelf: Shelf,
        tools_of: ToolsOf,
    ) -> None:
        self._servers = servers
        self._remote = remote
        self._known = known
        self._shelf = shelf
        self._tools_of = tools_of
        self._read_at = -FRESH_SECONDS
        self._taken: dict[str, tuple[Server, Known]] = {}

    def find(self, name: str | None) -> None:
        """Look for changes, for a name that may be a server's, or for all of them; not more often than need be."""
        servers = self._servers()
        if name is not None and (root := name.partition(".")[0]) not in servers and root not in self._taken:
            return
        if not (servers or self._taken):
            return
        if time.monotonic() < self._read_at + (FRESH_SECONDS if self._has(name) else HASTY_SECONDS):
            return
        self._read_at = time.monotonic()
        try:
            known = {one.name: (servers[one.name], one) for one in self._known() if one.name in servers}
        except Unavailable:
            return  # what is known already will do until the database is back
        for gone in self._taken.keys() - known.keys():
            del self._taken[gone]
            self._shelf.serve(gone, ())
        for name_of, pair in known.items():
            if self._taken.get(name_of) != pair:
                self._taken[name_of] = pair
                self._shelf.serve(name_of, self._tools_of(*pair, self._remote))

    def _has(self, name: str | None) -> bool:
        """Whether there is nothing to be found out in a hurry."""
        root, _, tool = (name or "").partition(".")
        return name is None or (root in self._taken and any(one.name == tool for one in self._taken[root][1].tools))


class McpService:
    """The use cases of servers."""

    def __init__(
        self,
        *,
        units: UnitsOfWork,
        clock: Clock,
        servers: Servers,
        remote: Remote,
        publish: Publish,
        drifts: TaskDrifts,
    ) -> None:
        self._drifts = drifts
        self._units = units
        self._clock = clock
        self._servers = servers
        self._remote = remote
        self._publish = publish

    def all(self) -> list[tuple[Server, Known]]:
        """Every server that is named, with what is known of it."""
        with self._units(read_only=True) as unit:
            known = {one.name: one for one in _store(unit).all()}
        return [(server, known.get(name, Known(name=name))) for name, server in sorted(self._servers().items())]

    def get(self, name: str) -> tuple[Server, Known]:
        """One of them, or NotFound."""
        found = [pair for pair in self.all() if pair[0].name == name]
        if not found:
            raise NotFound(t("There is no MCP server named {name}", name=name[:63]), server=name[:63])
        return found[0]

    def check(self, name: str) -> tuple[Server, Known]:
        """Ask a server for its tools, keep what it says, and tell of what has changed; NotFound where there is none.

        Tasks are held against what it says each time: one may have been saved by a process that knew less. A server
        that cannot be asked keeps the tools that it had: `error` says why.
        """
        server, _ = self.get(name)
        try:
            protocol, tools = self._remote.listed(server)
        except ToolFailed as failure:
            return server, self._kept(name, error=f"{failure.type}: {failure.message}"[:LONGEST_ERROR])[0]
        known, change = self._kept(name, protocol=protocol, tools=tools)
        drifted = self._drifts.review(server, known)
        if change is not None:
            told = {"added": list(change.added), "changed": list(change.changed), "removed": list(change.removed)}
            emit("mcp.tools_changed", server=name, **told)
            self._publish(TOPIC, {"server": name, **told, "tasks": drifted[:MOST_TOLD]})
        return server, known

    def drifted(self) -> Mapping[str, str]:
        """Tool -> since when it is gone or is not as it was; of all servers."""
        with self._units(read_only=True) as unit:
            known = _store(unit).all()
        return {f"{one.name}.{tool}": since for one in known for tool, since in one.drifted.items()}

    def _kept(self, name: str, **found: Any) -> tuple[Known, Drift | None]:
        """What is known now, and what of it anybody might have built upon and is different."""
        now = self._clock.now()
        with self._units() as unit:
            before = _store(unit).get(name, lock=True)
            old = before or Known(name=name)
            change = drift(old.tools, found.get("tools", old.tools))
            known = replace(old, checked_at=now, error=None, **found) if "error" not in found else None
            known = known or replace(old, checked_at=now, **found)
            if change:
                marks = dict.fromkeys(change.breaking, rfc3339(now)) if before and before.tools else {}
                known = replace(known, changed_at=now, drifted={**old.drifted, **marks})
            _store(unit).save(known)
        return known, change if change and old.tools else None

    def end_left(self) -> bool:
        """Tell servers which of their tasks nobody waits for any more, since the run has ended; whether all were."""
        with self._units(read_only=True) as unit:
            left = _store(unit).left(MOST_LEFT)
            # A step may fail and its run go on: what counts is what came of the call, not of the run.
            ended = {run_id: ended_tasks(unit.runs.journal(run_id)) for run_id in {one.run_id for one in left}}
        told = [one.task_id in ended[one.run_id] or self._told(one) for one in left]
        for one, over in zip(left, told, strict=True):
            with self._units() as unit:
                if over:
                    _store(unit).settled(one)
                else:
                    _store(unit).failed(one, self._clock.now())
        return all(told)

    def _told(self, left: Left) -> bool:
        """Whether the server has been told, or need not be told any more."""
        server = self._servers().get(left.server)
        if server is None or (left.failed_at is not None and self._clock.now() - left.failed_at > PATIENCE):
            return True
        try:
            self._remote.cancel(server, left.task_id)
        except ToolFailed as failure:
            emit("mcp.cancel_failed", server=left.server, run_id=left.run_id, reason=failure.message)
            return not failure.retryable
        return True

    def forget_others(self) -> None:
        """Forget servers that are named no more; what calls them does not fit."""
        named = self._servers()
        with self._units(read_only=True) as unit:
            gone = [one.name for one in _store(unit).all() if one.name not in named]
        for name in gone:
            self._drifts.review(Server(name=name, where=""), Known(name=name))
        if gone:
            with self._units() as unit:
                _store(unit).forget(gone)


class McpWatch:
    """Asks every server for its list, now and then; for a thread of its own, since a server may take its time."""

    def __init__(self, service: McpService) -> None:
        self._service = service
        self._asked: dict[str, tuple[Server, float]] | None = None
        self._tell_at = 0.0

    def look(self) -> float:
        """Ask those whose time has come, new ones at once; seconds until the next look."""
        named = {server.name: server for server, _ in self._service.all()}
        if self._asked is None or self._asked.keys() - named.keys():
            self._service.forget_others()
        self._asked = asked = {name: one for name, one in (self._asked or {}).items() if named.get(name) == one[0]}
        if named and time.monotonic() >= self._tell_at and not self._service.end_left():
            self._tell_at = time.monotonic() + AGAIN_SECONDS
        for name, server in named.items():
            if name not in asked or time.monotonic() >= asked[name][1]:
                asked[name] = (server, time.monotonic() + CHECK_SECONDS)
                self._service.check(name)
        return GLANCE_SECONDS


def _store(unit: Any) -> McpStore:
    store: McpStore = unit.mcp
    return store

"""Servers of the Model Context Protocol as the platform knows them: where they are, and which tools they have."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from fnmatch import fnmatchcase
from hashlib import sha256
from typing import Any, Protocol

import orjson

from app.domain.runs import Record


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A server that the operator has named; see `config.mcp_servers.McpServer`.

    Attributes:
        where: Its command or its address, without anything secret.
    """

    name: str
    where: str
    command: str | None = None
    args: tuple[str, ...] = field(default=(), repr=False)
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    cwd: str | None = None
    url: str | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    auth: Mapping[str, str] = field(default_factory=dict, repr=False)
    tools: tuple[str, ...] = ()
    timeout_seconds: float = 60.0
    connect_timeout_seconds: float = 10.0

    def allows(self, tool: str) -> bool:
        """Whether the operator lets pipelines call it."""
        return not self.tools or any(fnmatchcase(tool, pattern) for pattern in self.tools)


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteTool:
    """A tool as its server describes it.

    Attributes:
        output_schema: Of its structured answer, where it tells.
        read_only, destructive, idempotent, open_world: Its hints, with the protocol's defaults for those it leaves
            out: a tool that says nothing may do anything.
    """

    name: str
    description: str
    schema: Mapping[str, Any]
    output_schema: Mapping[str, Any] | None = None
    read_only: bool = False
    destructive: bool = True
    idempotent: bool = False
    open_world: bool = True

    @property
    def fingerprint(self) -> str:
        """What pipelines depend on: the schemas and the hints, not the words."""
        told = (self.schema, self.output_schema, self.read_only, self.destructive, self.idempotent)
        return sha256(orjson.dumps(told, option=orjson.OPT_SORT_KEYS)).hexdigest()[:32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known of a server.

    Attributes:
        checked_at: When it was last asked; None when never.
        changed_at: When its list last differed from the one before.
        error: Why it could not be asked the last time.
        drifted: Tool -> since when it is gone or differs from what pipelines were saved with.
    """

    name: str
    tools: tuple[RemoteTool, ...] = ()
    protocol: str | None = None
    checked_at: datetime | None = None
    changed_at: datetime | None = None
    error: str | None = None
    drifted: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """How a server's list differs from the one before."""

    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]

    @property
    def breaking(self) -> tuple[str, ...]:
        """What pipelines may feel."""
        return (*self.changed, *self.removed)

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed)


def drift(before: Sequence[RemoteTool], now: Sequence[RemoteTool]) -> Drift:
    """The difference between two lists, by name and fingerprint."""
    old, new = ({tool.name: tool.fingerprint for tool in tools} for tools in (before, now))
    return Drift(
        added=tuple(sorted(set(new) - set(old))),
        changed=tuple(sorted(name for name in set(new) & set(old) if new[name] != old[name])),
        removed=tuple(sorted(set(old) - set(new))),
    )


class McpStore(Protocol):
    """What is known of servers, inside a unit of work."""

    def all(self) -> list[Known]:
        """Of every server that was ever asked, by name."""

    def get(self, name: str, *, lock: bool = False) -> Known | None:
        """Of one; `lock` holds its row until the unit ends."""

    def save(self, known: Known) -> None:
        """Store it under its name."""

    def forget(self, names: Sequence[str]) -> None:
        """Remove these."""

    def left(self, limit: int) -> list[Left]:
        """Tasks that runs have waited for which have ended, or are gone; the oldest first."""

    def settled(self, left: Left) -> None:
        """Nobody has to look after this one any more."""

    def failed(self, left: Left, at: datetime) -> None:
        """The server could not be told; `failed_at` of the first time stays."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """A task of a server whose run has ended.

    Attributes:
        failed_at: When the server could not be told for the first time.
    """

    run_id: str
    server: str
    task_id: str
    failed_at: datetime | None


def ended_tasks(records: Iterable[Record]) -> set[str]:
    """Tasks of servers whose calls have succeeded, as the journal of the run that made them tells."""
    ended: set[str] = set()
    under_way: dict[tuple[str, Any], str] = {}
    for body in (record.body for record in records if record.kind == "step"):
        call, task = (body["id"], body.get("item")), body.get("again", {}).get("state", {}).get("task")
        match body["status"]:
            case "waiting" if task is not None:
                under_way[call] = task
            case "succeeded" if call in under_way:
                ended.add(under_way.pop(call))
            case "waiting" | "failed":
                under_way.pop(call, None)
    return ended


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteCall:
    """One call of a tool.

    Attributes:
        seconds: How long it may take.
        may_pause: Whether an answer that takes long, or a question, may come back as `Unfinished`.
        state, answers: Where an earlier one did: its state, and what was answered to its questions, by their keys.
        should_stop: Whether nobody wants its answer any more; asked a few times a second.
        progress: Told how far it is, in the server's words.
    """

    tool: str
    arguments: Mapping[str, Any]
    seconds: float
    should_stop: Callable[[], bool] = lambda: False
    progress: Callable[[str], None] = lambda message: None
    may_pause: bool = False
    state: Mapping[str, Any] | None = None
    answers: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a server asks people.

    Attributes:
        schema: JSON Schema of what is to be filled in; None where they are sent to `url` instead.
    """

    key: str
    message: str
    schema: Mapping[str, Any] | None = None
    url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfinished:
    """A call that is to be taken up again later.

    Attributes:
        state: JSON, to be given back.
        questions: What has to be answered before; without any, it is a matter of time.
        pause_seconds: How long to leave the server alone.
        task_id: The task over there; None where the server has kept nothing.
        ends_at: When the server forgets it.
    """

    state: Mapping[str, Any]
    questions: tuple[Question, ...] = ()
    pause_seconds: float = 0.0
    task_id: str | None = None
    ends_at: datetime | None = None


class Remote(Protocol):
    """The connections of this process to servers."""

    def call(self, server: Server, call: RemoteCall) -> Any:
        """What the tool answers, as JSON data, or `Unfinished`; ToolFailed for whatever goes wrong."""

    def cancel(self, server: Server, task_id: str) -> None:
        """Nobody wants a task any more; ToolFailed where the server could not be told."""

    def listed(self, server: Server) -> tuple[str, tuple[RemoteTool, ...]]:
        """The version of the protocol that it speaks, and its tools; ToolFailed where it cannot be asked."""

    def close(self) -> None:
        """End them."""

"""The contexts of an extension, in memory; what it was not granted raises as it does on the platform."""

from __future__ import annotations

import asyncio
import hashlib
import importlib
import inspect
import logging
import re
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Unpack

from ordinaut.api import ApiAnswer, ApiContext
from ordinaut.awaited import Done, EventId
from ordinaut.callers import Caller
from ordinaut.capabilities import Capability
from ordinaut.contexts import (
    BackgroundContext,
    EventsContext,
    Handler,
    MetricsContext,
    NavigationEntry,
    RoutesContext,
    TaskInfo,
    ToolInfo,
    ToolOptions,
    ToolRegistryContext,
)
from ordinaut.dialog import Dialog
from ordinaut.errors import CapabilityDenied, RequestRefused
from ordinaut.events import Event
from ordinaut.testing.assistants import Assistants, asking
from ordinaut.testing.patterns import matches
from ordinaut.tools import Tool, ToolCall

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_ID = re.compile(r"[0-9]{1,13}-[0-9]{1,7}")


@dataclass
class World:
    """What happened: everything the contexts share."""

    caller: Caller
    events: list[Event] = field(default_factory=list)
    handlers: dict[str, Handler] = field(default_factory=dict)
    tools: dict[str, tuple[Tool, Callable[..., Any]]] = field(default_factory=dict)
    tasks: dict[str, asyncio.Task[Any]] = field(default_factory=dict)
    waiting: dict[str, Any] = field(default_factory=dict)
    sockets: list[tuple[str, Callable[..., Any]]] = field(default_factory=list)
    logs: list[tuple[str, str]] = field(default_factory=list)
    answers: dict[tuple[str, str], ApiAnswer] = field(default_factory=dict)
    """Method and path -> what the platform's API answers."""
    asked: list[tuple[str, str, Any]] = field(default_factory=list)
    """What it was asked: method, path, and the query or the body."""
    set_up: bool = False

    def refuse_late(self) -> None:
        """RuntimeError once `setup` is over, when the platform takes in nothing more."""
        if self.set_up:
            raise RuntimeError(
                "Tools, prompts, resources and WebSockets are registered in setup(), which runs in every process"
            )

    def publish(self, topic: str, data: Mapping[str, Any], source: str) -> Event:
        """One more event."""
        identity = f"1700000000000-{len(self.events)}"
        event = Event(id=identity, topic=topic, data=dict(data), published_at=datetime.now(UTC), source=source)
        self.events.append(event)
        return event

    def call(self, name: str, arguments: Mapping[str, Any], dialog: Dialog | None = None) -> Any:
        """What a tool returns; a coroutine where it is async."""
        if name not in self.tools:
            raise RequestRefused("not_found", f"There is no tool named {name}", tool=name)
        tool, func = self.tools[name]
        missing = [one for one in tool.schema.get("required", ()) if one not in arguments]
        if missing:
            raise RequestRefused("bad_request", field=f"arguments.{missing[0]}", issue="It is missing")
        call = ToolCall(
            arguments=arguments,
            idempotency_key="test:call",
            deadline=float("inf"),
            caller=self.caller,
            log=lambda level, message: self._log(level, message, dialog),
            should_stop=lambda: False,
            dialog=dialog or Dialog(),
        )
        given = {**arguments, "call": call} if "call" in inspect.signature(func).parameters else arguments
        return func(**given)

    def _log(self, level: str, message: str, dialog: Dialog | None) -> None:
        self.logs.append((level, message))
        if dialog is not None and dialog.on_log is not None:
            dialog.on_log(level, message)


class Tools(ToolRegistryContext):
    """See `ordinaut.contexts.ToolRegistryContext`."""

    def __init__(self, extension_id: str, world: World) -> None:
        self._prefix = f"ext.{extension_id}."
        self._world = world

    def register_tool(
        self, name: str, func: Callable[..., Any], schema: Mapping[str, Any], **options: Unpack[ToolOptions]
    ) -> None:
        """Note the tool."""
        self._world.refuse_late()
        full = self._prefix + name
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} cannot be a tool's name: lower-case letters, digits and _, a letter first")
        if full in self._world.tools:
            raise ValueError(f"There is already a tool named {full}")
        if schema.get("type") != "object":
            raise ValueError(f"The schema of {full} must say `type: object`")
        if unknown := sorted(set(options) - set(ToolOptions.__annotations__)):
            raise TypeError(f"{full} has no option {unknown[0]}; see ToolOptions")
        described: dict[str, Any] = {"description": (inspect.getdoc(func) or full).split("\n")[0], **options}
        self._world.tools[full] = Tool(name=full, schema=schema, run=lambda call: None, **described), func

    def list_tools(self) -> list[ToolInfo]:
        """The extension's own; there are no others here."""
        return [self.get_tool(name) for name in sorted(self._world.tools)]

    def get_tool(self, name: str) -> ToolInfo:
        """One of them."""
        if name not in self._world.tools:
            raise RequestRefused("not_found", f"There is no tool named {name}", tool=name)
        tool = self._world.tools[name][0]
        return ToolInfo(
            name=tool.name,
            description=tool.description,
            parameters=tool.schema,
            output_schema=tool.output_schema,
            expose_to_mcp=tool.expose_to_mcp,
            mcp_name=tool.mcp_name,
            returns_content=tool.returns_content,
            starts_run=tool.starts_run,
            tasks_only=tool.tasks_only,
        )

    def invoke(self, name: str, arguments: Mapping[str, Any], dialog: Dialog | None = None) -> Any:
        """Call it."""
        with asking(name, dialog):
            answer = self._world.call(name, arguments, dialog)
            return asyncio.run(_awaited(answer)) if inspect.isawaitable(answer) else answer


class Events(EventsContext):
    """See `ordinaut.contexts.EventsContext`."""

    def __init__(self, extension_id: str, grants: frozenset[Capability], world: World) -> None:
        self._source = f"ext:{extension_id}"
        self._grants = grants
        self._world = world

    def publish(self, stream: str, data: Mapping[str, Any]) -> EventId:
        """Note the event."""
        _require(Capability.EVENTS_PUB, self._grants)
        return EventId(self._world.publish(stream, data, self._source).id)

    def subscribe(self, pattern: str, handler: Handler) -> Done:
        """Note the handler; `Harness.publish` calls it."""
        _require(Capability.EVENTS_SUB, self._grants)
        self._world.handlers[pattern] = handler
        return Done()

    def unsubscribe(self, pattern: str) -> Done:
        """Forget it."""
        _require(Capability.EVENTS_SUB, self._grants)
        self._world.handlers.pop(pattern, None)
        return Done()

    def listen(self, pattern: str, last_id: str | None = None, *, idle_seconds: float = 15.0) -> Iterator[Event | None]:
        """What has been published so far, and one silence; then it ends, as a stopping process would end it."""
        _require(Capability.EVENTS_SUB, self._grants)
        if last_id is not None and _ID.fullmatch(last_id) is None:
            raise RequestRefused("bad_request", field="Last-Event-ID", issue="It is not the id of an event")
        seen = [event for event in self._world.events if matches(pattern, event.topic)]
        return iter([*(event for event in seen if last_id is None or _order(event.id) > _order(last_id)), None])

    def recent(self, pattern: str, count: int = 20) -> list[Event]:
        """The last ones."""
        _require(Capability.EVENTS_SUB, self._grants)
        return [event for event in self._world.events if matches(pattern, event.topic)][-count:]


class Background(BackgroundContext):
    """See `ordinaut.contexts.BackgroundContext`."""

    def __init__(self, world: World) -> None:
        self._world = world

    def start_task(self, name: str, coro: Coroutine[Any, Any, Any] | Callable[[], Coroutine[Any, Any, Any]]) -> Done:
        """Keep it until `Harness.run` gives it time."""
        self._world.waiting[name] = coro() if callable(coro) else coro
        return Done()

    def stop_task(self, name: str) -> Done:
        """Cancel it."""
        waiting = self._world.waiting.pop(name, None)
        if waiting is not None:
            waiting.close()
        task = self._world.tasks.get(name)
        if task is not None:
            task.cancel()
        return Done()

    def list_tasks(self) -> list[TaskInfo]:
        """Those that were started."""
        waiting = [TaskInfo(name=name, status="starting") for name in self._world.waiting]
        begun = [TaskInfo(name=name, status=_status(task)) for name, task in self._world.tasks.items()]
        return sorted(waiting + begun, key=lambda task: task.name)


class Routes(RoutesContext):
    """See `ordinaut.contexts.RoutesContext`."""

    def __init__(self, world: World, mount_path: str, grants: frozenset[Capability]) -> None:
        self._world = world
        self._mount_path = mount_path
        self._grants = grants

    def event_stream(self, frames: Iterable[bytes | str | None]) -> Any:
        """A response with the frames, None among them as a comment."""
        sent = (": heartbeat\n\n" if frame is None else frame for frame in frames)
        return importlib.import_module("flask").Response(sent, mimetype="text/event-stream")

    def websocket(self, rule: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Note the view; `Harness.websocket` calls it."""
        self._world.refuse_late()

        def decorate(view: Callable[..., Any]) -> Callable[..., Any]:
            self._world.sockets.append((rule, view))
            return view

        return decorate

    def static_url(self, name: str) -> str:
        """The plain address."""
        _require(Capability.STATIC, self._grants)
        return f"{self._mount_path}/static/{name}"

    def caller(self) -> Caller:
        """The harness's."""
        return self._world.caller


class Api(ApiContext):
    """See `ordinaut.api.ApiContext`: what `World.answers` has for the method and the path, else 404."""

    def __init__(self, world: World) -> None:
        self._world = world

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        json: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> ApiAnswer:
        """Note the request, and give the answer that the test has laid out."""
        self._world.asked.append((method, path, query or json or {}))
        missing = ApiAnswer(status=404, data={"error": "not_found", "message": "Not found", "details": {}})
        return self._world.answers.get((method, path), missing)


class Metrics(MetricsContext):
    """See `ordinaut.contexts.MetricsContext`."""

    def exposition(self) -> str:
        """There are none."""
        return ""


class Context:
    """See `ordinaut.ExtensionContext`."""

    def __init__(self, extension_id: str, grants: frozenset[Capability], world: World) -> None:
        self.id = extension_id
        self.mount_path = f"/ext/{extension_id}"
        self.grants = grants
        self.logger = logging.getLogger(f"ordinaut.ext.{extension_id}")
        self.metrics = Metrics()
        self._tools = Tools(extension_id, world)
        self._assistants = Assistants(lambda: world.caller, world.refuse_late)
        self._events = Events(extension_id, grants, world)
        self._background = Background(world)
        self._routes = Routes(world, self.mount_path, grants)
        self._api = Api(world)

    @property
    def tool_registry(self) -> Tools:
        """TOOLS."""
        _require(Capability.TOOLS, self.grants)
        return self._tools

    @property
    def assistants(self) -> Assistants:
        """TOOLS."""
        _require(Capability.TOOLS, self.grants)
        return self._assistants

    @property
    def events(self) -> Events:
        """EVENTS_PUB or EVENTS_SUB; each method says which of the two it needs."""
        return self._events

    @property
    def background(self) -> Background:
        """BACKGROUND_TASKS."""
        _require(Capability.BACKGROUND_TASKS, self.grants)
        return self._background

    @property
    def routes(self) -> Routes:
        """ROUTES."""
        _require(Capability.ROUTES, self.grants)
        return self._routes

    @property
    def api(self) -> Api:
        """ROUTES."""
        _require(Capability.ROUTES, self.grants)
        return self._api

    def translate(self, message: str, **values: object) -> str:
        """In English."""
        return message.format_map(values) if values else message

    def keys(self, purpose: str) -> Sequence[bytes]:
        """One for each purpose."""
        return (hashlib.sha256(f"{self.id} {purpose}".encode()).digest(),)

    def translate_count(self, one: str, many: str, count: int, /, **values: object) -> str:
        """In English."""
        return (one if count == 1 else many).format_map({**values, "count": f"{count:,}"})

    def languages(self) -> Sequence[str]:
        """Those of the platform."""
        return ("en", "ro", "ru")

    def navigation(self) -> Sequence[NavigationEntry]:
        """There are no others."""
        return ()


def _require(capability: Capability, grants: frozenset[Capability]) -> None:
    if capability not in grants:
        raise CapabilityDenied(capability, grants)


def _status(task: asyncio.Task[Any]) -> str:
    if not task.done():
        return "running"
    if task.cancelled():
        return "stopped"
    return "failed" if task.exception() else "finished"


def _order(event_id: str) -> tuple[int, ...]:
    return tuple(int(part) for part in event_id.split("-"))


async def _awaited(answer: Any) -> Any:
    return await answer

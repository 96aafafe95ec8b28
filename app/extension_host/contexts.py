"""What an extension holds in its hands: each part looks at the grants before it does anything."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar, Unpack

from app.domain.access import extension_caller, sees_all
from app.domain.errors import NotFound
from app.domain.events import TopicPattern
from app.domain.texts import t
from app.extension_host.assistants import GrantedAssistants
from app.extension_host.cause import caller_here, speaking
from app.extension_host.doors import Doors, EventsDoor, Invoke, RunnerDoor, ToolShelf, WebDoor, WorkDoor
from app.extension_host.grants import require
from app.extension_host.registry import Record
from app.extension_host.tools import info_of, tool_of
from app.extension_host.voice import Voice
from app.languages.catalogue import LANGUAGES
from ordinaut import Caller, Capability, Dialog, Event, NavigationEntry, RequestRefused, TaskInfo, Tool, ToolInfo
from ordinaut.api import ApiAnswer, ApiContext
from ordinaut.awaited import Done, EventId
from ordinaut.contexts import Handler, RoutesContext, ToolOptions

D = TypeVar("D")
Grants = frozenset[Capability]
EVENTS = frozenset({Capability.EVENTS_PUB, Capability.EVENTS_SUB})


class GrantedTools:
    """`context.tool_registry`; what `setup` registers is kept back until the whole of it has succeeded."""

    def __init__(
        self, extension_id: str, tools: ToolShelf, invoke: Invoke | None, caller: Callable[[], Caller]
    ) -> None:
        self._id = extension_id
        self._tools = tools
        self._invoke = invoke
        self._caller = caller
        self._kept: dict[str, Tool] | None = {}
        self._mine: list[Tool] = []

    def register_tool(
        self, name: str, func: Callable[..., Any], schema: Mapping[str, Any], **options: Unpack[ToolOptions]
    ) -> None:
        """See `ordinaut.contexts.ToolRegistryContext`."""
        if self._kept is None:
            # Later on it would be there in this one process, and unknown to all the others.
            raise RuntimeError(t("Tools are registered in setup(), which runs in every process"))
        tool = tool_of(self._id, name, func, schema, options)
        if tool.name in self._kept:
            raise ValueError(t("There is already a tool named {name}", name=tool.name))
        if tool.mcp_name and any(tool.mcp_name in (one.name, one.mcp_name) for one in self._known()):
            raise ValueError(t("There is already a tool named {name}", name=tool.mcp_name))
        self._tools.check(tool)
        self._kept[tool.name] = tool

    def _known(self) -> Iterator[Tool]:
        yield from self._tools.all()
        yield from (self._kept or {}).values()

    def list_tools(self) -> list[ToolInfo]:
        """See `ordinaut.contexts.ToolRegistryContext`."""
        return [info_of(tool) for tool in self._tools.all()]

    def get_tool(self, name: str) -> ToolInfo:
        """See `ordinaut.contexts.ToolRegistryContext`."""
        for tool in self._mine:
            if tool.name == name:
                return info_of(tool)
        try:
            return info_of(self._tools.get(name))
        except NotFound as error:
            raise RequestRefused(error.code, error.message, **error.details) from error

    def invoke(self, name: str, arguments: Mapping[str, Any], dialog: Dialog | None = None) -> Any:
        """See `ordinaut.contexts.ToolRegistryContext`."""
        if self._invoke is None:
            raise RequestRefused("conflict", t("Tools cannot be called from here"))
        with speaking(dialog):
            return self._invoke(name, arguments, self._caller())

    def publish_kept(self) -> None:
        """Setup succeeded: what it registered becomes callable."""
        kept, self._kept = self._kept or {}, None
        for tool in kept.values():
            self._tools.add(tool)
            self._mine.append(tool)

    @property
    def mine(self) -> tuple[Tool, ...]:
        """The extension's own tools that can be called."""
        return tuple(self._mine)


class GrantedEvents:
    """`context.events`."""

    def __init__(
        self,
        extension_id: str,
        grants: Grants,
        events: EventsDoor | None,
        runner: RunnerDoor | None,
        caller: Callable[[], Caller],
    ) -> None:
        self._caller = caller
        self._id = extension_id
        self._grants = grants
        self._door = events
        self._runner = runner

    def publish(self, stream: str, data: Mapping[str, Any]) -> EventId:
        """See `ordinaut.contexts.EventsContext`."""
        require(Capability.EVENTS_PUB, self._grants)
        door = _open(self._door, t("Events cannot be published from here"))
        return EventId(door.publish(stream, data, source=f"ext:{self._id}").event.id)

    def subscribe(self, pattern: str, handler: Handler) -> Done:
        """See `ordinaut.contexts.EventsContext`."""
        require(Capability.EVENTS_SUB, self._grants)
        door = _at_work(self._runner, t("Subscriptions are made in on_startup, on the worker side"))
        door.subscribe(self._id, pattern, handler)
        return Done()

    def unsubscribe(self, pattern: str) -> Done:
        """See `ordinaut.contexts.EventsContext`."""
        require(Capability.EVENTS_SUB, self._grants)
        door = _at_work(self._runner, t("Subscriptions are ended on the worker side"))
        door.unsubscribe(self._id, pattern)
        return Done()

    def listen(self, pattern: str, last_id: str | None = None, *, idle_seconds: float = 15.0) -> Iterator[Event | None]:
        """See `ordinaut.contexts.EventsContext`."""
        require(Capability.EVENTS_SUB, self._grants)
        door = _open(self._door, t("Events cannot be read from here"))
        return door.listen(self._open(pattern), last_id, idle_seconds=idle_seconds)

    def recent(self, pattern: str, count: int = 20) -> list[Event]:
        """See `ordinaut.contexts.EventsContext`."""
        require(Capability.EVENTS_SUB, self._grants)
        return list(_open(self._door, t("Events cannot be read from here")).recent(self._open(pattern), count))

    def _open(self, pattern: str) -> str | TopicPattern:
        """The pattern, for what the caller may hear: news of everybody's tasks are for who may see these."""
        caller = self._caller()
        may = caller == extension_caller(self._id) or sees_all(caller)
        return pattern if may else TopicPattern.parse(pattern).without_platform()


class GrantedBackground:
    """`context.background`."""

    def __init__(self, extension_id: str, work: WorkDoor | None, runner: RunnerDoor | None) -> None:
        self._id = extension_id
        self._work = work
        self._runner = runner

    def start_task(self, name: str, coro: Any) -> Done:
        """See `ordinaut.contexts.BackgroundContext`."""
        if self._runner is None:
            if inspect.iscoroutine(coro):
                coro.close()
            raise RequestRefused("conflict", t("Background tasks are started in on_startup, on the worker side"))
        self._runner.start_task(self._id, name, coro)
        return Done()

    def stop_task(self, name: str) -> Done:
        """See `ordinaut.contexts.BackgroundContext`."""
        if self._runner is not None:
            self._runner.stop_task(self._id, name)
        else:
            _open(self._work, t("Background tasks cannot be stopped from here")).stop_task(self._id, name)
        return Done()

    def list_tasks(self) -> list[TaskInfo]:
        """See `ordinaut.contexts.BackgroundContext`."""
        return _open(self._work, t("Background tasks cannot be listed from here")).tasks(self._id)


class WorkerRoutes:
    """`context.routes` where nothing is served: `setup` runs the same, and nobody ever calls what it decorates."""

    def __init__(self, extension_id: str) -> None:
        self._id = extension_id
        self._closed = False

    def event_stream(self, frames: object) -> Any:
        """There is no client to stream to."""
        raise RequestRefused("conflict", t("Streams are served by the web process"))

    def websocket(self, rule: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """The view as it is."""
        refuse_late(closed=self._closed)
        return lambda view: view

    def static_url(self, name: str) -> str:
        """The plain address: nobody looks at pages here."""
        return f"/ext/{self._id}/static/{name}"

    def close(self) -> None:
        """Setup is over."""
        self._closed = True

    def caller(self) -> Caller:
        """For whom this code is at work."""
        return caller_here() or extension_caller(self._id)


class NoApi(ApiContext):
    """`context.api` where no requests come in."""

    def request(self, method: str, path: str, **_: Any) -> ApiAnswer:
        """There is nobody to call for."""
        raise RequestRefused("conflict", t("The API is called for the sender of a request, and here is none"))


class Exposition:
    """`context.metrics`."""

    def __init__(self, exposition: Callable[[], str]) -> None:
        self._exposition = exposition

    def exposition(self) -> str:
        """See `ordinaut.contexts.MetricsContext`."""
        return self._exposition()


class GrantedContext:
    """The context of one extension; a part without its grant is not made, and touching it raises CapabilityDenied."""

    def __init__(
        self,
        record: Record,
        grants: Grants,
        doors: Doors,
        web: WebDoor | None = None,
        entries: Callable[[], Sequence[Record]] = tuple,
    ) -> None:
        source = doors if web is None else web
        self._entries = entries
        self._speaker: Callable[[Path | None], Voice] = lambda folder: Voice(folder, source.catalogue, source.language)
        self._voices: dict[str, Voice] = {}
        self._id = record.id
        self._grants = grants
        self._keys = doors.keys
        self._logger = logging.getLogger(f"ordinaut.ext.{record.id}")
        self._metrics = Exposition(doors.exposition)
        self._voice = Voice(record.place.folder, source.catalogue, source.language)
        if Capability.ROUTES in grants:
            self._routes: RoutesContext = WorkerRoutes(record.id) if web is None else web.routes(record.id)
            self._api: ApiContext = NoApi() if web is None else web.api()

        def caller() -> Caller:
            """For whom this code is at work: code that nobody has asked for is at work for itself."""
            return caller_here() or (web.caller() if web else None) or extension_caller(record.id)

        if Capability.TOOLS in grants:
            self._tools = GrantedTools(record.id, doors.tools, doors.invoke, caller)
            self._assistants = GrantedAssistants(doors.offers, doors.tools.all, caller)
        if grants & EVENTS:
            self._events = GrantedEvents(record.id, grants, doors.events, doors.runner, caller)
        if Capability.BACKGROUND_TASKS in grants:
            self._background = GrantedBackground(record.id, doors.work, doors.runner)

    @property
    def id(self) -> str:
        """See `ordinaut.ExtensionContext`."""
        return self._id

    @property
    def mount_path(self) -> str:
        """See `ordinaut.ExtensionContext`."""
        return f"/ext/{self._id}"

    @property
    def grants(self) -> Grants:
        """See `ordinaut.ExtensionContext`."""
        return self._grants

    @property
    def logger(self) -> logging.Logger:
        """See `ordinaut.ExtensionContext`."""
        return self._logger

    @property
    def metrics(self) -> Exposition:
        """See `ordinaut.ExtensionContext`."""
        return self._metrics

    @property
    def tool_registry(self) -> GrantedTools:
        """TOOLS."""
        require(Capability.TOOLS, self._grants)
        return self._tools

    @property
    def assistants(self) -> GrantedAssistants:
        """TOOLS."""
        require(Capability.TOOLS, self._grants)
        return self._assistants

    @property
    def events(self) -> GrantedEvents:
        """EVENTS_PUB or EVENTS_SUB; each method needs its own of the two, and says which."""
        if not self._grants & EVENTS:
            return GrantedEvents(self._id, self._grants, None, None, lambda: extension_caller(self._id))
        return self._events

    @property
    def background(self) -> GrantedBackground:
        """BACKGROUND_TASKS."""
        require(Capability.BACKGROUND_TASKS, self._grants)
        return self._background

    @property
    def routes(self) -> RoutesContext:
        """ROUTES."""
        require(Capability.ROUTES, self._grants)
        return self._routes

    @property
    def api(self) -> ApiContext:
        """ROUTES."""
        require(Capability.ROUTES, self._grants)
        return self._api

    def translate(self, message: str, **values: object) -> str:
        """See `ordinaut.ExtensionContext`."""
        return self._voice.say(message, **values)

    def keys(self, purpose: str) -> Sequence[bytes]:
        """See `ordinaut.ExtensionContext`."""
        return self._keys(f"extension {self._id} {purpose}")

    def translate_count(self, one: str, many: str, count: int, /, **values: object) -> str:
        """See `ordinaut.ExtensionContext`."""
        return self._voice.say_count(one, many, count, **values)

    def languages(self) -> Sequence[str]:
        """See `ordinaut.ExtensionContext`."""
        return LANGUAGES

    def navigation(self) -> Sequence[NavigationEntry]:
        """See `ordinaut.ExtensionContext`."""
        return sorted((self._entry(one) for one in self._entries()), key=lambda one: one.title.casefold())

    def _entry(self, record: Record) -> NavigationEntry:
        assert record.navigation is not None
        if record.id not in self._voices:
            self._voices[record.id] = self._speaker(record.place.folder)
        return replace(record.navigation, title=self._voices[record.id].say(record.navigation.title))


def refuse_late(*, closed: bool) -> None:
    """RuntimeError once setup is over: what begins to listen then is there in one process and not in the others."""
    if closed:
        raise RuntimeError(t("WebSockets are declared in setup(), which runs in every process"))


def close_setup(context: GrantedContext) -> None:
    """Setup succeeded: its tools become callable, and nothing more is registered."""
    if (tools := tools_in(context)) is not None:
        context.assistants.publish_kept()
        tools.publish_kept()
    if Capability.ROUTES in context.grants and isinstance(context.routes, WorkerRoutes):
        context.routes.close()


def tools_in(context: GrantedContext) -> GrantedTools | None:
    """The tools of a context; None where it may have none."""
    return context.tool_registry if Capability.TOOLS in context.grants else None


def _open(door: D | None, closed: str) -> D:
    """The door, or a refusal that says where it is open."""
    if door is None:
        raise RequestRefused("unavailable", closed)
    return door


def _at_work(door: D | None, elsewhere: str) -> D:
    """The door; where there is none the author's code is wrong, and trying again would not help."""
    if door is None:
        raise RequestRefused("conflict", elsewhere)
    return door

"""What has changed, told to whoever has asked to hear of it (`subscriptions/listen`).

The platform's own events say it, and they reach every process; one thread in each reads them, for as long as somebody
listens there. A change is told as "look again": nothing is numbered, and nothing is kept for a client that has left.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import mcp_types as types
from mcp.server import ServerRequestContext
from mcp.server.subscriptions import ListenHandler, ResourcesListChanged, ResourceUpdated, ServerEvent, ToolsListChanged
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS

from ordinaut import Caller, Event, ExtensionContext

from .resources import SCHEME, Resources

PATTERN = "task.*, run.*"
READ_ALL = "tasks:read:all"
LISTED = frozenset({"task.created", "task.deleted"})
"""Topics of what makes the list of resources another."""
PUBLISHED = "expose_as_tool"
"""In what is told of a task that is a tool, or is one no more."""
GAP = "ordinaut.gap"
GLANCE_SECONDS = 1.0
SETTLED_SECONDS = 3.0
"""After so long every process of the platform knows that somebody listens; what happened before may be lost."""
MOST_RESOURCES = 50
Context = ServerRequestContext[Any, Any]
Hear = Callable[[Event | None], None]
Deliver = Callable[[ServerEvent], None]


class News:
    """One reader of events for all who listen in this process."""

    def __init__(self, context: ExtensionContext) -> None:
        self._context = context
        self._lock = threading.Lock()
        self._listeners: dict[object, tuple[Hear, Callable[[], None]]] = {}
        self._reading = False

    def join(self, hear: Hear, over: Callable[[], None]) -> Callable[[], None]:
        """Hear of every event from soon on.

        Args:
            hear: Called in the reader's thread; None says that something may have been missed.
            over: Called there when there is no more to come.

        Returns:
            What ends it.
        """
        seat = object()
        with self._lock:
            self._listeners[seat] = (hear, over)
            if not self._reading:
                self._reading = True
                # A bare thread, outside of the request: the extension listens, not whoever happens to be the first.
                threading.Thread(target=self._read, name="mcp-news", daemon=True).start()
        return lambda: self._leave(seat)

    def _leave(self, seat: object) -> None:
        with self._lock:
            self._listeners.pop(seat, None)

    def _read(self) -> None:
        began: float | None = time.monotonic()
        try:
            for event in self._context.events.listen(PATTERN, idle_seconds=GLANCE_SECONDS):
                if not self._wanted():
                    return
                if event is not None:
                    self._tell(None if event.topic == GAP else event)
                if began is not None and time.monotonic() - began > SETTLED_SECONDS:
                    began = None
                    self._tell(None)
        except Exception:
            # A background loop: who listens is told that it is over, and comes back.
            self._context.logger.exception("mcp_http: events cannot be read")
        self._end()

    def _wanted(self) -> bool:
        with self._lock:
            self._reading = bool(self._listeners)
            return self._reading

    def _tell(self, event: Event | None) -> None:
        with self._lock:
            listeners = list(self._listeners.values())
        for hear, _ in listeners:
            hear(event)

    def _end(self) -> None:
        with self._lock:
            listeners, self._listeners = list(self._listeners.values()), {}
            self._reading = False
        for _, over in listeners:
            over()


class Subscriptions:
    """The request `subscriptions/listen`."""

    def __init__(self, context: ExtensionContext, resources: Resources) -> None:
        self._context, self._resources = context, resources
        self._news = News(context)

    async def listen(
        self, asked: Context, params: types.SubscriptionsListenRequestParams
    ) -> types.SubscriptionsListenResult:
        """Tell of changes until the client leaves; what it may not read is left out, as the first frame shows."""
        uris = list(dict.fromkeys(params.notifications.resource_subscriptions or ()))
        if len(uris) > MOST_RESOURCES:
            raise MCPError(INVALID_PARAMS, f"A subscription is for at most {MOST_RESOURCES} resources")
        readable = [uri for uri in uris if await asyncio.to_thread(self._resources.readable, uri)]
        honored = params.notifications.model_copy(update={"resource_subscriptions": readable})
        seat = _Seat(self._news, self._context.routes.caller(), tuple(readable))
        handler = ListenHandler(seat)
        seat.over = handler.close
        return await handler(asked, params.model_copy(update={"notifications": honored}))


@dataclass(slots=True)
class _Seat:
    """The bus of one stream: what its caller may hear, on the loop of its request.

    Attributes:
        over: Ends the stream.
    """

    news: News
    caller: Caller
    uris: tuple[str, ...]
    over: Callable[[], None] = lambda: None

    async def publish(self, event: ServerEvent) -> None:
        """Asked by no handler of ours: there is nothing to add to what the platform tells."""

    def subscribe(self, listener: Deliver) -> Callable[[], None]:
        """As the SDK has it: `listener` is called on the loop that runs now."""
        loop = asyncio.get_running_loop()

        def there(act: Callable[[], None]) -> None:
            with suppress(RuntimeError):  # the loop is closed: the client has left
                loop.call_soon_threadsafe(act)

        def hear(event: Event | None) -> None:
            for change in self._changes(event):
                there(partial(listener, change))

        return self.news.join(hear, lambda: there(self.over))

    def _changes(self, event: Event | None) -> Iterator[ServerEvent]:
        if event is None:
            yield ResourcesListChanged()
            yield ToolsListChanged()
            yield from (ResourceUpdated(uri) for uri in self.uris)
            return
        if event.topic in LISTED and self._sees(event):
            yield ResourcesListChanged()
        if event.topic.startswith("task.") and PUBLISHED in event.data and self._sees(event):
            yield ToolsListChanged()
        about = f"{SCHEME}tasks/{event.data.get('task_id')}"
        if event.topic.startswith("run."):
            about = f"{SCHEME}runs/{event.data.get('run_id')}"
        for uri in self.uris:
            if uri == about or uri.startswith(f"{about}/"):
                yield ResourceUpdated(uri)

    def _sees(self, event: Event) -> bool:
        return self.caller.may(READ_ALL) or event.data.get("created_by") == self.caller.agent_id

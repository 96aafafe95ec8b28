"""What an extension gets in hand. Each part is there only when its capability was granted.

The methods that the founding document prints with `await` do their work when they are called and return a value
that may be awaited: `event_id = await context.events.publish(…)` in a coroutine, the same without `await` elsewhere.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, TypedDict, Unpack

from ordinaut.api import ApiContext
from ordinaut.assistants import AssistantsContext
from ordinaut.callers import Caller
from ordinaut.capabilities import Capability
from ordinaut.dialog import Dialog
from ordinaut.events import Event

Handler = Callable[[Event], Awaitable[None] | None]
"""Called with each event, plain or async; an exception makes the event come again."""


class PublishedId(Protocol):
    """An event's id: a `str` that may be awaited, and is itself then."""

    def __await__(self) -> Any: ...
    def __str__(self) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolInfo:
    """A tool as a catalogue shows it.

    Attributes:
        name: Address for `uses`; an extension's own are `ext.<id>.<name>`.
        description: One or two sentences.
        parameters: JSON Schema of the arguments.
        output_schema: JSON Schema of the answer, where it is known.
        scope: What a caller must hold to call it.
        idempotent, read_only, destructive, open_world: As `ordinaut.Tool` has them.
        expose_to_mcp, mcp_name, returns_content, starts_run, tasks_only: Likewise.
    """

    name: str
    description: str
    parameters: Mapping[str, Any]
    output_schema: Mapping[str, Any] | None = None
    scope: str = "tools:invoke"
    idempotent: bool = False
    read_only: bool = False
    destructive: bool = False
    open_world: bool = False
    expose_to_mcp: bool = False
    mcp_name: str = ""
    returns_content: bool = False
    starts_run: bool = False
    tasks_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskInfo:
    """A background task as it stands in the cluster.

    Attributes:
        name: As it was started.
        status: `starting`, `running`, `restarting`, `finished`, `stopped` or `failed`.
        owner: The worker that holds it; None while nobody does.
        started_at: Of the present attempt.
        restarts: How often it began anew after a crash.
        error: The last crash in one line; None when there was none.
    """

    name: str
    status: str
    owner: str | None = None
    started_at: datetime | None = None
    restarts: int = 0
    error: str | None = None


@dataclass(frozen=True, slots=True)
class NavigationEntry:
    """A way to an extension's pages, as its manifest says.

    Attributes:
        title: In the reader's language, where the extension has it in its `locale`.
        path: Of the page, on this host: it begins with `/ext/`.
    """

    extension_id: str
    title: str
    path: str


class ToolOptions(TypedDict, total=False):
    """What else a tool may say of itself, by keyword; each is as `ordinaut.Tool` has it.

    A tool without `description` is described by the first line of its function's docstring.
    """

    description: str
    output_schema: Mapping[str, Any]
    idempotent: bool
    pure: bool
    scope: str
    read_only: bool
    destructive: bool
    open_world: bool
    expose_to_mcp: bool
    mcp_name: str
    returns_content: bool
    starts_run: bool
    tasks_only: bool
    examples: Sequence[Mapping[str, Any]]


class ToolRegistryContext(Protocol):
    """TOOLS: the one registry that pipelines, REST and assistants share."""

    def register_tool(
        self,
        name: str,
        func: Callable[..., Any],
        schema: Mapping[str, Any],
        **options: Unpack[ToolOptions],
    ) -> None:
        """Add `ext.<id>.<name>`, in `setup`; `func` is called with the arguments by keyword, plain or async.

        `name` has lower-case letters, digits and `_`, and begins with a letter; the platform puts `ext.<id>.` before
        it. A parameter of `func` called `call` gets the `ToolCall`. `options` are those of `ToolOptions`.

        Raises:
            ValueError: The name is none or is taken, the schema is not usable, an example does not fit it, or `func`
                cannot take what the schema requires.
            TypeError: There is no such option.
            RuntimeError: `setup` is over: the tool would be there in one process only.
        """

    def list_tools(self) -> list[ToolInfo]:
        """Every tool of the platform, by name."""

    def get_tool(self, name: str) -> ToolInfo:
        """One tool.

        Raises:
            RequestRefused: `not_found`.
        """

    def invoke(self, name: str, arguments: Mapping[str, Any], dialog: Dialog | None = None) -> Any:
        """Call a tool once, as the caller of the current request, with that caller's scopes.

        Code that no request asked for, such as `setup`, `health` and threads of its own, calls as the extension
        itself, which holds `tools:invoke` alone.

        Args:
            dialog: For whoever can hear of the tool's progress and answer its questions.

        Raises:
            RequestRefused: The tool is unknown, the arguments do not fit, or the caller may not call it.
            ToolFailed: The tool could not do it; without a dialog also where it has a question, `input_required`.
            InputNeeded: It has a question.
        """


class EventsContext(Protocol):
    """EVENTS_PUB and EVENTS_SUB: each method needs the one that it names, and raises CapabilityDenied without it."""

    def publish(self, stream: str, data: Mapping[str, Any]) -> PublishedId:
        """EVENTS_PUB: publish an event on a topic; returns its id once it is stored.

        The work is done when this returns, so both `event_id = context.events.publish(…)` and
        `event_id = await context.events.publish(…)` are right; `str(event_id)` is a plain string.

        Raises:
            Exception: The topic or the data cannot be used, or the store is away; the client gets 400 or 503.
        """

    def subscribe(self, pattern: str, handler: Handler) -> Awaitable[None]:
        """EVENTS_SUB: durable and once in the cluster: in order, at least once, again after a crash.

        For `on_startup`, and for what runs on the worker side later on.

        Raises:
            RequestRefused: `conflict` in a view or in `setup`, and where the pattern has a handler already.
        """

    def unsubscribe(self, pattern: str) -> Awaitable[None]:
        """EVENTS_SUB: end a subscription, on the worker side; how far it had come is forgotten."""

    def listen(self, pattern: str, last_id: str | None = None, *, idle_seconds: float = 15.0) -> Iterator[Event | None]:
        """EVENTS_SUB: events as they come, in this process, for streams; begins after `last_id` when it is given.

        In a request the platform's own news of tasks and runs come only for a caller with `tasks:read:all`.

        Call it in the view and iterate in the generator of the frames: it refuses what it cannot use when it is
        called. Yields None after `idle_seconds` of silence (give it on, `event_stream` knows what it means), and an
        event of the topic `ordinaut.gap` where something is lost. That one has no id, and its `data` has `reason`:
        `trimmed` (history was deleted) or `unknown_id` (there is no such id here), both with the ids `after` and
        `resumes_after`, or `slow` (this reader was), with the number of announcements `lost`. Ends when the process
        is to stop.

        Raises:
            Exception: The pattern or `last_id` cannot be used; the client gets 400.
        """

    def recent(self, pattern: str, count: int = 20) -> list[Event]:
        """EVENTS_SUB: the last stored events, oldest first."""


class BackgroundContext(Protocol):
    """BACKGROUND_TASKS."""

    def start_task(
        self, name: str, coro: Coroutine[Any, Any, Any] | Callable[[], Coroutine[Any, Any, Any]]
    ) -> Awaitable[None]:
        """Run a coroutine under the extension's lease; one that is given as a function can begin anew after a crash.

        For `on_startup`, and for what runs on the worker side later on.

        Raises:
            RequestRefused: `conflict` in a view or in `setup`, and where a task of that name is at work.
        """

    def stop_task(self, name: str) -> Awaitable[None]:
        """Cancel it, wherever it runs, which takes about a second; nothing happens where no such task runs."""

    def list_tasks(self) -> list[TaskInfo]:
        """Those of this extension, in the whole cluster, by name."""


class Socket(Protocol):
    """A WebSocket in a view's hands. Each method raises an exception once the other side has gone or the process is
    to stop; let it pass, or iterate, which then just ends."""

    @property
    def connected(self) -> bool:
        """Whether the other side is still there."""

    def receive(self, timeout: float | None = None) -> str | bytes | None:
        """The next message; None after `timeout` seconds of silence."""

    def send(self, data: str | bytes) -> None:
        """Send a text or a binary message."""

    def receive_json(self, timeout: float | None = None) -> Any:
        """The next message as JSON; None after `timeout` seconds. ValueError when it is none."""

    def send_json(self, value: Any) -> None:
        """Send a value as JSON text."""

    def close(self, code: int | None = None, reason: str | None = None) -> None:
        """End the connection with one of the codes of RFC 6455, section 7.4."""

    def __iter__(self) -> Iterator[str | bytes]:
        """Messages until the other side has gone or the process is to stop."""


class RoutesContext(Protocol):
    """ROUTES."""

    def event_stream(self, frames: Iterable[bytes | str | None]) -> Any:
        """A `text/event-stream` response that counts against the cap on streams and frees its slot at the end.

        A frame is sent as it is. None means silence: a heartbeat is sent where one is due, and a client that has
        left is noticed. So a source should give None every 15 seconds at least, as `context.events.listen` does; with
        `idle_seconds=2` a client's slot is free 2 seconds after it left. The frames are let go of then, and when the
        process is to stop.

        Raises:
            Exception: Too many streams are open; the client gets 503 with `Retry-After`.
        """

    def websocket(self, rule: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Decorator, for `setup`: serve WebSockets at `/ext/<id>/ws<rule>`; RuntimeError once `setup` is over.

        The view, plain or async, is called with a `Socket` and the rule's variables; the connection ends when it
        returns. Sockets count against the same cap as streams, are pinged every 15 seconds, and take messages of
        at most 64 KiB.
        """

    def static_url(self, name: str) -> str:
        """STATIC: address of a file of `static/`, such as `css/page.css`, that browsers may keep for good.

        It has the hash of all files in it, `/ext/<id>/static/~0f3a…/css/page.css`, and is another one once any of them
        has changed; so files that name each other by relative addresses find their own release. The plain address
        `/ext/<id>/static/css/page.css` stays as it is, with an `ETag`.

        Raises:
            ValueError: There is no such file.
        """

    def caller(self) -> Caller:
        """Who sent the current request, or for whom the current tool is called; else the extension itself."""


class MetricsContext(Protocol):
    """The platform's metrics; needs no capability, as `/ext/observability/metrics` is public."""

    def exposition(self) -> str:
        """Everything in Prometheus text format 0.0.4, added up over all processes and machines."""


class ExtensionContext(Protocol):
    """What `setup`, `on_startup` and `on_shutdown` get; touching a part without its grant raises CapabilityDenied.

    Of `events` it is the methods that do, since `publish` needs another grant than the rest.
    """

    @property
    def id(self) -> str:
        """The extension's id."""

    @property
    def mount_path(self) -> str:
        """`/ext/<id>`."""

    @property
    def grants(self) -> frozenset[Capability]:
        """What was granted: asked for, and allowed by manifest or operator."""

    @property
    def logger(self) -> logging.Logger:
        """`ordinaut.ext.<id>`."""

    @property
    def tool_registry(self) -> ToolRegistryContext: ...

    @property
    def assistants(self) -> AssistantsContext: ...

    @property
    def events(self) -> EventsContext: ...

    @property
    def background(self) -> BackgroundContext: ...

    @property
    def routes(self) -> RoutesContext: ...

    @property
    def api(self) -> ApiContext: ...

    @property
    def metrics(self) -> MetricsContext: ...

    def translate(self, message: str, **values: object) -> str:
        """`message` in the reader's language, from the extension's `locale/<language>.po`, else the platform's own."""

    def keys(self, purpose: str) -> Sequence[bytes]:
        """32 bytes that nobody but this installation has, for sealing something that leaves it; the newest first.

        They are the same in all its processes, others for every extension and purpose, and change with
        `ORDINAUT_SECRET_KEYS`; there are none where production has no such keys.
        """

    def translate_count(self, one: str, many: str, count: int, /, **values: object) -> str:
        """A sentence with a number in it: `one` for 1, `many` for any other, in English; other languages have the forms
        that their `.po` file says. `{count}` is written as the language writes numbers: `1,204`, `1.204`, `1 204`.
        """

    def languages(self) -> Sequence[str]:
        """Those there are: `en`, `ro`, `ru`."""

    def navigation(self) -> Sequence[NavigationEntry]:
        """The entries of all extensions that have ROUTES and say `navigation` in their manifests, by title."""

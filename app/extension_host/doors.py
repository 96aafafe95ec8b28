"""What the host hands on to extensions; bootstrap and the web side provide it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Protocol

from app.domain.events import Published, TopicPattern
from app.extension_host.assistants import Offers
from app.extension_host.registry import Record
from app.extension_host.status import LoadBoard, Totals
from app.languages.catalogue import DEFAULT, Catalogue, platform_catalogue
from ordinaut import Caller, Event, TaskInfo, Tool
from ordinaut.api import ApiContext
from ordinaut.contexts import Handler, RoutesContext


class ToolShelf(Protocol):
    """The one registry of tools; `app.tools.registry`."""

    def check(self, tool: Tool) -> None:
        """ValueError when `add` would refuse it."""

    def add(self, tool: Tool) -> None: ...

    def get(self, name: str) -> Tool: ...

    def all(self) -> Sequence[Tool]: ...


class Invoke(Protocol):
    """Calls a tool once and gives its output; the use case of `POST /tools/{name}/invoke`."""

    def __call__(self, name: str, arguments: Mapping[str, Any], caller: Caller) -> Any: ...


class EventsDoor(Protocol):
    """Publishing and reading events; `app.services.events`."""

    def publish(self, topic: str, payload: Mapping[str, Any], *, source: str) -> Published: ...

    def recent(self, pattern: str | TopicPattern, count: int) -> Sequence[Event]: ...

    def listen(
        self, pattern: str | TopicPattern, last_id: str | None, *, idle_seconds: float
    ) -> Iterator[Event | None]: ...


class WorkDoor(Protocol):
    """What any process can know and ask of the worker side; `app.services.extension_work`."""

    def tasks(self, extension_id: str) -> list[TaskInfo]: ...

    def stop_task(self, extension_id: str, name: str) -> bool: ...

    def troubles(self, extension_id: str) -> Sequence[str]:
        """Patterns whose next event is being tried in vain."""

    def health(self, extension_id: str) -> str:
        """`healthy` unless its process or one of its tasks has crashed."""

    def crashes(self) -> Mapping[str, str]:
        """Extension -> why its process ended, of those that wait for another. Never raises."""

    def trouble(self, extension_id: str) -> str | None:
        """Why it is not, in one line, where that is known."""


class RunnerDoor(Protocol):
    """The process that runs an extension's handlers and tasks; there is one in the cluster for each extension."""

    def subscribe(self, extension_id: str, pattern: str, handler: Handler) -> None: ...

    def unsubscribe(self, extension_id: str, pattern: str) -> None: ...

    def start_task(self, extension_id: str, name: str, coro: Any) -> None: ...

    def stop_task(self, extension_id: str, name: str) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Doors:
    """Everything a context leads to. A door that this kind of process does not have is None."""

    tools: ToolShelf
    invoke: Invoke | None = None
    events: EventsDoor | None = None
    work: WorkDoor | None = None
    runner: RunnerDoor | None = None
    offers: Offers = field(default_factory=Offers)
    keys: Callable[[str], Sequence[bytes]] = lambda purpose: ()
    exposition: Callable[[], str] = str
    totals: Callable[[], Mapping[str, Totals]] = dict
    board: LoadBoard | None = None
    catalogue: Callable[[], Catalogue] = field(default_factory=lambda: cache(platform_catalogue))
    language: Callable[[], str] = lambda: DEFAULT


class WebDoor(Protocol):
    """The web side of the host; `app.http.extension_mount`."""

    def routes(self, extension_id: str) -> RoutesContext:
        """What `context.routes` is for this extension."""

    def api(self) -> ApiContext:
        """What `context.api` is."""

    def caller(self) -> Caller | None:
        """Who sent the current request; None outside of one."""

    def language(self) -> str:
        """The reader's language."""

    def catalogue(self) -> Catalogue:
        """The platform's messages, which it has read already."""

    def mount(self, record: Record, page: Any) -> None:
        """Take in what `setup` returned; raises what is wrong with it."""

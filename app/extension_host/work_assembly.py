"""What the process that does an extension's work is put together of; bootstrap does it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from app.domain.extension_work import Pace
from app.services.events import EventService
from ordinaut import Event


class WorkSettings(Protocol):
    """The settings that say how the worker side of extensions keeps time."""

    @property
    def ext_lease_seconds(self) -> float: ...
    @property
    def ext_handler_seconds(self) -> float: ...
    @property
    def ext_handler_attempts(self) -> int: ...
    @property
    def drain_seconds(self) -> float: ...
    @property
    def poll_seconds(self) -> float: ...


def work_pace(settings: WorkSettings) -> Pace:
    """The pace that these settings set."""
    return Pace(
        lease=settings.ext_lease_seconds,
        handler=settings.ext_handler_seconds,
        attempts=settings.ext_handler_attempts,
        drain=settings.drain_seconds,
        poll=settings.poll_seconds,
    )


class StoredEvents:
    """The events of the platform as readers with a cursor see them."""

    def __init__(self, events: EventService) -> None:
        self._events = events
        self.since = events.since
        self.newest = events.newest

    def listen(self, pattern: str) -> Iterator[Event | None]:
        """Something for each event that comes, and now and then None."""
        return self._events.listen(pattern)

"""The wire of an installation without Redis: it reaches the readers of this process, and no others."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Sequence

from app.domain.errors import Unavailable
from app.domain.event_store import Heard
from app.domain.events import StoredEvent
from ordinaut import Event

LENGTH = 1000
POLL_SECONDS = 0.2
"""How often a reader looks into the store for what other processes have published."""


class MemoryBus:
    """See `app.domain.event_store.EventBus`."""

    def __init__(self) -> None:
        self._readers: weakref.WeakSet[MemoryReader] = weakref.WeakSet()

    def top(self) -> int:
        """There are no copies.

        Raises:
            Unavailable: always.
        """
        raise Unavailable("There is no Redis")

    def append(self, events: Sequence[StoredEvent]) -> None:
        """Keep no copies, but wake the readers."""
        for reader in list(self._readers):
            reader.take(stored=True)

    def announce(self, events: Sequence[Event]) -> None:
        """Tell whoever listens in this process."""
        for reader in list(self._readers):
            reader.take(live=events)

    def wanted(self) -> bool:
        """Whether anybody listens to announcements."""
        return any(reader.live for reader in list(self._readers))

    def reader(self) -> MemoryReader:
        """A new ear."""
        reader = MemoryReader()
        self._readers.add(reader)
        return reader


class MemoryReader:
    """See `app.domain.event_store.BusReader`."""

    def __init__(self) -> None:
        self.live = False
        self._woken = threading.Condition()
        self._stored = True
        self._live: list[Event] = []

    def take(self, *, stored: bool = False, live: Sequence[Event] = ()) -> None:
        """Hear of this."""
        with self._woken:
            self._stored = self._stored or stored
            if self.live:
                self._live = [*self._live, *live][-LENGTH:]
            self._woken.notify()

    def wait(self, seconds: float, *, live: bool) -> Heard:
        """Sleep until something comes; other processes' events are looked for five times a second."""
        with self._woken:
            self.live = live
            if not self._stored and not self._live:
                self._woken.wait(min(seconds, POLL_SECONDS))
            heard = Heard(stored=True, live=self._live)
            self._stored, self._live = False, []
            return heard

    def close(self) -> None:
        """There is nothing to hang up."""

"""One thread per process that hears of events and hands them to every reader's own bounded queue."""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from app.domain.clock import Clock
from app.domain.errors import Unavailable
from app.domain.event_store import BusReader, EventBus, EventStore, Heard
from app.domain.events import GAP, PLATFORM, StoredEvent, TopicPattern, event_id, position_of
from app.telemetry import emit
from ordinaut import Event

QUEUE = 1000
"""Events that may wait for one reader."""
PAGE = 500
GLANCE_SECONDS = 0.5
"""How often a waiting thread looks whether the process is stopping."""
POLL_SECONDS = 0.2
"""How often the store is asked while the wire is cut."""
TROUBLE_SECONDS = 1.0

_Item = tuple[int, Event]
"""`(position, event)`; position 0 for announcements."""


class Unit(Protocol):
    """The part of a unit of work that the hub reads."""

    @property
    def events(self) -> EventStore: ...


class Units(Protocol):
    """Opens such units."""

    def __call__(self, *, read_only: bool = False) -> AbstractContextManager[Unit]: ...


class Listener:
    """One reader's events: first those of the history that it has missed, then what comes.

    An iterator for one thread. A reader that is too slow for its queue goes back to the history for what is stored
    and is told, by an event of the topic `ordinaut.gap`, how many announcements it has lost.
    """

    def __init__(self, hub: EventHub, pattern: TopicPattern, cursor: int, idle_seconds: float) -> None:
        self.pattern = pattern
        self._hub = hub
        self._cursor = cursor
        self._idle = idle_seconds
        self._queue: deque[_Item] = deque()
        self._lost = 0
        self._overflowed = False
        self._woken = threading.Condition()
        self._closed = False
        self._ready: Iterator[Event] = iter(())
        self._behind = True

    def put(self, items: Sequence[_Item]) -> None:
        """Take in what this reader's pattern means; the hub's thread calls it."""
        with self._woken:
            for item in items:
                if len(self._queue) >= QUEUE:
                    self._lost += sum(1 for position, _ in self._queue if position == 0)
                    self._queue.clear()
                    self._overflowed = True
                self._queue.append(item)
            self._woken.notify()

    def wake(self) -> None:
        """Let the reader look whether it is to end."""
        with self._woken:
            self._woken.notify()

    def close(self) -> None:
        """End: nothing comes any more."""
        self._closed = True
        self._hub.leave(self)
        self.wake()

    def __iter__(self) -> Listener:
        return self

    def __next__(self) -> Event | None:
        while True:
            if self._closed or self._hub.stopping():
                self.close()
                raise StopIteration
            if (event := next(self._ready, None)) is not None:
                return event
            if self._behind:
                self._catch_up()
                continue
            items = self._taken()
            if items is None:
                continue
            if not items:
                return None
            self._ready = iter(items)

    def _catch_up(self) -> None:
        """The next page of the history."""
        try:
            found, gap = self._hub.history(self._cursor, self.pattern)
        except Unavailable:
            with self._woken:
                self._woken.wait(TROUBLE_SECONDS)
            return
        events = [stored.event for stored in found if self.pattern.matches(stored.event.topic)]
        if gap is not None:
            events.insert(0, self._hub.gap(gap, after=event_id(self._cursor), resumes_after=event_id(gap[1])))
            self._cursor = max(self._cursor, gap[1]) if gap[0] == "trimmed" else gap[1]
        if found:
            self._cursor = found[-1].position
        self._behind = len(found) == PAGE or gap is not None
        self._ready = iter(events)

    def _taken(self) -> list[Event] | None:
        """What has come; nothing after a silence, None where there is another look to be taken."""
        deadline = time.monotonic() + self._idle
        with self._woken:
            while not self._queue and not self._overflowed:
                left = deadline - time.monotonic()
                if self._closed or self._hub.stopping():
                    return None
                if left <= 0:
                    return []
                self._woken.wait(min(left, GLANCE_SECONDS))
            items, lost, overflowed = list(self._queue), self._lost, self._overflowed
            self._queue.clear()
            self._lost, self._overflowed = 0, False
        return self._sorted_out(items, lost, overflowed)

    def _sorted_out(self, items: list[_Item], lost: int, overflowed: bool) -> list[Event] | None:
        events = [self._hub.gap(("slow", 0), lost=lost)] if lost else []
        if overflowed:
            # What is stored is read again from the place this reader has come to.
            self._behind = True
            events += [event for position, event in items if position == 0]
        else:
            for position, event in items:
                if position == 0:
                    events.append(event)
                elif position > self._cursor:
                    self._cursor = position
                    events.append(event)
        return events or None


class EventHub:
    """Hears of events for any number of readers; asks nobody while there are none.

    Args:
        units: Where events are stored: readers get them from there, and are only woken by the wire.
        bus: The wire; while it is cut the store is asked five times a second.
        clock: For announcements of the hub's own.
        stopping: True once the process is to end; readers are then let go within half a second.
    """

    def __init__(
        self, *, units: Units, bus: EventBus, clock: Clock, stopping: Callable[[], bool] = lambda: False
    ) -> None:
        self.stopping = stopping
        self._units = units
        self._bus = bus
        self._clock = clock
        self._begin()
        itself = weakref.ref(self)
        # A forked child has the parent's memory, its locks as they stood, and none of its threads.
        os.register_at_fork(after_in_child=lambda: _begin_again(itself()))

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._listeners: weakref.WeakSet[Listener] = weakref.WeakSet()
        self._somebody = threading.Event()
        self._nudged = threading.Event()
        self._cursor: int | None = None
        self._thread: threading.Thread | None = None

    def listen(self, pattern: TopicPattern, last_id: str | None = None, *, idle_seconds: float = 15.0) -> Listener:
        """A reader from now on, or from after `last_id`; see `Listener`.

        Raises:
            Unavailable: the store does not answer.
        """
        with self._units(read_only=True) as unit:
            newest = unit.events.last()
        cursor = newest if last_id is None else position_of(last_id)
        listener = Listener(self, pattern, cursor, idle_seconds)
        with self._lock:
            # Whatever is committed from here on comes through the queue; what was before, from the history.
            if self._cursor is None:
                self._cursor = newest
            self._listeners.add(listener)
            self._somebody.set()
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="event-hub", daemon=True)
                self._thread.start()
        return listener

    @property
    def readers(self) -> int:
        """How many there are."""
        with self._lock:
            return len(self._listeners)

    @property
    def idle(self) -> bool:
        """Whether it looks at nothing."""
        return self._cursor is None

    def leave(self, listener: Listener) -> None:
        """Forget a reader."""
        with self._lock:
            self._listeners.discard(listener)

    def history(self, position: int, pattern: TopicPattern) -> tuple[Sequence[StoredEvent], tuple[str, int] | None]:
        """The next page after a place, and where history is missing: why, and from where it goes on."""
        with self._units(read_only=True) as unit:
            found = unit.events.after(position, pattern, PAGE)
            # Only then: what is deleted between two statements must not go unnoticed.
            trimmed, last = unit.events.trimmed(), unit.events.last()
        if 0 < position < trimmed:
            return (), ("trimmed", trimmed)
        return (found, None) if position <= last else ((), ("unknown_id", last))

    def gap(self, why: tuple[str, int], **facts: Any) -> Event:
        """The record that tells a reader of what it cannot have."""
        return Event(id="", topic=GAP, data={"reason": why[0], **facts}, published_at=self._clock.now())

    # The thread.

    def _run(self) -> None:
        reader = None
        while not self.stopping():
            if not self._somebody.wait(GLANCE_SECONDS):
                continue
            try:
                reader = reader or self._bus.reader()
                self._look(reader)
            except Exception as error:  # noqa: BLE001 - a background loop outlives whatever store and wire raise
                emit("hub.poll_failed", error=error)
                time.sleep(TROUBLE_SECONDS)
        for listener in self._known():
            listener.wake()
        if reader is not None:
            reader.close()

    def _look(self, reader: BusReader) -> None:
        listeners = self._known()
        if not listeners:
            with self._lock:
                if not self._listeners:
                    self._somebody.clear()
                    self._cursor = None
            return
        heard = self._heard(reader, live=any(_wants_live(listener.pattern) for listener in listeners))
        self._deliver([(0, event) for event in heard.live])
        # The last reader may have left meanwhile, and the store with it.
        if heard.stored and self._known():
            for page in self._news():
                self._deliver(page)

    def _heard(self, reader: BusReader, *, live: bool) -> Heard:
        try:
            return reader.wait(GLANCE_SECONDS, live=live)
        except Unavailable:
            self._nudged.wait(POLL_SECONDS)
            self._nudged.clear()
            return Heard(stored=True)

    def nudge(self) -> None:
        """Something was published in this process: no need to wait for the wire to say so, should it be cut."""
        self._nudged.set()

    def _news(self) -> Iterator[list[_Item]]:
        """Page by page: after a long time without the store there may be more than fits in memory."""
        while self._cursor is not None:
            with self._units(read_only=True) as unit:
                found = unit.events.after(self._cursor, None, PAGE)
            if found:
                self._cursor = found[-1].position
                yield [(stored.position, stored.event) for stored in found]
            if len(found) < PAGE:
                break

    def _deliver(self, items: list[_Item]) -> None:
        # After the cursor has moved: a reader that came meanwhile finds these in the history.
        for listener in self._known():
            mine = [item for item in items if listener.pattern.matches(item[1].topic)]
            if mine:
                listener.put(mine)

    def _known(self) -> list[Listener]:
        with self._lock:
            return list(self._listeners)


def _wants_live(pattern: TopicPattern) -> bool:
    return any(part[0] in ("*", "**") or part[0] in PLATFORM for part in pattern.included)


def _begin_again(hub: EventHub | None) -> None:
    if hub is not None:
        hub._begin()

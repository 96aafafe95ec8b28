"""Publishing events, reading them again, and listening to them as they come."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Any, Protocol

from app.domain.access import sees_all
from app.domain.clock import Clock, to_micros
from app.domain.errors import InvalidInput
from app.domain.events import (
    PLATFORM,
    Batch,
    Draft,
    Published,
    TopicPattern,
    TopicSummary,
    check_free_topic,
    check_topic,
    depth_here,
    event_id,
    position_at,
    position_of,
)
from app.domain.json_size import json_problem
from app.domain.paging import Page
from app.domain.ports import RunQueue, UnitsOfWork
from app.domain.texts import t
from app.services.audit_trail import SYSTEM, Difference, entry
from app.services.lifecycle import Herald
from app.services.publishing import Publisher
from ordinaut import Caller, Event

PAGE = 500
"""Events that are looked at in one transaction while a reader goes through the history."""
TRIM_BATCH = 1000
IDLE_SECONDS = 15.0
BEGINNING = "0-0"
"""The id before every event's."""


class Listening(Protocol):
    """One reader's events as they come; see `EventService.listen`."""

    def __iter__(self) -> Iterator[Event | None]: ...
    def __next__(self) -> Event | None: ...
    def close(self) -> None: ...


class Listen(Protocol):
    """Opens a reader; `app.realtime.events.EventHub.listen`."""

    def __call__(self, pattern: TopicPattern, last_id: str | None, *, idle_seconds: float) -> Listening: ...


class EventService:
    """The use cases of events."""

    def __init__(
        self,
        *,
        units: UnitsOfWork,
        clock: Clock,
        queue: RunQueue,
        publisher: Publisher,
        herald: Herald,
        published: Callable[[], None],
        listen: Listen,
    ) -> None:
        self._units = units
        self._clock = clock
        self._queue = queue
        self._publisher = publisher
        self._herald = herald
        self._published = published
        self._listen = listen

    def publish(
        self,
        topic: str,
        payload: Mapping[str, Any],
        *,
        source: str,
        depth: int | None = None,
        key: str | None = None,
    ) -> Published:
        """Store an event, and with it the runs of the tasks it is for.

        Args:
            source: The agent, or `ext:<id>` of the extension.
            depth: How many events have led to this one; left out, as many as to the run or handler that calls.
            key: Publishing twice under one key gives one event: the first.

        Raises:
            InvalidInput: at `/topic` or `/payload`.
        """
        check_free_topic(topic)
        if issue := json_problem(payload):
            raise InvalidInput.at("/payload", t("'payload' {issue}", issue=issue))
        depth = depth_here() if depth is None else depth
        draft = Draft(topic=topic, data=payload, source=source, depth=depth, key=key)
        # Conditions are evaluated before the lock that all publishers share is taken.
        known = self._publisher.matched([draft])
        with self._units() as unit:
            (published,) = self._publisher.store(unit.events, [draft], known)
            # Under a key the transaction goes on after this one: who hears a bell has to find what it rings for.
            unit.after_commit(self._published)
            if started := len(published.triggered) + published.woken:
                unit.after_commit(lambda: self._queue.ring(min(started, 4)))
        return published

    def announce(self, topic: str, data: Mapping[str, Any]) -> None:
        """Tell something of the platform itself, such as `extension.failed`; stored only for durable readers."""
        check_topic(topic)
        with self._units() as unit:
            self._herald.opened(unit, topic).tell(topic, data)

    def since(self, last_id: str | None, pattern: str | TopicPattern = "**", limit: int = 200) -> Batch:
        """Stored events after `last_id` (from the oldest on, without one), oldest first, up to `limit`.

        A batch may be empty and yet have `more`: go on from its `last_id`, which is past everything that was looked at.

        Raises:
            InvalidInput: at `/topic` or `/last_id`.
        """
        wanted = _pattern(pattern)
        position = 0 if last_id is None else position_of(last_id, "/last_id")
        with self._units(read_only=True) as unit:
            # First: whatever is stored up to there, the next question sees.
            newest = unit.events.last()
            found = unit.events.after(position, wanted, PAGE)
            gap = last_id not in (None, BEGINNING) and position < unit.events.trimmed()
        events: list[Event] = []
        last = position
        for stored in found:
            last = stored.position
            if wanted.matches(stored.event.topic):
                events.append(stored.event)
            if len(events) == limit:
                break
        cut = bool(found) and (last != found[-1].position or len(found) == PAGE)
        # Past other topics' events too, or whoever reads a rare one would be told of a gap when those are deleted.
        return Batch(tuple(events), event_id(last if cut else max(last, newest)), more=cut, gap=gap)

    def newest(self) -> str:
        """Id of the newest event of all; `BEGINNING` before the first."""
        with self._units(read_only=True) as unit:
            return event_id(unit.events.last())

    def recent(self, pattern: str | TopicPattern = "**", count: int = 20) -> list[Event]:
        """The last stored events, oldest first."""
        wanted = _pattern(pattern)
        found: list[Event] = []
        border = (1 << 63) - 1
        while len(found) < count:
            with self._units(read_only=True) as unit:
                page = unit.events.before(border, wanted, PAGE)
            found += [stored.event for stored in page if wanted.matches(stored.event.topic)]
            if len(page) < PAGE:
                break
            border = page[-1].position
        return found[:count][::-1]

    def topics(self, *, limit: int, offset: int, caller: Caller = SYSTEM) -> Page[TopicSummary]:
        """Topics that have stored events and that the caller may hear, by name."""
        without = () if sees_all(caller) else PLATFORM
        with self._units(read_only=True) as unit:
            return unit.events.topics(limit=limit, offset=offset, without=without)

    def cleanup(self, max_age: timedelta, *, caller: Caller = SYSTEM) -> int:
        """Delete the events that are older; how many. Readers that were not yet past them are told of a gap."""
        border = position_at(to_micros(self._clock.now() - max_age))
        total = 0
        while True:
            with self._units() as unit:
                gone = unit.events.trim(border, TRIM_BATCH)
                if gone:
                    told = Difference(before={"deleted": gone, "older_than_seconds": int(max_age.total_seconds())})
                    unit.audit.add(entry(self._clock.now(), caller, "event.deleted", "", told))
            total += gone
            if gone < TRIM_BATCH:
                return total

    def listen(
        self, pattern: str | TopicPattern, last_id: str | None = None, *, idle_seconds: float = IDLE_SECONDS
    ) -> Listening:
        """Events as they come, stored ones and announcements; from after `last_id` on when it is given.

        Yields None after `idle_seconds` of silence, and an event of the topic `ordinaut.gap` where something is lost:
        history that has been deleted, or announcements that this reader was too slow for. Ends when the process is to
        stop. `close` it, or let go of it, when done.

        Raises:
            InvalidInput: at `/topic` or `/Last-Event-ID`.
        """
        if last_id is not None:
            position_of(last_id)
        return self._listen(_pattern(pattern), last_id, idle_seconds=idle_seconds)


def _pattern(pattern: str | TopicPattern) -> TopicPattern:
    return pattern if isinstance(pattern, TopicPattern) else TopicPattern.parse(pattern)

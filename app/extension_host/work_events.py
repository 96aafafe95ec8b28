"""Durable subscriptions at work: each in order, each event at least once, and one that nobody can take is put aside."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, TypeVar

from app.domain.errors import Unavailable
from app.domain.events import MAX_DEPTH, Batch
from app.domain.extension_work import DeadLetter, Pace, Subscription, pause_after
from app.domain.texts import t
from app.extension_host.work_calls import Calls
from app.services.extension_session import ExtensionSession
from app.telemetry import emit
from ordinaut import Event
from ordinaut.contexts import Handler

T = TypeVar("T")
BATCH = 100
"""Events read at once, and the most that are delivered again after a death."""
QUIET_SECONDS = 10.0
"""How often the cursor is written while nothing that matches comes."""
CURSOR_SECONDS = 0.5
"""How long a handled event may go unnoted while others follow."""


class EventSource(Protocol):
    """Stored events, for readers that keep a cursor."""

    def newest(self) -> str:
        """Id of the newest event of all; one before every other while there is none."""

    def since(self, cursor: str, pattern: str, limit: int) -> Batch:
        """Matching events behind the cursor, oldest first."""

    def listen(self, pattern: str) -> Iterator[Event | None]:
        """Something for each event that comes, and now and then None; readers that hear nothing look by themselves."""


class Stopping:
    """Whether the process is to stop; sleeps end when it is."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self._others: list[asyncio.Event] = []

    def set(self) -> None:
        """Stop."""
        for event in (self._event, *self._others):
            event.set()

    def wakes(self, event: asyncio.Event) -> None:
        """Set this one, too, when it is to stop."""
        self._others.append(event)
        if self.is_set():
            event.set()

    def is_set(self) -> bool:
        """Whether it is to stop."""
        return self._event.is_set()

    async def wait(self) -> None:
        """Until it is to stop."""
        await self._event.wait()

    async def sleep(self, seconds: float) -> None:
        """Sleep, or less."""
        try:
            async with asyncio.timeout(seconds):
                await self._event.wait()
        except TimeoutError:
            return


@dataclass(frozen=True, slots=True, kw_only=True)
class Workshop:
    """What every part of the process works with."""

    session: ExtensionSession
    calls: Calls
    pace: Pace
    stopping: Stopping

    async def stored(self, write: Callable[..., T], *arguments: Any) -> T:
        """The value of a visit to the database, however long that is away; LeaseLost goes through."""
        while True:
            try:
                return await asyncio.to_thread(write, *arguments)
            except Unavailable as error:
                emit("extension.work_waiting", extension=self.session.extension_id, error=error)
                await asyncio.sleep(self.pace.poll)


class Reader:
    """One subscription and its handler."""

    def __init__(self, subscription: Subscription, handler: Handler, *, shop: Workshop, events: EventSource) -> None:
        self.handler = handler
        self._stands = subscription
        """As it is stored; `_done` may be ahead of it."""
        self._done = subscription.cursor
        self._noted_at = time.monotonic()
        self._shop = shop
        self._events = events
        self._woken = asyncio.Event()
        self.ended = False
        """Nobody wants to read on; what is under way is finished and not noted."""
        self._careful = BATCH if shop.session.lease.careful else 0
        """Deliveries still to be counted before they are made, since the last process died over one of them."""

    @property
    def pattern(self) -> str:
        """What it reads."""
        return self._stands.pattern

    async def run(self) -> None:
        """Deliver until the process is to stop; what is under way then is finished and noted."""
        self._shop.stopping.wakes(self._woken)
        loop = asyncio.get_running_loop()
        threading.Thread(target=self._hear, args=(loop,), name=f"hears {self.pattern}", daemon=True).start()
        while not self._is_over():
            self._woken.clear()
            news = await self._shop.stored(self._events.since, self._done, self.pattern, BATCH)
            if news.gap:
                emit("extension.events_missed", extension=self._stands.extension_id, pattern=self.pattern)
            if await self._deliver_all(news.events):
                self._done = news.last_id
            # Events of others move the cursor as well, but need not be written down each time.
            if news.events or time.monotonic() > self._noted_at + QUIET_SECONDS:
                await self._note()
            if not (news.events or news.more):
                await self._idle()
        await self._note()

    async def _idle(self) -> None:
        """Until something comes, or it is time to look."""
        try:
            async with asyncio.timeout(self._shop.pace.poll):
                await self._woken.wait()
        except TimeoutError:
            return

    def _hear(self, loop: asyncio.AbstractEventLoop) -> None:
        while not (self._is_over() or loop.is_closed()):
            try:
                return self._wake(loop)
            except Unavailable as error:
                emit("extension.work_waiting", extension=self._stands.extension_id, error=error)
                time.sleep(self._shop.pace.poll)
        return None

    def _wake(self, loop: asyncio.AbstractEventLoop) -> None:
        """Wake the deliveries at each event, until the end."""
        for event in self._events.listen(self.pattern):
            if self._is_over() or loop.is_closed():
                return
            if event is not None:
                loop.call_soon_threadsafe(self._woken.set)

    def _is_over(self) -> bool:
        return self.ended or self._shop.stopping.is_set()

    async def _deliver_all(self, events: Sequence[Event]) -> bool:
        """False when the end came before all were done with."""
        for event in events:
            if not await self._deliver(event):
                return False
        return True

    async def _deliver(self, event: Event) -> bool:
        """Until it is taken or put aside; False when the end came first."""
        while not self._is_over():
            known = self._stands.attempts_at(event.id)
            if known >= self._shop.pace.attempts or event.depth >= MAX_DEPTH:
                await self._put_aside(event)
                return True
            counted = bool(known or self._careful)
            if counted:
                await self._count(event, self._stands.error if known else None)
            hangs = partial(self._hung, event, counted)
            error = await self._shop.calls.deliver(self.handler, event, hangs=hangs)
            if error is None:
                await self._taken(event)
                return True
            if self.ended:
                break
            await (self._explain(error) if counted else self._count(event, error))
            if self._stands.attempts < self._shop.pace.attempts:
                await self._shop.stopping.sleep(pause_after(self._stands.attempts))
        return False

    async def _taken(self, event: Event) -> None:
        self._done = event.id
        self._careful = max(0, self._careful - 1)
        if self._stands.event_id is not None or time.monotonic() > self._noted_at + CURSOR_SECONDS:
            await self._note()

    async def _note(self) -> None:
        if not self.ended and self._done != self._stands.cursor:
            self._stands = await self._shop.stored(self._shop.session.advance, self._stands, self._done)
        self._noted_at = time.monotonic()

    async def _count(self, event: Event, error: str | None) -> None:
        await self._note_before(event)
        self._stands = await self._shop.stored(self._shop.session.attempt, self._stands, event.id, error)

    async def _note_before(self, event: Event) -> None:
        """The cursor stands right before an event that is being tried again."""
        if self._stands.event_id != event.id:
            await self._note()

    async def _explain(self, error: str) -> None:
        self._stands = await self._shop.stored(self._shop.session.explain, self._stands, error)

    def _hung(self, event: Event, counted: bool) -> None:
        """Called by the guard, in its thread, before the process ends."""
        session, late = self._shop.session, self._shop.calls.late
        if counted:
            session.explain(self._stands, late)
        else:
            session.attempt(session.advance(self._stands, self._done), event.id, late)

    async def _put_aside(self, event: Event) -> None:
        error = self._stands.error if self._stands.attempts_at(event.id) else None
        if event.depth >= MAX_DEPTH:
            error = t("Events have led to one another {times} times: the chain ends here", times=MAX_DEPTH)
        error = error or t("The process ended while it handled the event")
        self._stands = await self._shop.stored(self._shop.session.bury, self._stands, event, error)
        self._done = event.id
        self._careful = max(0, self._careful - 1)
        emit(
            "extension.event_buried",
            extension=self._stands.extension_id,
            pattern=self.pattern,
            event_id=event.id,
            why=error,
        )


async def redeliver(letter: DeadLetter, handler: Handler | None, shop: Workshop) -> None:
    """Try a dead letter once more, out of turn."""
    session = shop.session
    letter = await shop.stored(session.retry_letter, letter)
    if handler is None:
        await shop.stored(session.letter_failed, letter, t("There is no handler for this pattern any more"))
        return
    late = shop.calls.late
    error = await shop.calls.deliver(handler, letter.event, hangs=lambda: session.letter_failed(letter, late))
    if error is None:
        await shop.stored(session.letter_delivered, letter)
    else:
        await shop.stored(session.letter_failed, letter, error)

"""What `context.events` and `context.background` lead to in the one process that does an extension's work."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from app.domain.errors import InvalidInput, OrdinautError
from app.domain.events import TopicPattern
from app.domain.texts import t
from app.extension_host.work_calls import tell_failure
from app.extension_host.work_events import EventSource, Reader, Workshop
from app.extension_host.work_tasks import BackgroundTask
from app.services.extension_work import ExtensionWorkService
from ordinaut import RequestRefused
from ordinaut.contexts import Handler

LONGEST_PATTERN = 500
LONGEST_NAME = 200
MOST_ENDED = 100
"""Tasks that have ended and are still told of; an extension may give each of its tasks a name of its own."""


class Runner:
    """See `app.extension_host.doors.RunnerDoor`. `open` comes first, in the loop's own thread.

    Everything may be called from any thread: plain handlers run in threads of their own.
    """

    def __init__(self, *, events: EventSource, work: ExtensionWorkService) -> None:
        self._events = events
        self._work = work
        self._shop: Workshop | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._crashed: Callable[[str], None] = _ignored
        self._reading: set[asyncio.Task[None]] = set()
        self.readers: dict[str, Reader] = {}
        self.tasks: dict[str, BackgroundTask] = {}

    def open(self, shop: Workshop, *, crashed: Callable[[str], None]) -> None:
        """From now on there is somebody to do the work; `crashed` hears why it cannot go on."""
        self._shop, self._crashed = shop, crashed
        self._loop = asyncio.get_running_loop()

    @property
    def nothing_to_do(self) -> bool:
        """Whether there is no subscription, and no task was started."""
        return not self.readers and not self.tasks

    @property
    def reading(self) -> frozenset[asyncio.Task[None]]:
        """The loops of the readers that have not ended."""
        return frozenset(self._reading)

    def subscribe(self, extension_id: str, pattern: str, handler: Handler) -> None:
        """Begin to read.

        Raises:
            RequestRefused: this process works for another extension, the pattern cannot be used, or has a handler.
        """
        shop = self._at_work(extension_id, t("Subscriptions are made in on_startup, on the worker side"))
        if len(pattern) > LONGEST_PATTERN:
            raise RequestRefused("bad_request", t("A pattern has at most {most} characters", most=LONGEST_PATTERN))
        if pattern in self.readers:
            raise RequestRefused("conflict", t("There is a handler for {pattern} already", pattern=pattern))
        with _refused():
            TopicPattern.parse(pattern)
            subscription = shop.session.subscribe(pattern, newest=self._events.newest())
        reader = Reader(subscription, handler, shop=shop, events=self._events)
        self.readers[pattern] = reader
        self._in_loop(lambda: self._read(reader))

    def unsubscribe(self, extension_id: str, pattern: str) -> None:
        """End a subscription; how far it had come is forgotten."""
        shop = self._at_work(extension_id, t("Subscriptions are ended on the worker side"))
        reader = self.readers.pop(pattern, None)
        if reader is not None:
            reader.ended = True
        with _refused():
            shop.session.unsubscribe(pattern)

    def start_task(self, extension_id: str, name: str, coro: Any) -> None:
        """Begin a background task.

        Raises:
            RequestRefused: this process works for another extension, or the name or the work cannot be used.
        """
        try:
            shop = self._at_work(extension_id, t("Background tasks are started in on_startup, on the worker side"))
            self._refuse_unusable(name, coro)
            task = BackgroundTask(name, coro, shop=shop, crashed=self._crashed)
            with _refused():
                shop.session.save_task(task.info, anew=True)
        except RequestRefused:
            if isinstance(coro, Coroutine):
                coro.close()
            raise
        if (known := self.tasks.pop(name, None)) is not None:
            known.replaced = True
        self.tasks[name] = task
        self._in_loop(task.begin)
        self._forget_ended(shop)

    def _forget_ended(self, shop: Workshop) -> None:
        for name in [name for name, task in self.tasks.items() if task.over][:-MOST_ENDED]:
            del self.tasks[name]
            with _refused():
                shop.session.forget_task(name)

    def stop_task(self, extension_id: str, name: str) -> None:
        """Cancel it: here at once, elsewhere in about a second."""
        shop = self._shop
        mine = self.tasks.get(name) if shop is not None and shop.session.extension_id == extension_id else None
        if mine is None:
            self._work.stop_task(extension_id, name)
        else:
            self._in_loop(mine.cancel)

    def _at_work(self, extension_id: str, elsewhere: str) -> Workshop:
        if self._shop is None or self._shop.session.extension_id != extension_id:
            raise RequestRefused("conflict", elsewhere)
        return self._shop

    def _refuse_unusable(self, name: str, coro: Any) -> None:
        if not 0 < len(name) <= LONGEST_NAME:
            raise RequestRefused("bad_request", t("A task's name has 1 to {most} characters", most=LONGEST_NAME))
        if not (isinstance(coro, Coroutine) or callable(coro)):
            raise RequestRefused("bad_request", t("A task is a coroutine, or a function that gives one"))
        known = self.tasks.get(name)
        if known is not None and known.live:
            raise RequestRefused("conflict", t("There is a task {name} already", name=name))

    def _read(self, reader: Reader) -> None:
        task = asyncio.get_running_loop().create_task(reader.run(), name=f"events {reader.pattern}")
        self._reading.add(task)
        task.add_done_callback(self._reading.discard)
        task.add_done_callback(partial(tell_failure, self._crashed))

    def _in_loop(self, step: Callable[[], None]) -> None:
        """Now, where this is the loop's own thread, else as soon as it comes round."""
        assert self._loop is not None
        try:
            here = asyncio.get_running_loop() is self._loop
        except RuntimeError:
            here = False
        if here:
            step()
        else:
            self._loop.call_soon_threadsafe(step)


@contextmanager
def _refused() -> Iterator[None]:
    """The platform's refusals in the words that authors know."""
    try:
        yield
    except InvalidInput as error:
        raise RequestRefused(error.code, error.problems[0].message, issue=error.problems[0].hint) from error
    except OrdinautError as error:
        raise RequestRefused(error.code, error.message, **error.details) from error


def _ignored(_why: str) -> None:
    """Before the doors are open nothing can crash."""

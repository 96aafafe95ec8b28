"""Calling an author's code from the loop of its process, plain or async, and telling in one line how it failed."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import threading
from collections.abc import Awaitable, Callable
from typing import Any

from app.domain.access import extension_caller
from app.extension_host.cause import within
from app.extension_host.registry import without_places
from app.extension_host.work_guard import WorkGuard
from app.telemetry import emit
from ordinaut import Event
from ordinaut.contexts import Handler

GRACE = 1.0
"""Seconds that an async call gets to end once it was cancelled."""


class Calls:
    """Calls handlers of one extension, each under a time limit.

    Args:
        seconds: The limit of each call.
    """

    def __init__(self, extension_id: str, *, seconds: float, guard: WorkGuard) -> None:
        self._extension_id = extension_id
        self._caller = extension_caller(extension_id)
        self._seconds = seconds
        self._guard = guard

    @property
    def late(self) -> str:
        """What is said of a call that took too long."""
        return f"TimeoutError: It took longer than {self._seconds:g} s"

    async def deliver(self, handler: Handler, event: Event, *, hangs: Callable[[], None]) -> str | None:
        """Hand an event over; None when the handler took it, else why not.

        A handler that neither returns nor lets itself be cancelled, as no plain one does, ends the process after
        `hangs` was called.
        """
        # One that was given up while its thread goes on would be at work on two events at once.
        limit = self._seconds if inspect.iscoroutinefunction(handler) else None
        # What it publishes is one event further from the outside than what it was called with.
        with within(self._caller, depth=event.depth + 1), self._guard.watching(self._seconds + GRACE, hangs):
            try:
                async with asyncio.timeout(limit):
                    await call(handler, event)
            except (Exception, SystemExit, asyncio.CancelledError) as error:
                if was_cancelled(error):
                    raise
                emit("extension.handler_failed", extension=self._extension_id, event_id=event.id, error=error)
                return self.late if isinstance(error, TimeoutError) and not str(error) else told(error)
        return None


async def call(function: Callable[..., Any], *arguments: Any) -> Any:
    """The value of a function, awaited where it is awaitable; a plain one runs in a thread."""
    if inspect.iscoroutinefunction(function):
        return await function(*arguments)
    value = await in_thread(lambda: function(*arguments))
    return await value if isinstance(value, Awaitable) else value


def was_cancelled(error: BaseException) -> bool:
    """Whether somebody cancels the present task, rather than that foreign code raised CancelledError by itself."""
    task = asyncio.current_task()
    return isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling() > 0


def tell_failure(crashed: Callable[[str], None], task: asyncio.Task[None]) -> None:
    """A task's callback: what ends it though nobody cancelled it is our own failure, and must be seen by somebody."""
    if not task.cancelled() and (error := task.exception()) is not None:
        crashed(told(error))


def in_thread(function: Callable[[], Any]) -> asyncio.Future[Any]:
    """The function's value, from a thread that the end of the process does not wait for."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Any] = loop.create_future()
    context = contextvars.copy_context()

    def settle(method: Callable[[Any], None], value: Any) -> None:
        if not future.done():
            method(value)

    def work() -> None:
        try:
            done = future.set_result, context.run(function)
        except BaseException as error:  # noqa: BLE001 - it is raised again where the future is awaited
            done = future.set_exception, _carried(error)
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle, *done)

    threading.Thread(target=work, name="extension handler", daemon=True).start()
    return future


def _carried(error: BaseException) -> BaseException:
    # A future refuses to carry it, and would leave its reader waiting for ever.
    return RuntimeError("StopIteration was raised") if isinstance(error, StopIteration) else error


def told(error: BaseException) -> str:
    """An exception in one line, without places on this machine."""
    text = without_places(str(error))
    if isinstance(error, SystemExit):
        text = f"It tried to end the process ({text})"
    name = type(error).__name__
    return f"{name}: {text}" if text else name

"""Calling handlers: plain or async, each failure in one line, and none of them ends the process."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
from collections.abc import Callable
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any, cast

import pytest

from app.domain.events import depth_here
from app.extension_host.cause import caller_here
from app.extension_host.work_calls import Calls
from app.telemetry import Subscriber, attach, detach
from ordinaut import Event
from ordinaut.contexts import Handler

EVENT = Event(id="1-0", topic="shop.paid", data={}, published_at=datetime(2026, 11, 25, tzinfo=UTC), depth=2)


class Watching:
    """A guard that watches nothing and remembers for how long it was asked to."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    @contextmanager
    def watching(self, seconds: float, late: Callable[[], None]) -> Any:
        """Nothing happens."""
        self.seconds.append(seconds)
        yield


def delivered(handler: Handler, *, seconds: float = 5) -> str | None:
    """What comes of one delivery."""
    calls = Calls("shop", seconds=seconds, guard=cast(Any, Watching()))
    return asyncio.run(calls.deliver(handler, EVENT, hangs=lambda: None))


def test_a_plain_handler_runs_in_a_thread_and_an_async_one_in_the_loop() -> None:
    threads: list[bool] = []

    def plain(event: Event) -> None:
        threads.append(threading.current_thread() is threading.main_thread())

    async def asynchronous(event: Event) -> None:
        plain(event)

    assert delivered(plain) is None
    assert delivered(asynchronous) is None
    assert delivered(partial(asynchronous)) is None
    assert threads == [False, True, True]


def test_handlers_work_for_their_extension_and_one_event_deeper() -> None:
    seen: list[tuple[Any, int]] = []

    def plain(event: Event) -> None:
        seen.append((caller_here(), depth_here()))

    async def asynchronous(event: Event) -> None:
        plain(event)

    delivered(plain)
    delivered(asynchronous)
    assert [(caller.agent_id, depth) for caller, depth in seen] == [("ext:shop", 3)] * 2
    assert caller_here() is None and depth_here() == 0


FAILURES = [
    # each row: what is raised, and how it is told
    (lambda: ValueError("no such\norder"), "ValueError: no such order"),
    (KeyError, "KeyError"),
    (lambda: ValueError("a\0b \ud800"), "ValueError: a?b ?"),  # what PostgreSQL stores in no text
    (lambda: OSError("cannot open /srv/shop/secret.txt"), "OSError: cannot open secret.txt"),
    (lambda: SystemExit(3), "SystemExit: It tried to end the process (3)"),
    (asyncio.CancelledError, "CancelledError"),
    (lambda: TimeoutError("the shop did not answer"), "TimeoutError: the shop did not answer"),
    (StopAsyncIteration, "StopAsyncIteration"),
]


@pytest.mark.parametrize(("make", "told"), FAILURES)
def test_a_failure_is_told_in_one_line(
    make: Callable[[], BaseException], told: str, caplog: pytest.LogCaptureFixture
) -> None:
    # Half a character in a captured log line cannot be sent from one process of the tests to another.
    caplog.set_level(logging.CRITICAL + 1, "ordinaut")
    heard: list[str] = []
    hear: Subscriber = lambda event, facts: heard.append(event)  # noqa: E731

    def plain(event: Event) -> None:
        raise make()

    async def asynchronous(event: Event) -> None:
        raise make()

    attach(hear)
    assert [delivered(plain), delivered(asynchronous)] == [told, told]
    detach(hear)
    assert heard == ["extension.handler_failed"] * 2


def test_exiting_in_a_thread_is_a_failure_like_others() -> None:
    assert delivered(lambda event: sys.exit("bye")) == "SystemExit: It tried to end the process (bye)"


def test_a_stop_iteration_does_not_leave_the_loop_waiting() -> None:
    def plain(event: Event) -> None:
        raise StopIteration

    assert delivered(plain) == "RuntimeError: StopIteration was raised"


def test_an_async_handler_is_cancelled_when_its_time_is_up() -> None:
    async def slow(event: Event) -> None:
        await asyncio.sleep(30)

    assert delivered(slow, seconds=0.01) == "TimeoutError: It took longer than 0.01 s"


def test_who_cancels_the_delivery_is_obeyed() -> None:
    async def slow(event: Event) -> None:
        await asyncio.sleep(30)

    async def scene() -> bool:
        calls = Calls("shop", seconds=30, guard=cast(Any, Watching()))
        task = asyncio.create_task(calls.deliver(slow, EVENT, hangs=lambda: None))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        return task.cancelled()

    assert asyncio.run(scene())

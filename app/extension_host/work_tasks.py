"""Background tasks at work: begun, begun anew after a crash, cancelled."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

from app.domain.access import extension_caller
from app.domain.extension_work import pause_after
from app.extension_host.cause import within
from app.extension_host.work_calls import tell_failure, told, was_cancelled
from app.extension_host.work_events import Workshop
from app.telemetry import emit
from ordinaut import TaskInfo

Work = Coroutine[Any, Any, Any] | Callable[[], Coroutine[Any, Any, Any]]
GOOD_LIFE = 60.0
"""Seconds after which a crash counts as the first again."""


class BackgroundTask:
    """One task; its present state is stored at every change.

    Args:
        crashed: Called when it cannot begin anew by itself: what `on_startup` began has to begin anew.
    """

    def __init__(self, name: str, work: Work, *, shop: Workshop, crashed: Callable[[str], None]) -> None:
        session = shop.session
        self.info = TaskInfo(name=name, status="starting", owner=session.owner, started_at=session.clock.now())
        self._work = work
        self._shop = shop
        self._crashed = crashed
        self.replaced = False
        """Another one has its name: how this one ends is nobody's affair."""
        self._stopped = False
        self._under_way = False
        self._failures = 0
        self._task: asyncio.Task[None] | None = None
        self._writing: asyncio.Task[None] | None = None

    @property
    def live(self) -> bool:
        """Whether it is still to be worked on."""
        return not (self._stopped or self.over)

    @property
    def over(self) -> bool:
        """Whether nothing more comes of it."""
        return self._task is not None and self._task.done()

    def begin(self) -> None:
        """Start it, in the loop's own thread."""
        self._task = asyncio.get_running_loop().create_task(self._run(), name=f"background {self.info.name}")
        self._task.add_done_callback(partial(tell_failure, self._crashed))

    def cancel(self, *, stop: bool = True) -> None:
        """End it; with `stop` because somebody asked for it, else because its process ends."""
        self._stopped = stop
        # One that has not taken its first step would end without a word: it sees by itself that it was stopped.
        if self._task is not None and (self._under_way or not stop):
            self._task.cancel()

    async def ended(self) -> None:
        """Wait for its end."""
        if self._task is not None:
            await asyncio.wait([self._task])
        self.abandon()

    def abandon(self) -> None:
        """A coroutine that was never begun would complain; one that has ended does not mind."""
        if inspect.iscoroutine(self._work):
            self._work.close()

    async def _run(self) -> None:
        self._under_way = True
        if not self._stopped:
            with suppress(asyncio.CancelledError):
                await self._lives()
        if self._stopped:
            self.abandon()
            await self._store("stopped")

    async def _lives(self) -> None:
        """One life after another."""
        while True:
            await self._store("running")
            began = self._shop.session.clock.now()
            error = await self._life()
            if self._stopped:
                return
            if error is None:
                await self._store("finished")
                return
            if not callable(self._work):
                await self._store("failed", error)
                self._crashed(f"The background task {self.info.name} crashed: {error}")
                return
            lived = (self._shop.session.clock.now() - began).total_seconds()
            self._failures = 1 if lived > GOOD_LIFE else self._failures + 1
            await self._store("restarting", error)
            await asyncio.sleep(pause_after(self._failures))
            self.info = replace(self.info, restarts=self.info.restarts + 1, started_at=self._shop.session.clock.now())

    async def _life(self) -> str | None:
        """How one life ended: None by itself, else why it crashed."""
        with within(extension_caller(self._shop.session.extension_id)):
            try:
                await (self._work() if callable(self._work) else self._work)
            except (Exception, SystemExit, asyncio.CancelledError) as error:
                if was_cancelled(error):
                    raise
                extension_id = self._shop.session.extension_id
                emit("extension.task_crashed", extension=extension_id, task=self.info.name, error=error)
                return told(error)
        return None

    async def _store(self, status: str, error: str | None = None) -> None:
        self.info = replace(self.info, status=status, error=error or self.info.error)
        if self.replaced:
            return
        if self._writing is not None:
            # What a cancellation cut short is still being written, in a thread: one after the other.
            await asyncio.wait([self._writing])
        write = self._shop.stored(self._shop.session.save_task, self.info)
        self._writing = asyncio.get_running_loop().create_task(write)
        await asyncio.shield(self._writing)

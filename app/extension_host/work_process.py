"""The process that runs one extension: `on_startup`, its handlers and tasks, `on_shutdown`."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from app.domain.errors import LeaseLost, Unavailable
from app.domain.extension_work import CRASHED, FREE, IDLE, Pace, Release
from app.extension_host.host import ExtensionHost
from app.extension_host.registry import Live, State
from app.extension_host.work_calls import GRACE, Calls, call, tell_failure, told
from app.extension_host.work_contexts import Runner
from app.extension_host.work_events import Stopping, Workshop, redeliver
from app.extension_host.work_guard import EXIT_LEASE_LOST, WorkGuard
from app.services.extension_session import ExtensionSession
from app.telemetry import emit

STARTUP_SECONDS = 60.0
ERRAND_SECONDS = 0.5
IDLE_PAUSE = 60.0
BROKEN_PAUSE = 300.0
"""Seconds after which code that could not be loaded is tried again: it is broken until somebody mends it."""
EXIT_CRASHED = 1
EXIT_IDLE = 3
Announce = Callable[[str, Mapping[str, Any]], None]
"""Tells an event of the platform itself; `app.services.events`."""
_RELEASED = {IDLE: EXIT_IDLE, CRASHED: EXIT_CRASHED, FREE: 0}


class _Crash(Exception):
    """Something ended that the extension cannot go on without."""

    def __init__(self, why: str, *, pause: float | None = None) -> None:
        self.why = why
        self.pause = pause
        super().__init__(why)


class WorkProcess:
    """See the module; `run` once."""

    def __init__(
        self,
        *,
        session: ExtensionSession,
        host: ExtensionHost,
        runner: Runner,
        guard: WorkGuard,
        pace: Pace,
        announce: Announce,
    ) -> None:
        self._session = session
        self._host = host
        self._runner = runner
        self._guard = guard
        self._pace = pace
        self._announce = announce
        self._crash: str | None = None
        self._stop_at: float | None = None
        self._deliveries: set[asyncio.Task[None]] = set()

    def run(self) -> int:
        """Work until told to stop or until something crashes; the exit status."""
        try:
            # Not asyncio.run, which waits for every thread that hangs in foreign code.
            how = asyncio.new_event_loop().run_until_complete(self._life())
            mine = self._session.release(how)
            if mine and how.status == CRASHED and self._host.live(self._session.extension_id) is not None:
                # What cannot be loaded is told by whoever loads it.
                self._announce("extension.failed", {"extension_id": self._session.extension_id, "message": how.error})
        except LeaseLost as error:
            emit("extension.lease_lost", extension=self._session.extension_id, why=error.message)
            return EXIT_LEASE_LOST
        except Unavailable:
            # Nothing can be given back to a database that is away: the lease runs out by itself.
            return EXIT_CRASHED
        finally:
            self._guard.finish()
        return _RELEASED[how.status]

    async def _life(self) -> Release:
        self._stopping = Stopping()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        calls = Calls(self._session.extension_id, seconds=self._pace.handler, guard=self._guard)
        shop = Workshop(session=self._session, calls=calls, pace=self._pace, stopping=self._stopping)
        self._runner.open(shop, crashed=self._crashed)
        self._guard.start(orphaned=partial(_call_soon, loop, self._stop))
        await shop.stored(self._session.begin)
        try:
            live = await self._loaded()
            await self._started(live, shop)
        except _Crash as crash:
            self._crashed(crash.why)
            await self._ended(None)
            return _after_crash(crash.why, crash.pause)
        errands = loop.create_task(self._errands(shop))
        errands.add_done_callback(partial(tell_failure, self._crashed))
        if self._runner.nothing_to_do and not self._stopping.is_set():
            # The pause keeps two versions of the code, during a deploy, from waking each other again and again.
            how = Release(status=IDLE, pause=IDLE_PAUSE)
        else:
            await self._stopping.wait()
            how = Release() if self._crash is None else _after_crash(self._crash)
        errands.cancel()
        await self._ended(live)
        return how

    async def _loaded(self) -> Live:
        record = await asyncio.to_thread(self._host.load, self._session.extension_id)
        live = self._host.live(self._session.extension_id)
        if live is None or record is None or record.state is not State.LOADED:
            failure = record.failure if record is not None else None
            why = f"{failure.error_type}: {failure.message}" if failure else "It cannot be loaded"
            raise _Crash(why, pause=BROKEN_PAUSE)
        return live

    async def _started(self, live: Live, shop: Workshop) -> None:
        late = f"on_startup took longer than {STARTUP_SECONDS:g} s"
        with self._guard.watching(STARTUP_SECONDS + GRACE, lambda: self._give_up(late)):
            try:
                async with asyncio.timeout(STARTUP_SECONDS):
                    await call(live.extension.on_startup, live.context)
            except (Exception, SystemExit) as error:
                emit("extension.startup_failed", extension=self._session.extension_id, error=error)
                raise _Crash(f"on_startup: {told(error)}") from error
        ended = await shop.stored(self._session.keep_only, tuple(self._runner.readers))
        for pattern in ended:
            emit("extension.subscription_ended", extension=self._session.extension_id, pattern=pattern)

    def _give_up(self, why: str) -> None:
        self._session.release(_after_crash(why))

    def _stop(self) -> None:
        if self._stop_at is None:
            self._stop_at = time.monotonic()
            self._stopping.set()

    def _crashed(self, why: str) -> None:
        if self._crash is None:
            self._crash = why
            self._stop()

    # What others ask for.

    async def _errands(self, shop: Workshop) -> None:
        """Until cancelled."""
        while True:
            found = await shop.stored(self._session.errands)
            for name in found.stops:
                if (task := self._runner.tasks.get(name)) is not None and task.live:
                    task.cancel()
            if found.letters and not self._deliveries:
                delivery = asyncio.create_task(self._redeliver(found.letters, shop))
                self._deliveries.add(delivery)
                delivery.add_done_callback(self._deliveries.discard)
                delivery.add_done_callback(partial(tell_failure, self._crashed))
            await asyncio.sleep(ERRAND_SECONDS)

    async def _redeliver(self, letters: Any, shop: Workshop) -> None:
        for letter in letters:
            reader = self._runner.readers.get(letter.pattern)
            await redeliver(letter, reader.handler if reader else None, shop)

    # The end.

    async def _ended(self, live: Live | None) -> None:
        """What is under way is finished, `on_shutdown` of what has started runs, and the rest is cancelled.

        All within the drain time.
        """
        self._stop()
        if reading := self._runner.reading | self._deliveries:
            await asyncio.wait(reading, timeout=self._left(0.6))
        with self._guard.watching(self._left(1.0), self._finish_cut_off):
            if live is not None:
                await self._shut_down(live)
            tasks = [task for task in self._runner.tasks.values() if task.live]
            for task in tasks:
                task.cancel(stop=False)
            if tasks:
                await asyncio.wait([asyncio.ensure_future(task.ended()) for task in tasks], timeout=self._left(0.9))

    async def _shut_down(self, live: Live) -> None:
        try:
            async with asyncio.timeout(self._left(0.8)):
                await call(live.extension.on_shutdown, live.context)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - foreign code: it ends all the same
            emit("extension.shutdown_failed", extension=self._session.extension_id, error=error)

    def _finish_cut_off(self) -> None:
        how = Release() if self._crash is None else _after_crash(self._crash)
        self._session.release(how)

    def _left(self, part: float) -> float:
        """Seconds until that part of the drain time is over."""
        began = time.monotonic() if self._stop_at is None else self._stop_at
        return max(0.05, began + self._pace.drain * part - time.monotonic())


def _after_crash(why: str, pause: float | None = None) -> Release:
    return Release(status=CRASHED, error=why, pause=pause)


def _call_soon(loop: asyncio.AbstractEventLoop, step: Callable[[], None]) -> None:
    loop.call_soon_threadsafe(step)

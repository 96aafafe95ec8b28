"""The life of the process that does an extension's work: how each end is told, without a database."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, cast

import pytest

from app.domain.clock import SystemClock
from app.domain.errors import LeaseLost
from app.domain.extension_work import CRASHED, IDLE, Errands, Lease, Pace, Release
from app.extension_host.registry import State
from app.extension_host.work_contexts import Runner
from app.extension_host.work_process import BROKEN_PAUSE, EXIT_CRASHED, EXIT_IDLE, WorkProcess
from ordinaut import TaskInfo

PACE = Pace(lease=30, handler=5, attempts=2, drain=1, poll=0.01)
Startup = Callable[[Runner], None]


class Session:
    """What a session would have stored."""

    extension_id = "shop"
    owner = "w1"
    lease = Lease(extension_id="shop", fence=1, careful=False)
    clock = SystemClock()

    def __init__(self, *, lost: bool = False, errands: Callable[[], Errands]) -> None:
        self.released: list[Release] = []
        self.errands = errands
        self._lost = lost

    def begin(self) -> None:
        """Nothing to be told."""

    def keep_only(self, patterns: Collection[str]) -> list[str]:
        """None has ended."""
        return []

    def save_task(self, task: TaskInfo, *, anew: bool = False) -> None:
        """Nothing is kept."""

    def release(self, how: Release) -> bool:
        """Remember it."""
        self.released.append(how)
        return not self._lost


class Guard:
    """Watches nothing."""

    def start(self, orphaned: Callable[[], None]) -> None:
        """Nothing happens."""

    def finish(self) -> None:
        """Nothing happens."""

    @contextmanager
    def watching(self, seconds: float, late: Callable[[], None]) -> Any:
        """Nothing happens."""
        yield


class Shop:
    """An extension."""

    def __init__(self, runner: Runner, startup: Startup) -> None:
        self._runner = runner
        self._startup = startup
        self.shut_down = False

    async def on_startup(self, context: Any) -> None:
        """As the test says."""
        self._startup(self._runner)

    async def on_shutdown(self, context: Any) -> None:
        """Remember it."""
        self.shut_down = True


class Life:
    """One process, from its start to its end."""

    def __init__(
        self,
        startup: Startup,
        *,
        lost: bool = False,
        errands: Callable[[], Errands] | None = None,
        failure: Any = None,
    ) -> None:
        self.session = Session(lost=lost, errands=errands or (lambda: Errands(stops=(), letters=())))
        self.announced: list[Mapping[str, Any]] = []
        runner = Runner(events=cast(Any, None), work=cast(Any, None))
        self.shop = Shop(runner, startup)
        record = SimpleNamespace(state=State.FAILED if failure else State.LOADED, failure=failure)
        live = None if failure else SimpleNamespace(extension=self.shop, context=None)
        process = WorkProcess(
            session=cast(Any, self.session),
            host=cast(Any, SimpleNamespace(load=lambda extension_id: record, live=lambda extension_id: live)),
            runner=runner,
            guard=cast(Any, Guard()),
            pace=PACE,
            announce=lambda topic, data: self.announced.append(data),
        )
        loop = asyncio.new_event_loop()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(asyncio, "new_event_loop", lambda: loop)
            self.status = process.run()
        self.left = asyncio.all_tasks(loop)
        loop.close()


def test_who_finds_nothing_to_do_says_so() -> None:
    life = Life(lambda runner: None)
    assert (life.status, life.session.released[0].status, life.announced) == (EXIT_IDLE, IDLE, [])
    assert life.shop.shut_down


def failing(ended: list[str]) -> Startup:
    """A start that fails when a task has begun."""

    async def sweep() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("sweep")

    async def broken() -> None:
        raise ValueError("no broom")

    def startup(runner: Runner) -> None:
        runner.start_task("shop", "sweep", sweep)
        runner.start_task("shop", "broken", broken())

    return startup


def test_a_crash_ends_the_rest_in_order_and_is_announced() -> None:
    ended: list[str] = []
    life = Life(failing(ended))
    why = "The background task broken crashed: ValueError: no broom"
    assert (life.status, life.session.released) == (EXIT_CRASHED, [Release(status=CRASHED, error=why)])
    assert [data["message"] for data in life.announced] == [why]
    assert (ended, life.shop.shut_down) == (["sweep"], True)


def test_a_start_that_fails_leaves_nothing_running() -> None:
    ended: list[str] = []
    begun = failing(ended)

    def startup(runner: Runner) -> None:
        begun(runner)
        raise ValueError("closed today")

    life = Life(startup)
    (released,) = life.session.released
    assert (released.status, released.error) == (CRASHED, "on_startup: ValueError: closed today")
    assert life.left == set()
    assert not life.shop.shut_down  # it has never started


def test_the_crash_of_a_process_that_has_lost_its_lease_is_no_news() -> None:
    life = Life(failing([]), lost=True)
    assert (life.status, life.announced) == (EXIT_CRASHED, [])


def test_a_process_that_hears_no_wishes_ends() -> None:
    async def lasting() -> None:
        await asyncio.Event().wait()

    def errands() -> Errands:
        raise LeaseLost("it has passed on")

    life = Life(lambda runner: runner.start_task("shop", "sweep", lasting), errands=errands)
    assert (life.session.released[0].status, life.status) == (CRASHED, EXIT_CRASHED)


def test_code_that_cannot_be_loaded_is_left_alone_for_long() -> None:
    failure = SimpleNamespace(error_type="ImportError", message="no such module")
    life = Life(lambda runner: None, failure=failure)
    assert life.session.released == [Release(status=CRASHED, error="ImportError: no such module", pause=BROKEN_PAUSE)]
    assert life.status == EXIT_CRASHED

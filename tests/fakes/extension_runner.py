"""What the process of an extension is made of, in memory: its session, its guard, and a runner at work in a loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, cast

from app.domain.clock import SystemClock
from app.domain.errors import LeaseLost, Unavailable
from app.domain.events import Batch
from app.domain.extension_work import Lease, Pace, Subscription
from app.extension_host.work_calls import Calls
from app.extension_host.work_contexts import Runner
from app.extension_host.work_events import Stopping, Workshop
from ordinaut import Event, TaskInfo
from tests.servers import wait_for

PACE = Pace(lease=30, handler=5, attempts=2, drain=1, poll=0.01)


class Session:
    """What a session would have stored."""

    extension_id = "shop"
    owner = "w1"
    lease = Lease(extension_id="shop", fence=1, careful=False)
    clock = SystemClock()

    def __init__(self) -> None:
        self.saved: list[TaskInfo] = []
        self.patterns: list[str] = []
        self.forgotten: list[str] = []
        self.away = False
        self.lost = False

    def save_task(self, task: TaskInfo, *, anew: bool = False) -> None:
        """Remember it."""
        if self.away:
            raise Unavailable
        if self.lost:
            raise LeaseLost("it has passed on")
        self.saved.append(task)

    def forget_task(self, name: str) -> None:
        """Remember it."""
        self.forgotten.append(name)

    def subscribe(self, pattern: str, *, newest: str) -> Subscription:
        """Remember it."""
        self.patterns.append(pattern)
        return Subscription(extension_id="shop", pattern=pattern, cursor=newest)

    def unsubscribe(self, pattern: str) -> None:
        """Forget it."""
        self.patterns.remove(pattern)

    def advance(self, subscription: Subscription, cursor: str) -> Subscription:
        """Nothing is kept."""
        return subscription

    def states(self, name: str) -> list[str]:
        """How a task stood, one after another."""
        return [task.status for task in self.saved if task.name == name]


class Silence:
    """A history in which nothing happens."""

    def newest(self) -> str:
        """The beginning."""
        return "0-0"

    def since(self, cursor: str, pattern: str, limit: int) -> Batch:
        """Nothing."""
        return Batch((), cursor)

    def listen(self, pattern: str) -> Iterator[Event | None]:
        """Nothing."""
        return iter(())


class Elsewhere:
    """The service that stops tasks of other processes."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    def stop_task(self, extension_id: str, name: str) -> bool:
        """Remember it."""
        self.asked.append((extension_id, name))
        return True


class Guard:
    """Watches nothing."""

    @contextmanager
    def watching(self, seconds: float, late: Callable[[], None]) -> Any:
        """Nothing happens."""
        yield


class Scene:
    """A runner at work."""

    def __init__(self) -> None:
        self.session = Session()
        self.elsewhere = Elsewhere()
        self.crashes: list[str] = []
        self.runner = Runner(events=Silence(), work=cast(Any, self.elsewhere))
        self.stopping = Stopping()
        calls = Calls("shop", seconds=5, guard=cast(Any, Guard()))
        shop = Workshop(session=cast(Any, self.session), calls=calls, pace=PACE, stopping=self.stopping)
        self.runner.open(shop, crashed=self.crashes.append)

    async def until(self, condition: Callable[[], object]) -> None:
        """Let the loop run until that is so."""
        await asyncio.to_thread(wait_for, condition)

    async def over(self) -> None:
        """End what is under way."""
        self.stopping.set()
        for task in self.runner.tasks.values():
            task.cancel(stop=False)
            await task.ended()
        if self.runner.reading:
            await asyncio.wait(self.runner.reading)


def played(play: Callable[[Scene], Coroutine[Any, Any, None]]) -> Scene:
    """The scene, after it was played in a loop of its own."""

    async def whole() -> Scene:
        scene = Scene()
        await play(scene)
        await scene.over()
        return scene

    return asyncio.run(whole())

"""One connection for each server, whoever asks at the same moment."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from app.domain.mcp import Server
from app.tools import mcp_pool
from app.tools.mcp_pool import Pool

FAR = Server(name="far", where="")


class Wire:
    """A connection that ends when it is let go."""

    made: list[Wire]

    def __init__(self, server: Server, *, alive: bool = True, idle: float = 0.0) -> None:
        self.server, self.alive, self._idle = server, alive, idle
        self.ending, self.let_go = asyncio.Event(), asyncio.Event()
        self.made.append(self)

    def idle_for(self) -> float:
        """Seconds."""
        return self._idle

    async def end(self) -> None:
        """Takes its time."""
        self.ending.set()
        await self.let_go.wait()


@pytest.fixture(autouse=True)
def wires(monkeypatch: pytest.MonkeyPatch) -> None:
    """Connections that a test holds in its hands."""
    monkeypatch.setattr(Wire, "made", [], raising=False)
    monkeypatch.setattr(mcp_pool, "Connection", Wire)


def test_two_who_find_a_dead_connection_share_the_new_one() -> None:
    async def story() -> None:
        pool = Pool()
        dead = Wire(FAR, alive=False)
        pool._connections["far"] = cast(Any, dead)
        first = asyncio.create_task(pool._connection(FAR))
        await dead.ending.wait()
        second = asyncio.create_task(pool._connection(FAR))
        dead.let_go.set()
        one, other = await asyncio.gather(first, second)
        assert one is other is pool._connections["far"]
        assert len(Wire.made) == 2

    asyncio.run(story())


def test_a_newer_connection_is_not_forgotten_with_the_idle_one_whose_place_it_took() -> None:
    async def story() -> None:
        pool = Pool(idle_seconds=0.001)
        first, idle = Wire(FAR, idle=9.0), Wire(FAR, idle=9.0)
        pool._connections.update(cast(Any, {"first": first, "far": idle}))
        tidying = asyncio.create_task(pool._tidied())
        await first.ending.wait()
        pool._connections["far"] = newer = cast(Any, Wire(FAR))
        last = Wire(FAR, idle=9.0)
        pool._connections["last"] = cast(Any, last)
        idle.let_go.set()
        first.let_go.set()
        await last.ending.wait()
        assert pool._connections["far"] is newer
        tidying.cancel()

    asyncio.run(story())

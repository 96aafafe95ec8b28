"""Tools that wait for a run: slices of waiting, with news in between, and an end as soon as the client leaves."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

Invoke = Callable[[str, Mapping[str, Any]], Awaitable[Any]]
Report = Callable[[float, str], Awaitable[None]]

LONGEST = 240
"""Seconds; hosted clients give up at 300."""
_TIMES = {"run_task_now": ("wait_seconds", "task_id", 0), "wait_for_run": ("timeout_seconds", "run_id", 60)}
"""Tool -> its argument of seconds, of what it waits for, and how long it waits when it is not told."""
GOING = frozenset({"queued", "running", "waiting"})
FIRST_PAUSE = 0.1
LONGEST_PAUSE = 1.0


@dataclass(frozen=True, slots=True)
class Waiting:
    """How a call is waited out.

    Args:
        invoke: Calls a tool once.
        report: Tells the client how far it is, in seconds and words.
    """

    invoke: Invoke
    report: Report

    async def run_task_now(self, arguments: Mapping[str, Any]) -> Any:
        """Start the run, wait, and give what the tool gives for a run that was asked for before."""
        key = arguments.get("idempotency_key") or f"mcp-{uuid4()}"
        once = {**arguments, "idempotency_key": key, "wait_seconds": 0}
        begun = await self.invoke("run_task_now", once)
        if not await self.ended(begun["run_id"], arguments["wait_seconds"]):
            return begun
        return {**await self.invoke("run_task_now", once), "deduplicated": begun["deduplicated"]}

    async def wait_for_run(self, arguments: Mapping[str, Any]) -> Any:
        """Wait, and give what the tool gives at once."""
        await self.ended(arguments["run_id"], arguments.get("timeout_seconds", 60))
        return await self.invoke("wait_for_run", {**arguments, "timeout_seconds": 0})

    async def ended(self, run_id: str, seconds: float) -> bool:
        """Whether the run ends within so many seconds."""
        began, pause, told = time.monotonic(), FIRST_PAUSE, ""
        while True:
            seen = await self.invoke("get_run", {"run_id": run_id, "include": []})
            status = seen["run"]["status"]
            if status not in GOING:
                return True
            passed = time.monotonic() - began
            if passed >= seconds:
                return False
            if status != told:
                await self.report(passed, f"The run is {status}")
                told = status
            await asyncio.sleep(min(pause, seconds - passed))
            pause = min(LONGEST_PAUSE, pause * 1.5)


def waits(tool: str, arguments: Mapping[str, Any]) -> bool:
    """Whether such a call is one that waits; what is no good anyway is left to the tool to refuse."""
    if tool not in _TIMES:
        return False
    time_of, subject, default = _TIMES[tool]
    seconds = arguments.get(time_of, default)
    good = type(seconds) in (int, float) and 0 < seconds <= LONGEST
    return good and isinstance(arguments.get(subject), str)

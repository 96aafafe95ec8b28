"""An executor whose tools do what a test says, and which never really ends its process."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from app.domain.budgets import Prices
from app.domain.clock import Clock
from app.domain.tool_limits import Turns
from app.services.allowances import Allowances, GrantedCalls
from app.services.execution import Executor, Pace
from app.services.keeper import Keeper
from app.services.lifecycle import Herald
from app.services.spending import Spending
from app.services.tool_turns import NoLimits
from app.storage.ledger import SqlRunLedger
from app.storage.unit_of_work import SqlUnitsOfWork
from app.tools.registry import ToolRegistry
from ordinaut import Tool, ToolCall

ANY = {"type": "object"}


class Bell:
    """Counts rings."""

    def __init__(self) -> None:
        self.rings = 0

    def ring(self, count: int = 1) -> None:
        """Count them."""
        self.rings += count


class ProcessEnded(BaseException):
    """The keeper would have ended the process here."""


class Hands:
    """An executor with its keeper, its bell and a record of the calls its tools got."""

    def __init__(
        self,
        ledger: SqlRunLedger,
        tools: Mapping[str, Callable[[ToolCall], Any]],
        *,
        owner: str = "node/1",
        pace: Pace | None = None,
        turns: Turns | None = None,
        allowances: Allowances | None = None,
    ) -> None:
        self.calls: list[ToolCall] = []
        self.exits: list[int] = []
        self.paused: list[tuple[str, int]] = []
        self.bell = Bell()
        self.executor = Executor(
            owner=owner,
            ledger=ledger,
            tools=ToolRegistry([self._tool(name, run) for name, run in tools.items()]),
            queue=self.bell,
            pace=pace or Pace(),
            on_failure=lambda task_id, limit: self.paused.append((task_id, limit)),
            turns=turns,
            allowances=allowances,
        )
        self.keeper = Keeper(self.executor, exit=self._end)

    def _tool(self, name: str, run: Callable[[ToolCall], Any]) -> Tool:
        def recorded(call: ToolCall) -> Any:
            self.calls.append(call)
            return run(call)

        return Tool(name=name, description=name, schema=ANY, run=recorded, pure=name.startswith("pure."))

    def _end(self, code: int) -> None:
        self.exits.append(code)
        raise ProcessEnded

    def keys(self) -> list[str]:
        """Idempotency keys of the calls so far, without the run's id."""
        return [call.idempotency_key.partition(":")[2] for call in self.calls]

    def look_until(self, done: Callable[[], bool], seconds: float = 10.0) -> None:
        """Let the keeper look, as its thread would, until a condition holds or it ends the process."""
        until = time.monotonic() + seconds
        while not done() and not self.exits:
            assert time.monotonic() < until, "the condition never came to hold"
            try:
                self.keeper.look()
            except ProcessEnded:
                return
            time.sleep(0.005)


def counting(units: SqlUnitsOfWork, clock: Clock) -> Allowances:
    """What calls are held against where grants are on and nothing has a price."""
    spending = Spending(units=units, clock=clock, herald=Herald.silent(clock), prices=Prices({}))
    return Allowances(granted=GrantedCalls(units=units, clock=clock), spending=spending, turns=NoLimits())


def in_thread(work: Callable[[], Any]) -> threading.Thread:
    """Start work beside the test; daemonic, since some tests leave a call that never ends."""
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread

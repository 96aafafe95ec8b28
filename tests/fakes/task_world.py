"""Task, schedule and tool services over memory, a clock that a test turns, and a few tools."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from app.services.schedules import ScheduleService
from app.services.tasks import TaskService
from app.services.tools import ToolService
from app.tools.forms import SchemaForms
from app.tools.registry import ToolRegistry
from ordinaut import Tool, ToolCall, ToolFailed
from tests.fakes.access import ANA, Calling
from tests.fakes.stores import CountingQueue, MemoryUnitsOfWork

START = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
"""A Tuesday."""


@dataclass
class TurnedClock:
    """Stands still until a test turns it."""

    moment: datetime = START

    def now(self) -> datetime:
        return self.moment

    def pass_by(self, **delta: float) -> None:
        self.moment += timedelta(**delta)


def _echo(call: ToolCall) -> Any:
    call.log("info", "echoing")
    return {"value": call.arguments["value"], "caller": call.caller.agent_id}


def _fail(call: ToolCall) -> Any:
    raise ToolFailed("The answer was 503", type="bad_status", details={"status": 503})


def _wait(call: ToolCall) -> Any:
    assert not call.should_stop()
    # Longer than it may, and no longer than it must.
    threading.Event().wait(call.deadline - time.monotonic() + 0.3)
    return None


def some_tools() -> ToolRegistry:
    """An echo, a failure, one that takes too long, and two that return what JSON cannot hold."""
    anything = {"type": "object"}
    value = {"type": "object", "properties": {"value": {"type": "integer"}}, "required": ["value"]}
    return ToolRegistry(
        [
            Tool(name="test.echo", description="Gives back.", schema=value, run=_echo, examples=({"value": 1},)),
            Tool(name="test.fail", description="Fails.", schema=anything, run=_fail),
            Tool(name="test.slow", description="Waits.", schema=anything, run=_wait),
            Tool(name="test.odd", description="Returns a set.", schema=anything, run=lambda call: {1}),
            Tool(name="test.broken", description="Has a defect.", schema=anything, run=lambda call: 1 // 0),
        ]
    )


@dataclass
class TaskWorld:
    """Everything a test of tasks may lay hands on."""

    units: MemoryUnitsOfWork = field(default_factory=MemoryUnitsOfWork)
    queue: CountingQueue = field(default_factory=CountingQueue)
    clock: TurnedClock = field(default_factory=TurnedClock)
    tools: ToolRegistry = field(default_factory=some_tools)

    def __post_init__(self) -> None:
        service = TaskService(
            units=self.units, tools=self.tools, queue=self.queue, clock=self.clock, forms=SchemaForms()
        )
        self.tasks: Any = Calling(service)
        self.schedules = ScheduleService(clock=self.clock)
        self.tool_service = ToolService(tools=self.tools)

    def create(self, **fields: Any) -> Any:
        """A task at 09:00 every day, but for what is given."""
        base = {"title": "A task", "schedule_kind": "cron", "schedule_expr": "0 9 * * *"}
        if fields.get("schedule_kind") == "manual":
            base.pop("schedule_expr")
        return self.tasks.create({**base, **fields}, caller=ANA)

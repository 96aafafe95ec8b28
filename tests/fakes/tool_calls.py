"""Calls of tools as a worker would make them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ordinaut import Caller
from ordinaut.tools import ToolCall


@dataclass
class Lines:
    """The log of a run."""

    written: list[tuple[str, str]] = field(default_factory=list)

    def __call__(self, level: str, message: str) -> None:
        self.written.append((level, message))


def tool_call(
    arguments: Mapping[str, Any],
    *,
    seconds: float = 5.0,
    log: Callable[[str, str], None] | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> ToolCall:
    """A call with a deadline `seconds` from now."""
    return ToolCall(
        arguments=arguments,
        idempotency_key="run-1:step-1",
        deadline=time.monotonic() + seconds,
        caller=Caller("agent-1", frozenset({"admin"})),
        log=log or Lines(),
        should_stop=should_stop,
    )

"""The limits of tools, kept for whoever calls one."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from app.domain.clock import SECOND
from app.domain.errors import RateLimited, Unavailable
from app.domain.execution import Settlement
from app.domain.pipelines.model import Step
from app.domain.pipelines.progress import SENT_AWAY, key_of
from app.domain.ports import RunQueue, UnitsOfWork
from app.domain.texts import t
from app.domain.tool_limits import Holder, SentAway, ToolLimits

if TYPE_CHECKING:
    from app.services.run_execution import RunExecution


class ToolTurns:
    """See `app.domain.tool_limits.Turns`; a tool without limits costs a look into a dict."""

    def __init__(self, *, units: UnitsOfWork, queue: RunQueue, limits: ToolLimits) -> None:
        self._units = units
        self._queue = queue
        self._limits = limits

    def take(self, tool: str, holder: Holder) -> SentAway | None:
        """Count a call; None when it may begin."""
        limits = self._limits.of(tool)
        if not limits:
            return None
        with self._units() as unit:
            return unit.tool_turns.take(limits, holder)

    def leave(self, tool: str, holder_id: str) -> None:
        """The call has ended; a run that waited for that is claimed by whoever hears the bell."""
        limits = [limit for limit in self._limits.of(tool) if limit.concurrency is not None]
        if not limits:
            return
        # Without the database the place is free once the run is not this worker's any more.
        with suppress(Unavailable), self._units() as unit:
            if unit.tool_turns.leave(limits, holder_id):
                unit.after_commit(self._queue.ring)


class NoLimits:
    """Turns where no tool has limits."""

    def take(self, tool: str, holder: Holder) -> SentAway | None:
        """Any call may begin."""
        return None

    def leave(self, tool: str, holder_id: str) -> None:
        """Nobody waits for that."""


def sent_away(execution: RunExecution, step: Step, away: SentAway) -> Settlement:
    """Back to the queue until it may be the run's turn: the attempt has not begun, and costs nothing."""
    execution.progress.attempts[key_of(step, execution.lines.item)] -= 1
    return execution.lines.queued(SENT_AWAY, delay=away.delay_us / SECOND, returned=True)


def refusal(tool: str, away: SentAway) -> RateLimited:
    """The same for somebody who cannot wait in the queue."""
    seconds = away.seconds
    if away.rate is None:
        text = t(
            "As many calls of {tool} as may be are under way; try again in {seconds} s", tool=tool, seconds=seconds
        )
        return RateLimited(text, tool=tool, limit=away.limit.concurrency, retry_after_seconds=seconds)
    text = t("{tool} is called too often; try again in {seconds} s", tool=tool, seconds=seconds)
    window = f"{away.rate.seconds}s"
    return RateLimited(text, tool=tool, limit=away.rate.amount, window=window, retry_after_seconds=seconds)

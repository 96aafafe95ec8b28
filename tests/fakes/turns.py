"""Turns in memory, for one thread."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from app.domain.tool_limits import Holder, Rate, SentAway, ToolLimit


@dataclass(slots=True)
class TurnRows:
    """When each rate of a limit let a call through, and who holds places."""

    calls: dict[tuple[str, int], list[int]] = field(default_factory=dict)
    holders: dict[str, set[str]] = field(default_factory=dict)

    def copied(self) -> TurnRows:
        """The same in containers of their own."""
        return TurnRows(
            {key: list(calls) for key, calls in self.calls.items()},
            {name: set(holders) for name, holders in self.holders.items()},
        )


class MemoryTurnStore:
    """See `app.domain.tool_limits.TurnStore`."""

    def __init__(self, rows: TurnRows) -> None:
        self._rows = rows

    def take(self, limits: Sequence[ToolLimit], holder: Holder) -> SentAway | None:
        now = time.time_ns() // 1000
        away = [one for limit in limits for rate in limit.rates if (one := self._over(limit, rate, now)) is not None]
        for limit in limits:
            others = self._rows.holders.setdefault(limit.name, set()) - {holder.id}
            if limit.concurrency is not None and len(others) >= limit.concurrency:
                away.append(SentAway(limit, None, 1_000_000))
        if away:
            return max(away, key=lambda one: one.delay_us)
        for limit in limits:
            self._rows.holders[limit.name].add(holder.id)
            for rate in limit.rates:
                self._rows.calls.setdefault((limit.name, rate.seconds), []).append(now)
        return None

    def _over(self, limit: ToolLimit, rate: Rate, now: int) -> SentAway | None:
        calls = self._rows.calls.get((limit.name, rate.seconds), [])
        recent = [at for at in calls if at > now - rate.window_us]
        if len(recent) < rate.amount:
            return None
        return SentAway(limit, rate, recent[-rate.amount] + rate.window_us - now)

    def leave(self, limits: Sequence[ToolLimit], holder_id: str) -> bool:
        for limit in limits:
            self._rows.holders.get(limit.name, set()).discard(holder_id)
        return False

    def tidy(self) -> None:
        """Memory forgets with its process."""

"""How often tools may be called, and how many of their calls may be under way at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

EVERY = "*"
"""At the end of a limit's name: all tools whose names begin so, together."""


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `amount` calls in any `seconds`."""

    amount: int
    seconds: int

    @property
    def window_us(self) -> int:
        """The same time in microseconds."""
        return self.seconds * 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolLimit:
    """A limit on all tools that its name means, together: an address, or the beginning of some with `*` behind it."""

    name: str
    rates: tuple[Rate, ...] = ()
    concurrency: int | None = None

    def means(self, tool: str) -> bool:
        """Whether the tool is one of them."""
        return tool.startswith(self.name[:-1]) if self.name.endswith(EVERY) else tool == self.name


class ToolLimits:
    """All limits of an installation; every one that means a tool holds for it."""

    def __init__(self, limits: Iterable[ToolLimit] = ()) -> None:
        # In one order, in which all who need several take them: nobody waits for somebody who waits for them.
        self._limits = tuple(sorted(limits, key=lambda limit: limit.name))
        self._of: dict[str, tuple[ToolLimit, ...]] = {}

    def of(self, tool: str) -> tuple[ToolLimit, ...]:
        """Those that hold for a tool, by name."""
        found = self._of.get(tool)
        if found is None:
            found = self._of[tool] = tuple(limit for limit in self._limits if limit.means(tool))
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Who wants to call.

    Attributes:
        id: The run, or a name of its own for a call outside of any.
        fence: The run's. Its call is under way for as long as a worker holds the run under this fence; a run that is
            sent away waits its turn.
        seconds: For a call outside of any run: how long it may be under way. It waits for nothing.
        again: The run has been sent away before and comes when it was told to.
    """

    id: str
    fence: int | None = None
    seconds: float = 0.0
    again: bool = False


@dataclass(frozen=True, slots=True)
class SentAway:
    """One limit is used up.

    Attributes:
        rate: Which of its rates; None when too many calls are under way.
        delay_us: After so many microseconds it is worth coming back.
    """

    limit: ToolLimit
    rate: Rate | None
    delay_us: int

    @property
    def seconds(self) -> int:
        """The delay in whole seconds, never less than it is."""
        return max(1, -(-self.delay_us // 1_000_000))


class TurnStore(Protocol):
    """Whose turn it is, inside a unit of work; exact over all processes and machines of an installation."""

    def take(self, limits: Sequence[ToolLimit], holder: Holder) -> SentAway | None:
        """Count a call against all of these limits, or against none of them; None when it may begin."""

    def leave(self, limits: Sequence[ToolLimit], holder_id: str) -> bool:
        """A call has ended; whether a run that had waited for that is to be claimed now."""

    def tidy(self) -> None:
        """Forget what limits nobody any more."""


class Turns(Protocol):
    """The limits of tools, for whoever calls one; `app.services.tool_turns`."""

    def take(self, tool: str, holder: Holder) -> SentAway | None:
        """Count a call; None when it may begin, as at once for a tool without limits. Raises Unavailable."""

    def leave(self, tool: str, holder_id: str) -> None:
        """The call has ended. Raises nothing: what is not told now is found out later."""

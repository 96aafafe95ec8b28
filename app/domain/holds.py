"""What holds a queued run back."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from app.domain.metrics import MetricStore
from app.domain.ports import UnitOfWork
from app.domain.texts import Text

Reason = Literal["not_due", "retry", "tool_limit", "budget", "no_worker", "overlap", "concurrency", "worker"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where a queued run stands.

    Attributes:
        line: The line that it stands in: its task's, its concurrency key's, or none but the queue of all.
        replaces: Whether those before it are cancelled.
        key: Its concurrency key.
        limit: How many runs with that key may be at work at once.
        holders: Runs at work that it waits for, each with the owner of its task; a score at most.
        at_work: How many those are in all.
        ahead: Runs that stand before it in the same line; a thousand at most are counted.
    """

    line: Literal["task", "key"] | None
    replaces: bool = False
    key: str | None = None
    limit: int = 1
    holders: Sequence[tuple[str, str]] = ()
    at_work: int = 0
    ahead: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """Why a queued run has not started.

    Attributes:
        message: The same in words.
        until: When it goes on, where a moment is known.
        runs: Ids of the runs that it waits for, as far as the one who asks may see them.
        at_work: How many runs that are.
        ahead: Runs that stand before it in the same line.
    """

    reason: Reason
    message: Text
    until: datetime | None = None
    runs: Sequence[str] = ()
    at_work: int = 0
    ahead: int = 0


class StandingStore(Protocol):
    """Lines as they are, inside a unit of work."""

    def of(self, run_ids: Collection[str]) -> Mapping[str, Standing]:
        """Where the runs stand; those that are not queued are left out."""

    def sent_back(self, run_ids: Collection[str]) -> Mapping[str, str]:
        """For what reason a worker put those of these runs back into the queue that one has had."""


class HoldUnit(UnitOfWork, Protocol):
    """A unit of work that knows of lines, and of workers."""

    @property
    def standings(self) -> StandingStore: ...

    @property
    def metrics(self) -> MetricStore: ...


class HoldUnits(Protocol):
    """Opens such units; see `app.domain.ports.UnitsOfWork`."""

    def __call__(self, *, read_only: bool = False) -> AbstractContextManager[HoldUnit]: ...

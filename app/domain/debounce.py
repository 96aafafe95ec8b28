"""Bursts of events: a task may wait until they stop, and run once for the last of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from ordinaut import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Quiet:
    """How long a task waits for quiet.

    Attributes:
        seconds: After the last event.
        most: After the first one, whatever still comes; None for as long as it takes.
    """

    seconds: int
    most: int | None = None


class DebounceStore(Protocol):
    """Bursts that wait, inside a unit of work; each task has one at most."""

    def put(self, task_id: str, event: Event, quiet: Quiet, now: datetime) -> datetime | None:
        """Let the event stand for its burst, and wait anew; when the event whose place it takes was published."""

    def next_at(self) -> datetime | None:
        """When the next burst is over."""

    def due(self, now: datetime, limit: int) -> Sequence[str]:
        """Ids of tasks whose burst is over, soonest first."""

    def take(self, task_id: str, now: datetime) -> Event | None:
        """The last event of a burst that is over, for whoever takes it first."""

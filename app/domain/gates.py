"""What beat needs of the lines in which limits make runs stand."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from app.domain.ports import UnitOfWork


class GateStore(Protocol):
    """The lines, inside a unit of work; at its end those that were touched move on, as far as there is room."""

    def touched(self, task_id: str | None, key: str | None) -> None:
        """There may be room in these lines, or somebody new."""

    def next_later_at(self) -> int | None:
        """When the next run that is not due yet takes its place in line, in microseconds since 1970."""

    def come_due(self) -> None:
        """Put in line those whose time has come."""

    def stopping(self) -> Sequence[str]:
        """Ids of runs to be cancelled: those that no worker holds, and those that a newer one is to replace."""

    def stalled(self) -> tuple[Sequence[str], Sequence[str]]:
        """Tasks and keys in whose lines somebody waits though there is room."""


class GateUnit(UnitOfWork, Protocol):
    """A unit of work that knows of lines."""

    @property
    def gates(self) -> GateStore: ...


class GateUnits(Protocol):
    """Opens such units; see `app.domain.ports.UnitsOfWork`."""

    def __call__(self, *, read_only: bool = False) -> AbstractContextManager[GateUnit]: ...

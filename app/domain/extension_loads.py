"""What became of extensions in each process, told to all the others."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What became of an extension in one process.

    Attributes:
        state: `loaded` or `failed`.
        loaded_ms: Milliseconds that import and setup took.
        grants: The capabilities it got.
        name, version, description: As its code says of itself.
        error_type: Of a failure: the name of the exception…
        message: …and one line of it.
    """

    extension_id: str
    state: str
    loaded_ms: int | None = None
    grants: tuple[str, ...] = ()
    name: str = ""
    version: str = ""
    description: str = ""
    error_type: str = ""
    message: str = ""


class LoadStore(Protocol):
    """Loads by process, inside a unit of work."""

    def tell(self, process: str, loads: Sequence[Load], *, seconds: float) -> None:
        """Replace what this process has told; it is believed for so long."""

    def forget(self, process: str) -> None:
        """Delete what it has told, and what has long run out."""

    def told(self) -> list[Load]:
        """What is believed, by process in the order of their names."""


class LoadUnit(Protocol):
    """The part of a unit of work that belongs to loads, see `app.domain.ports.UnitOfWork`."""

    @property
    def extension_loads(self) -> LoadStore: ...


class LoadUnits(Protocol):
    """Opens such units, see `app.domain.ports.UnitsOfWork`."""

    def __call__(self, *, read_only: bool = False) -> AbstractContextManager[LoadUnit]: ...

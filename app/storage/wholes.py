"""Several units of work of one thread as one transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, Protocol, TypeVar

from sqlalchemy.engine import Connection


class Part(Protocol):
    """A unit of work that may be a part of a whole."""

    actions: list[Callable[[], None]]

    def finish(self) -> None:
        """Write what is written last."""


P = TypeVar("P", bound=Part)


class OpenWhole(Generic[P]):
    """A transaction that units of work join; see `app.domain.idempotency.Whole`."""

    def __init__(self, connection: Connection, make: Callable[[Connection], P]) -> None:
        self._connection = connection
        self._make = make
        self._parts: list[P] = []
        self._inside = False
        self.abandoned = False

    def abandon(self) -> None:
        """Let none of it stand."""
        self.abandoned = True

    @contextmanager
    def part(self) -> Iterator[P]:
        """A unit of work; when it fails, what it has written is undone, and the others stay.

        Raises:
            RuntimeError: another one is open.
        """
        if self._inside:
            raise RuntimeError("A unit of work was opened inside another one: hand the open one on instead")
        self._inside = True
        try:
            with self._connection.begin_nested():
                part = self._make(self._connection)
                yield part
            self._parts.append(part)
        finally:
            self._inside = False

    def finish(self) -> None:
        """Write what each part writes last: what others wait for is held only briefly."""
        for part in self._parts:
            part.finish()

    def follow(self) -> None:
        """Do what follows the commit."""
        for part in self._parts:
            for action in part.actions:
                action()

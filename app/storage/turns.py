"""Turns at one database: who came first goes first, and nobody waits for itself (docs/adr/0007)."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from sqlalchemy import Engine, event
from sqlalchemy.pool import ConnectionPoolEntry

from app.domain.errors import Unavailable
from app.domain.texts import t

_OPTION = "ordinaut_door"


class Turns:
    """Lets `width` threads through at a time, in the order they came; each waits `seconds` at most.

    A turn is handed from one thread to the next: a thread that comes back at once cannot take it from those in line.
    """

    def __init__(self, width: int, *, seconds: float) -> None:
        self._seconds = seconds
        self._free = width
        self._line: deque[threading.Lock] = deque()
        self._lock = threading.Lock()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """One turn.

        Raises:
            Unavailable: those before took too long.
        """
        self._enter()
        try:
            yield
        finally:
            self._leave()

    def _enter(self) -> None:
        with self._lock:
            if self._free:
                self._free -= 1
                return
            mine = threading.Lock()
            mine.acquire()
            self._line.append(mine)
        try:
            came = mine.acquire(timeout=self._seconds)
        except BaseException:
            # A signal's handler may raise while we wait: the turn must not be handed to nobody.
            if not self._withdrawn(mine):
                self._leave()
            raise
        if not came and self._withdrawn(mine):
            raise Unavailable(t("The database is busy; nothing was stored. Try again shortly"))

    def _withdrawn(self, mine: threading.Lock) -> bool:
        """Step out of the line; False when the turn has come meanwhile."""
        with self._lock:
            if mine not in self._line:
                return False
            self._line.remove(mine)
            return True

    def _leave(self) -> None:
        with self._lock:
            if self._line:
                self._line.popleft().release()
            else:
                self._free += 1


class Door:
    """The way to one engine: turns for readers and writers where the database wants them, and one at a time a thread.

    A thread inside a transaction that opened another one would, sooner or later, wait for itself: on SQLite at once,
    for the write lock; on PostgreSQL for a row it has locked, or for the last connection of the pool.
    """

    def __init__(self, *, reading: Turns | None = None, writing: Turns | None = None) -> None:
        self._turns = {True: reading, False: writing}
        self._inside = threading.local()
        self.closed = False

    @contextmanager
    def passed(self, *, read_only: bool) -> Iterator[None]:
        """Inside, until the block ends.

        Raises:
            RuntimeError: this thread is inside already.
            Unavailable: those before took too long, or the engine has been disposed of.
        """
        if self.closed:
            raise Unavailable(t("The database does not answer; nothing was stored. Try again shortly"))
        if getattr(self._inside, "now", False):
            raise RuntimeError("A unit of work was opened inside another one: hand the open one on instead")
        turns = self._turns[read_only]
        waiting: AbstractContextManager[None] = nullcontext() if turns is None else turns.turn()
        with waiting:
            self._inside.now = True
            try:
                yield
            finally:
                self._inside.now = False


def guard(engine: Engine, door: Door) -> None:
    """Make this the engine's door; copies of the engine share it. It closes for good when the engine is disposed of.

    Threads of the background may be inside then: their connections are closed when they come back, and no new ones
    are opened for nobody to close.
    """
    engine.update_execution_options(**{_OPTION: door})

    @event.listens_for(engine, "engine_disposed")
    def _disposed(_engine: Engine) -> None:
        door.closed = True

    @event.listens_for(engine, "checkin")
    def _checkin(_dbapi: Any, entry: ConnectionPoolEntry) -> None:
        if door.closed:
            entry.invalidate()


def passed(engine: Engine, *, read_only: bool) -> AbstractContextManager[None]:
    """See `Door.passed`."""
    door: Door = engine.get_execution_options()[_OPTION]
    return door.passed(read_only=read_only)

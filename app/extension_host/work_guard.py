"""Watches the process that runs an extension: its lease, its parent, and calls that do not come back.

What hangs inside of foreign code cannot be stopped from within. So the outcome is written down first, and then the
process ends; the keeper of some worker starts another.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from app.domain.errors import LeaseLost, Unavailable
from app.services.extension_session import ExtensionSession
from app.telemetry import emit

TICK = 0.1
RENEWALS = 4
"""Renewals in the length of one lease."""
SPARE = 0.2
"""The part of a lease that must be left, or the process ends to be safe."""
EXIT_CALL_ENDED = 70
EXIT_LEASE_LOST = 75
EXIT_ORPHANED = 76


@dataclass(eq=False)
class _Watched:
    deadline: float
    late: Callable[[], None]


class WorkGuard:
    """See the module; `start` once.

    Args:
        seconds: The length of the lease.
        drain: How long an orphaned process may take to end by itself.
        born_of: The process that started this one.
    """

    def __init__(
        self,
        session: ExtensionSession,
        *,
        seconds: float,
        drain: float,
        born_of: int,
        exit: Callable[[int], None] = os._exit,
        parent: Callable[[], int] = os.getppid,
    ) -> None:
        self._session = session
        self._lease = seconds
        self._drain = drain
        self._exit = exit
        self._parent = parent
        self._born_of = born_of
        self._renewed_at = time.monotonic()
        self._watched: set[_Watched] = set()
        self._lock = threading.Lock()
        self._over = threading.Event()

    def start(self, orphaned: Callable[[], None]) -> None:
        """Watch until `finish`; `orphaned` is called once when the parent has died."""
        self._renewed_at = time.monotonic()
        threading.Thread(target=self._renew, name="extension lease", daemon=True).start()
        threading.Thread(target=self._guard_lease, name="extension guard", daemon=True).start()
        threading.Thread(target=self._guard_calls, args=(orphaned,), name="extension calls", daemon=True).start()

    def finish(self) -> None:
        """The lease is given back: nothing more to guard."""
        self._over.set()

    @contextmanager
    def watching(self, seconds: float, late: Callable[[], None]) -> Iterator[None]:
        """End the process, after `late` has written down why, unless the block is over within `seconds`.

        The block begins only while the lease is held: a process that was frozen for long may wake right here.
        """
        self._check_lease()
        watched = _Watched(time.monotonic() + seconds, late)
        with self._lock:
            self._watched.add(watched)
        try:
            yield
        finally:
            with self._lock:
                self._watched.discard(watched)

    def _renew(self) -> None:
        while not self._over.wait(self._lease / RENEWALS):
            asked_at = time.monotonic()
            try:
                if not self._session.renew():
                    self._lost("it is with another process")
                    return
            except Unavailable:
                continue
            except Exception as error:  # noqa: BLE001 - a lease that is not renewed must be seen, not end a thread
                emit("extension.guard_failed", extension=self._session.extension_id, error=error)
                continue
            self._renewed_at = asked_at

    def _guard_lease(self) -> None:
        # Alone, since each of the others may be waiting for a database that has frozen.
        while not self._over.wait(TICK):
            self._check_lease()

    def _check_lease(self) -> None:
        if time.monotonic() > self._renewed_at + self._lease * (1 - SPARE):
            self._lost("it could not be renewed in time")

    def _lost(self, why: str) -> None:
        if not self._over.is_set():
            emit("extension.lease_lost", extension=self._session.extension_id, why=why)
            self._exit(EXIT_LEASE_LOST)

    def _guard_calls(self, orphaned: Callable[[], None]) -> None:
        orphan_until: float | None = None
        while not self._over.wait(TICK):
            now = time.monotonic()
            for watched in self._late(now):
                self._end(watched)
            if orphan_until is None and self._parent() != self._born_of:
                orphan_until = now + self._drain
                orphaned()
            if orphan_until is not None and now > orphan_until:
                self._exit(EXIT_ORPHANED)

    def _late(self, now: float) -> list[_Watched]:
        with self._lock:
            return [one for one in self._watched if one.deadline < now]

    def _end(self, watched: _Watched) -> None:
        emit("extension.call_ended", extension=self._session.extension_id)
        try:
            watched.late()
        except (Unavailable, LeaseLost) as error:
            emit("extension.work_waiting", extension=self._session.extension_id, error=error)
        finally:
            self._exit(EXIT_CALL_ENDED)

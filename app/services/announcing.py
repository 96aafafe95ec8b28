"""Announcements that nobody keeps: sent from a thread of its own, and not even made while nobody listens."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Iterable

from app.domain.errors import Unavailable
from app.domain.event_store import EventBus
from app.telemetry import emit
from ordinaut import Event

WAITING = 5000
"""Announcements that may wait to be sent; older ones give way."""
BATCH = 200
LOOK_SECONDS = 0.5
"""How long it may take to notice that somebody listens."""
PAUSE_SECONDS = 1.0


class Announcer:
    """One process's announcements, as many at a time as have gathered."""

    def __init__(self, bus: EventBus) -> None:
        self._bus = bus
        self._pid = 0
        self._starting = threading.Lock()
        self._begin()

    def _begin(self) -> None:
        """A forked child has the parent's memory and none of its threads: it begins anew."""
        self._waiting: deque[Event] = deque(maxlen=WAITING)
        self._work = threading.Event()
        self._wanted = False
        self._looked_at = 0.0

    @property
    def wanted(self) -> bool:
        """Whether anybody listened half a second ago; true where that was not looked for, as it is then from here on.

        So the first announcement after a silence reaches whoever came meanwhile.
        """
        if time.monotonic() - self._looked_at > LOOK_SECONDS:
            self._started()
            self._work.set()
            return True
        return self._wanted

    def put(self, events: Iterable[Event]) -> None:
        """Send these soon, or never: nobody waits for it."""
        self._started()
        self._waiting.extend(events)
        self._work.set()

    def _started(self) -> None:
        with self._starting:
            if self._pid != os.getpid():
                self._begin()
                self._pid = os.getpid()
                threading.Thread(target=self._run, name="announcer", daemon=True).start()

    def _run(self) -> None:
        silence = threading.Event()
        while True:
            self._work.wait()
            self._work.clear()
            try:
                self._look()
                self._send()
            except Unavailable:
                self._wanted = False
                self._waiting.clear()
                self._looked_at = time.monotonic()
                silence.wait(PAUSE_SECONDS)
            except Exception as error:  # noqa: BLE001 - an announcer that dies leaves listeners without news
                emit("announcer.failed", error=error)
                silence.wait(PAUSE_SECONDS)

    def _look(self) -> None:
        if time.monotonic() - self._looked_at > LOOK_SECONDS:
            self._wanted = self._bus.wanted()
            self._looked_at = time.monotonic()

    def _send(self) -> None:
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
            if self._wanted:
                self._bus.announce(batch)

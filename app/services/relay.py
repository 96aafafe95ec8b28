"""Carries stored events to Redis in order, from a thread of its own: nobody who publishes waits for the wire."""

from __future__ import annotations

import os
import threading

from app.domain.errors import Unavailable
from app.domain.event_store import EventBus
from app.domain.ports import UnitsOfWork
from app.telemetry import emit

BATCH = 500
PAUSE_SECONDS = 1.0


class Relay:
    """Copies what Redis does not have yet. Any number may do so at once: Redis refuses what it has already.

    Redis's newest id says where to go on: everybody copies in order from there, so nothing is left out, nor what Redis
    took and lost again. Where it has lost everything, the place that was noted in the store is where to go on.

    Args:
        notes: Note that place, which is beat's affair.
    """

    def __init__(self, *, units: UnitsOfWork, bus: EventBus, notes: bool = False) -> None:
        self._units = units
        self._bus = bus
        self._notes = notes
        self._pid = 0
        self._starting = threading.Lock()
        self._wanted = threading.Event()

    def wake(self) -> None:
        """Something was published; returns at once."""
        with self._starting:
            if self._pid != os.getpid():
                # A forked child has none of its parent's threads.
                self._pid = os.getpid()
                self._wanted = threading.Event()
                threading.Thread(target=self._run, name="event-relay", daemon=True).start()
        self._wanted.set()

    def look(self) -> bool:
        """For beat: see that nothing stays behind, and note how far Redis has come; never more to do at once."""
        with self._units(read_only=True) as unit:
            last, relayed = unit.events.last(), unit.events.relayed()
        if last > relayed:
            self.wake()
        return False

    def _run(self) -> None:
        silence = threading.Event()
        wanted = self._wanted
        while True:
            wanted.wait()
            wanted.clear()
            try:
                self._carry()
            except Unavailable:
                silence.wait(PAUSE_SECONDS)
                wanted.set()
            except Exception as error:  # noqa: BLE001 - a relay that dies leaves every reader to its polling
                emit("relay.failed", error=error)
                silence.wait(PAUSE_SECONDS)

    def _carry(self) -> None:
        place = self.carry()
        if self._notes:
            with self._units() as unit:
                unit.events.mark_relayed(place)

    def carry(self) -> int:
        """Copy everything that Redis lacks; the position up to which it lacks nothing.

        Raises:
            Unavailable: store or wire do not answer.
        """
        place, last = self._bus.top(), 0
        while True:
            with self._units(read_only=True) as unit:
                last, place = unit.events.last(), place or unit.events.relayed()
                found = unit.events.after(place, None, BATCH)
            if found:
                self._bus.append(found)
                place = found[-1].position
            if len(found) < BATCH:
                # Positions that were taken and not used may lie between the last event and `last`.
                return max(place, last)

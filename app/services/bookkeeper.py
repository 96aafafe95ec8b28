"""Stores what the meters of a process count, every few seconds, from a thread of its own."""

from __future__ import annotations

import atexit
import os
import socket
import threading
import time
import uuid
import weakref
from collections.abc import Mapping
from contextlib import suppress

from app.domain.errors import Unavailable
from app.domain.metrics import CPU_SECONDS, MetricUnits, Report, Series
from app.services.gauges import lasting, of_this_process, passing
from app.services.meters import Meters, Taken
from app.services.process_usage import ProcessUsage
from app.telemetry import emit

FLUSH_SECONDS = 2.0
"""How old a count may be before it is stored: what a process that is killed loses."""
REPORT_SECONDS = 10.0
"""How often a process says that it is alive…"""
LIFE_SECONDS = 35.0
"""…and how long it is believed."""
AWAY_SECONDS = 5.0
"""How long a database that does not answer is left alone."""
STOP_SECONDS = 3.0
"""How long an exit waits for the last counts to be stored."""
KEPT_SECONDS = 86_400.0
"""How long a report outlives its process, for the gauges that do."""


class Bookkeeper:
    """Stores the counts of one process under its name.

    Only `start` makes a thread; where threads are not wanted, `look` does the same when it is called often enough.
    """

    def __init__(self, *, meters: Meters, units: MetricUnits, role: str, node: str) -> None:
        self._meters = meters
        self._units = units
        self._role = role
        self._node = node
        self._cpu = meters.counter(CPU_SECONDS).labels(role)
        self._thread: threading.Thread | None = None
        self._renew()

    def _renew(self) -> None:
        """What a process needs of its own: after a fork as well."""
        self._process = f"{socket.gethostname()[:50]}/{os.getpid()}/{uuid.uuid4().hex[:12]}"
        self._usage = ProcessUsage()
        self._lock = threading.Lock()
        self._ending = threading.Event()
        self._reported_at = float("-inf")
        self._away_until = float("-inf")
        self._said: dict[Series, float] = {}

    def start(self) -> None:
        """Store from now on, until the process ends; once in each process."""
        if self._thread is None:
            atexit.register(self.stop)
            os.register_at_fork(after_in_child=_Reborn(self))
            self._begin()

    def _begin(self) -> None:
        self._thread = threading.Thread(target=self._store_forever, name="bookkeeper", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Store what is left and take leave, in a moment or not at all; the second call does nothing."""
        atexit.unregister(self.stop)
        if self._ending.is_set():
            return
        self._ending.set()
        last = self._thread
        if last is None:
            last = threading.Thread(target=self._take_leave, name="bookkeeper", daemon=True)
            last.start()
        # A thread, so that a database that is stuck holds up no exit.
        last.join(STOP_SECONDS)

    def flush(self) -> None:
        """Store what has been counted.

        Raises:
            Unavailable: nothing was stored; it is kept for the next time.
        """
        with self._lock:
            due = self._due()
            if due:
                self._cpu.inc(self._usage.cpu_since_last())
            taken = self._meters.take()
            gauges = None
            if due or passing(taken.gauges) != self._said:
                gauges = {**taken.gauges, **of_this_process(self._role, self._usage, node=self._node)}
            if taken.deltas or gauges:
                self._store(taken, gauges)

    def look(self) -> None:
        """Flush when it is time; never raises."""
        if time.monotonic() < self._away_until:
            return
        try:
            self.flush()
        except Unavailable:
            # It is all kept; whoever looks may have other things to do than to wait for a server that is away.
            self._away_until = time.monotonic() + AWAY_SECONDS
        except Exception as error:  # noqa: BLE001 - a thread that dies would lose what is counted from now on
            emit("metrics.not_stored", error=error)

    def pending(self) -> dict[Series, float]:
        """What has been counted and is not stored yet."""
        with self._lock:
            return dict(self._meters.take().deltas)

    def reborn(self) -> None:
        """This is a child that was forked: what was counted before is its parent's to store."""
        started = self._thread is not None and not self._ending.is_set()
        self._renew()
        self._meters.settle(self._meters.take())
        if started:
            self._begin()

    def _store_forever(self) -> None:
        while not self._ending.wait(FLUSH_SECONDS):
            self.look()
        self._take_leave()

    def _take_leave(self) -> None:
        with suppress(Unavailable), self._lock:
            self._cpu.inc(self._usage.cpu_since_last())
            taken = self._meters.take()
            self._store(taken, lasting(taken.gauges), leaving=True)

    def _due(self) -> bool:
        return time.monotonic() - self._reported_at >= REPORT_SECONDS

    def _store(self, taken: Taken, gauges: Mapping[Series, float] | None, *, leaving: bool = False) -> None:
        """Deltas and, where there is anything to say, gauges; a process that leaves is believed no longer."""
        with self._units() as unit:
            unit.metrics.add(taken.deltas)
            if gauges:
                unit.metrics.report(Report(process=self._process, gauges=gauges), 0.0 if leaving else LIFE_SECONDS)
                unit.metrics.purge(KEPT_SECONDS)
            elif gauges is not None:
                unit.metrics.forget(self._process)
        self._meters.settle(taken)
        if gauges is not None:
            self._reported_at, self._said = time.monotonic(), passing(taken.gauges)


class _Reborn:
    """Calls `reborn` in forked children, and keeps nothing alive that is no longer used."""

    def __init__(self, bookkeeper: Bookkeeper) -> None:
        self._bookkeeper = weakref.ref(bookkeeper)

    def __call__(self) -> None:
        bookkeeper = self._bookkeeper()
        if bookkeeper is not None:
            bookkeeper.reborn()

"""Processes tell each other which extensions they have loaded, so that every one of them shows the same."""

from __future__ import annotations

import atexit
import os
import socket
import threading
import uuid
import weakref
from collections.abc import Callable, Mapping
from typing import Any

from app.domain.errors import Unavailable
from app.domain.extension_loads import Load, LoadUnits
from app.telemetry import emit

TELL_SECONDS = 15.0
"""How often a process says that what it has loaded is still there…"""
LIFE_SECONDS = 45.0
"""…and how long it is believed."""
TROUBLE_SECONDS = 2.0
STOP_SECONDS = 1.0
"""How long an exit waits for the leave to be taken."""


Announce = Callable[[str, Mapping[str, Any]], None]


class LoadBoard:
    """Where this process tells what became of its extensions; a thread says it again, from the first load on.

    Args:
        announce: Publishes what the platform tells of itself: here `extension.failed`, once for each.
    """

    def __init__(self, *, units: LoadUnits, announce: Announce | None = None) -> None:
        self._units = units
        self._announce = announce
        self._announced: set[str] = set()
        self._process = f"{socket.gethostname()[:50]}/{os.getpid()}/{uuid.uuid4().hex[:12]}"
        self._loads: dict[str, Load] = {}
        self._untold = False
        self._news = threading.Event()
        self._ending = False
        self._writing = threading.Lock()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None

    def post(self, load: Load) -> None:
        """Tell, and say it again and again while this process lives. Never raises."""
        self._loads = {**self._loads, load.extension_id: load}
        self._untold = True
        with self._starting:
            if self._thread is None:
                work = (weakref.ref(self), self._news)
                self._thread = threading.Thread(target=_tell_forever, args=work, name="load-board", daemon=True)
                self._thread.start()
                atexit.register(_leave, weakref.ref(self))
        if not self._done(self._tell_all):
            self._news.set()

    def told(self) -> list[Load]:
        """What every living process has told; what this one knows alone while the database is away."""
        try:
            if self._untold:
                self._tell()
            with self._units(read_only=True) as unit:
                return unit.extension_loads.told()
        except Unavailable:
            return list(self._loads.values())

    def stop(self) -> None:
        """Take leave: the process is about to end."""
        self._ending = True
        self._news.set()
        if self._thread is not None:
            self._thread.join(STOP_SECONDS)

    def look(self) -> float:
        """Tell what there is to tell; seconds until the next look, 0 for none."""
        if self._ending:
            self._done(self._take_leave)
            return 0.0
        return TELL_SECONDS if self._done(self._tell_all) else TROUBLE_SECONDS

    def _done(self, step: Callable[[], None]) -> bool:
        try:
            step()
        except (Unavailable, RuntimeError):
            # The database is away, or whoever posts is in the middle of a transaction: the thread does it soon.
            return False
        except Exception as error:  # noqa: BLE001 - a thread that dies would leave the others with old news
            emit("extension.load_not_told", error=error)
            return False
        return True

    def _take_leave(self) -> None:
        with self._units() as unit:
            unit.extension_loads.forget(self._process)

    def _tell_all(self) -> None:
        self._tell()
        self._tell_readers()

    def _tell_readers(self) -> None:
        for load in self._loads.values():
            if self._announce is not None and load.state == "failed" and load.extension_id not in self._announced:
                facts = {"extension_id": load.extension_id, "error_type": load.error_type, "message": load.message}
                self._announce("extension.failed", facts)
                self._announced.add(load.extension_id)

    def _tell(self) -> None:
        with self._writing:
            self._untold = False
            try:
                with self._units() as unit:
                    unit.extension_loads.tell(self._process, list(self._loads.values()), seconds=LIFE_SECONDS)
            except Unavailable:
                self._untold = True
                raise


def _tell_forever(board: weakref.ref[LoadBoard], news: threading.Event) -> None:
    """Until the board takes leave, or is let go of without a word, as in tests."""
    pause = TELL_SECONDS
    while pause:
        news.wait(pause)
        news.clear()
        one = board()
        pause = 0.0 if one is None else one.look()
        del one


def _leave(board: weakref.ref[LoadBoard]) -> None:
    one = board()
    if one is not None:
        one.stop()

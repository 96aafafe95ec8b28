"""One thread per process that looks at all watched runs at once and wakes those who wait for them."""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Literal

from app.telemetry import emit

State = tuple[int, str]
"""`(journal_length, status)` of a run."""
Changes = Callable[[Collection[str]], Mapping[str, State]]
"""Run ids -> their states, in one query; a run that is gone is left out."""

POLL_SECONDS = 0.15
TROUBLE_SECONDS = 1.0
GLANCE_SECONDS = 0.5
"""How often a waiting reader looks whether the process is stopping, were the poller itself stuck."""


class _Watch:
    """See `app.services.runs.Watch`."""

    def __init__(self, hub: Hub, run_id: str) -> None:
        self.run_id = run_id
        self.known: State | None = None
        self.since = 0
        self.woken = threading.Event()
        self._hub = hub

    def wait(self, known: State, timeout: float) -> Literal["changed", "timeout", "stopping"]:
        deadline = time.monotonic() + timeout
        self._hub.arm(self, known)
        while not self._hub.stopping():
            left = deadline - time.monotonic()
            if self.woken.wait(max(0.0, min(left, GLANCE_SECONDS))):
                return "stopping" if self._hub.stopping() else "changed"
            if left <= 0:
                return "timeout"
        return "stopping"


class Hub:
    """Watches runs for any number of readers with one query each 150 ms, and none while nobody watches.

    Args:
        changes: Asks the store; may raise, which is taken as trouble that passes.
        stopping: True once the process is to end; readers are then let go within half a second.
    """

    def __init__(
        self,
        changes: Changes,
        *,
        stopping: Callable[[], bool] = lambda: False,
        poll_seconds: float = POLL_SECONDS,
    ) -> None:
        self.stopping = stopping
        self._changes = changes
        self._poll_seconds = poll_seconds
        self._begin()
        itself = weakref.ref(self)
        # A forked child has the parent's memory, its locks as they stood, and none of its threads.
        os.register_at_fork(after_in_child=lambda: _begin_again(itself()))

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._watches: set[_Watch] = set()
        self._somebody = threading.Event()
        self._polls = 0
        self._thread: threading.Thread | None = None

    @contextmanager
    def watch(self, run_id: str) -> Iterator[_Watch]:
        """A watch over one run, for as long as the block lasts."""
        watch = _Watch(self, run_id)
        with self._lock:
            self._watches.add(watch)
            self._somebody.set()
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="run-hub", daemon=True)
                self._thread.start()
        try:
            yield watch
        finally:
            with self._lock:
                self._watches.discard(watch)
                if not self._watches:
                    self._somebody.clear()

    def arm(self, watch: _Watch, known: State) -> None:
        """Wake `watch` once its run differs from `known`.

        Only polls that begin after this count: an answer that was under way may be older than what the reader
        has just read, and would wake it for nothing again and again.
        """
        with self._lock:
            watch.known, watch.since = known, self._polls
            watch.woken.clear()

    def _run(self) -> None:
        while not self.stopping():
            if not self._somebody.wait(GLANCE_SECONDS):
                continue
            time.sleep(self._poll_seconds)
            try:
                self._poll()
            except Exception as error:  # noqa: BLE001 - a background loop outlives whatever the store raises
                emit("hub.poll_failed", error=error)
                time.sleep(TROUBLE_SECONDS)
        self._wake_all()

    def _poll(self) -> None:
        with self._lock:
            self._polls += 1
            number = self._polls
            run_ids = {watch.run_id for watch in self._watches if watch.known is not None}
        if not run_ids:
            return
        states = self._changes(run_ids)
        with self._lock:
            for watch in self._watches:
                if watch.run_id not in run_ids or watch.since >= number:
                    continue
                if states.get(watch.run_id) != watch.known:
                    watch.woken.set()

    def _wake_all(self) -> None:
        with self._lock:
            for watch in self._watches:
                watch.woken.set()


def _begin_again(hub: Hub | None) -> None:
    if hub is not None:
        hub._begin()

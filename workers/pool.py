"""A pool process: its executor, its keeper, and the poller that finds work when no doorbell rings.

The parent shares one byte with its children: it is set when the worker is told to stop, and each child then finishes
or hands back what it holds. So the parent's ordinary warm shutdown ends as soon as the work has, and no sooner.
"""

from __future__ import annotations

import mmap
import os
import random
import signal
import threading
import time
from collections.abc import Callable

from app.domain.errors import Unavailable
from app.services.execution import Executor
from app.services.keeper import EXIT_CALL_ENDED, Keeper
from app.services.metrics import MetricsService
from app.telemetry import emit


class StopFlag:
    """One byte shared by a worker and the pool processes it forks."""

    def __init__(self) -> None:
        self._shared = mmap.mmap(-1, 1)

    def set(self) -> None:
        """Tell every process of this worker to stop."""
        self._shared[0] = 1

    def is_set(self) -> bool:
        """Whether this worker is stopping."""
        return self._shared[0] == 1


class PoolProcess:
    """What one child of the pool is made of; `start` once, after the fork."""

    def __init__(self, executor: Executor, stop: StopFlag, *, metrics: MetricsService, poll_seconds: float) -> None:
        self._executor = executor
        self._metrics = metrics
        self._stop = stop
        self._poll = poll_seconds
        self._parent = os.getppid()
        self._ending = False

    def start(self) -> None:
        """Begin to watch and to poll."""
        # A platform signals every process of a dyno at once: it is the parent who decides when a child ends.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        self._executor.stop_when(self.stopping)
        self._metrics.start()
        Keeper(self._executor, exit=self._exit).start()
        threading.Thread(target=self._poll_forever, name="poller", daemon=True).start()

    def stopping(self) -> bool:
        """Whether the worker stops, this process is being replaced, or its parent has died."""
        return self._ending or self._stop.is_set() or os.getppid() != self._parent

    def work(self) -> None:
        """A doorbell rang."""
        self._executor.drain()

    def finish(self) -> None:
        """The process is about to end: let the poller's run finish, or be handed back by the keeper."""
        self._ending = True
        pace = self._executor.pace
        self._executor.wait_idle(pace.drain + 2 * pace.grace)
        self._metrics.stop()

    def _exit(self, code: int) -> None:
        if code == EXIT_CALL_ENDED:
            # The database has just answered, so this takes no time; where it may not, being counted can wait.
            self._metrics.stop()
        os._exit(code)

    def _poll_forever(self) -> None:
        while True:
            # Spread, so that the children of many workers do not ask all at once.
            time.sleep(self._poll * (0.5 + random.random()))
            if not self.stopping():
                self._poll_once()

    def _poll_once(self) -> None:
        try:
            if self._executor.ledger.ready():
                self._executor.drain()
        except Unavailable:
            return  # the next look comes soon enough
        except Exception as error:  # noqa: BLE001 - a poller that dies leaves a worker deaf without Redis
            emit("poller.failed", error=error)


def rescue_dead(node: str, owners: Callable[[str], list[str]], rescue: Callable[[list[str]], int]) -> int:
    """Take back at once the runs of this node's pool processes that are gone; how many."""
    dead = [owner for owner in owners(node) if not _alive(int(owner.rpartition("/")[2]))]
    return rescue(dead) if dead else 0


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return not _zombie(pid)


def _zombie(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", "rb") as status:
            return status.read().rpartition(b")")[2].split()[0] == b"Z"
    except OSError:
        return False  # no /proc here; the process has been reaped or is alive

"""The keeper of a worker: takes leases of extensions, and runs a process of its own for each that it holds.

It is a thread of the worker's main process, which forks. So it works only while no fork is under way, holds no
connection while it sleeps, and starts its processes by exec.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path

from app.domain.errors import Unavailable
from app.domain.extension_work import (
    CRASHED,
    HELD,
    STARTING,
    ExtensionWorkUnits,
    Lease,
    LeaseState,
    Pace,
    Release,
)
from app.telemetry import emit

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = (sys.executable, "-P", "-m", "workers.extensions")
TICK = 0.2
LOOKS = 12
"""Looks at the leases in the length of one lease."""
STARTS_AT_ONCE = 2
"""Processes that may be starting together: importing is hard work, and a deploy starts all of them."""
START_SECONDS = 60.0
"""How long a process may take until it renews its lease by itself."""
SPARE_SECONDS = 2.0
TIDY_SECONDS = 3600.0
ABSENT_SECONDS = 30 * 86_400.0
"""After this, what an extension left behind that nobody runs any more is removed."""
ASKED_TO_END = (0, -signal.SIGTERM, -signal.SIGINT)

Units = Callable[[], AbstractContextManager[ExtensionWorkUnits]]


@dataclass(slots=True)
class _Child:
    lease: Lease
    process: subprocess.Popen[bytes]
    born: float
    told: bool = False
    """Whether it was told to stop."""


class ExtensionKeeper:
    """See the module.

    Args:
        node: Name of this worker.
        versions: Gives extension id -> version of its code, for those that may have work.
        units: Opens the database for one look, and closes it again.
        env: Environment of the processes that are started.
        program: What to start; it is given the id of this process, the owner and the lease.
    """

    def __init__(
        self,
        *,
        node: str,
        versions: Callable[[], Mapping[str, str]],
        units: Units,
        pace: Pace,
        env: Mapping[str, str],
        program: Sequence[str] = PROGRAM,
    ) -> None:
        self._node = node
        self._find_versions = versions
        self._versions: Mapping[str, str] = {}
        self._units = units
        self._pace = pace
        self._program = program
        # Whatever the folder it is started in: our own modules come first.
        self._env = {**env, "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, [env.get("PYTHONPATH")])])}
        self._children: dict[str, _Child] = {}
        self._awake = threading.Lock()
        self._stopping = threading.Event()
        self._looked_at = float("-inf")
        self._tidied_at = time.monotonic()
        self._stop_by = float("inf")
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to keep, in a thread of its own; nothing happens where no extension may have work."""
        self._versions = self._find_versions()
        if not self._versions:
            return
        os.register_at_fork(
            before=self._awake.acquire, after_in_parent=self._awake.release, after_in_child=self._awake.release
        )
        self._thread = threading.Thread(target=self._keep, name="extension keeper", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Take no more leases, and tell the processes to stop; does not wait."""
        if self._stopping.is_set():
            return
        self._stop_by = time.monotonic() + self._pace.drain + SPARE_SECONDS
        self._stopping.set()
        self._tell_to_stop()

    def _tell_to_stop(self) -> None:
        for child in list(self._children.values()):
            if not child.told:
                child.told = True
                child.process.send_signal(signal.SIGTERM)

    def finish(self) -> None:
        """Wait until they have ended, within the drain time, and kill those that have not."""
        if self._thread is None:
            return
        self.stop()
        self._thread.join(max(0.0, self._stop_by - time.monotonic()))
        for child in list(self._children.values()):
            child.process.kill()
        self._thread.join(SPARE_SECONDS)

    def _keep(self) -> None:
        while not self._stopping.is_set() or self._children:
            with self._awake:
                self._turn()
            time.sleep(TICK)

    def _turn(self) -> None:
        try:
            if self._stopping.is_set():
                # One may have been started at the very moment of the stop.
                self._tell_to_stop()
            self._collect()
            if time.monotonic() - self._looked_at > self._pace.lease / LOOKS:
                self._looked_at = time.monotonic()
                self._look()
        except Unavailable:
            return  # the next look comes soon enough
        except Exception as error:  # noqa: BLE001 - a keeper that dies leaves every extension to the other workers
            emit("extension.keeper_failed", error=error)

    # Processes that have ended.

    def _collect(self) -> None:
        for extension_id, child in list(self._children.items()):
            status = child.process.poll()
            if status is not None and self._given_back(child, status):
                del self._children[extension_id]

    def _given_back(self, child: _Child, status: int) -> bool:
        """Whether that is done, or need not wait: a lease that nobody renews runs out by itself."""
        try:
            self._give_back(child, status)
        except Unavailable:
            return self._stopping.is_set()
        return True

    def _give_back(self, child: _Child, status: int) -> None:
        """Release what the process itself could not: it has no say when it was killed."""
        how = Release()
        if status not in ASKED_TO_END and not self._stopping.is_set():
            how = Release(status=CRASHED, error=_described(status))
        with self._units() as units, units() as unit:
            mine = unit.extension_work.release(child.lease, how)
        if mine and how.status == CRASHED:
            emit("extension.process_ended", extension=child.lease.extension_id, why=how.error)

    # Leases.

    def _look(self) -> None:
        with self._units() as units:
            with units(read_only=True) as unit:
                found = {state.extension_id: state for state in unit.extension_work.leases()}
            for extension_id, child in self._children.items():
                self._tend(child, found.get(extension_id), units)
            if not self._stopping.is_set():
                self._take_open(found, units)
            if time.monotonic() > self._tidied_at + TIDY_SECONDS:
                self._tidied_at = time.monotonic()
                self._tidy(units)

    def _tidy(self, units: ExtensionWorkUnits) -> None:
        with units() as unit:
            gone = unit.extension_work.forget_absent(self._versions, ABSENT_SECONDS)
        if gone:
            emit("extension.forgotten", extensions=",".join(gone))

    def _tend(self, child: _Child, state: LeaseState | None, units: ExtensionWorkUnits) -> None:
        """Hold the lease of a process that is still starting; kill one whose lease has passed on."""
        if state is None or state.fence != child.lease.fence:
            mine = False
        elif state.status == STARTING:
            mine = time.monotonic() - child.born < START_SECONDS and self._renewed(child, units)
        else:
            # What was given back is over, and its process is about to end by itself.
            mine = state.held or state.status not in HELD
        if not mine and child.process.poll() is None:
            emit("extension.process_killed", extension=child.lease.extension_id)
            child.process.kill()

    def _renewed(self, child: _Child, units: ExtensionWorkUnits) -> bool:
        with units() as unit:
            return unit.extension_work.renew(
                child.lease, seconds=self._pace.lease, status=STARTING, good_life=START_SECONDS
            )

    def _take_open(self, found: Mapping[str, LeaseState], units: ExtensionWorkUnits) -> None:
        for extension_id, version in self._versions.items():
            state = found.get(extension_id)
            if extension_id in self._children or not (state is None or state.open_to(version)):
                continue
            if self._stopping.is_set() or self._starting(found) >= STARTS_AT_ONCE:
                return
            with units() as unit:
                lease = unit.extension_work.take(
                    extension_id, owner=self._node, version=version, seconds=self._pace.lease
                )
            if lease is not None:
                self._children[extension_id] = self._born(lease)

    def _starting(self, found: Mapping[str, LeaseState]) -> int:
        states = [(child, found.get(extension_id)) for extension_id, child in self._children.items()]
        return sum(
            state is None or state.fence != child.lease.fence or state.status == STARTING for child, state in states
        )

    def _born(self, lease: Lease) -> _Child:
        # In the worker's own process group: what ends the group ends these as well.
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [*self._program, str(os.getpid()), self._node, json.dumps(asdict(lease))],
            env=self._env,
            stdin=subprocess.DEVNULL,
        )
        return _Child(lease, process, time.monotonic())


def _described(status: int) -> str:
    if status < 0:
        return f"Its process was ended by {signal.Signals(-status).name}"
    return f"Its process ended with status {status}"

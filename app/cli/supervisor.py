"""Keeps programs running: prints their lines, restarts what ends, and ends everything when told to stop."""

from __future__ import annotations

import os
import selectors
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import IO

from app.cli.exits import CannotStart
from app.cli.guardian import Guardian
from app.cli.printer import Printer
from app.cli.programs import Child, Program, describe

OWN_NAME = "ordinaut"
_TICK = 0.1
_SERVICE_GRACE = 2.0


class Supervisor:
    """One loop in one thread; each method of the outside runs it until something is so.

    `grace` is how many seconds the programs get to end before they are killed.
    """

    def __init__(
        self, *, env: Mapping[str, str], folder: Path, printer: Printer, guardian: Guardian, grace: float
    ) -> None:
        self._env = env
        self._folder = folder
        self._printer = printer
        self._guardian = guardian
        self._grace = grace
        self._children: list[Child] = []
        self._service: Child | None = None
        self._selector = selectors.DefaultSelector()
        self._pipes: dict[int, IO[bytes]] = {}
        self._wake, self._wake_write = os.pipe()
        self.stopping = False

    def __enter__(self) -> Supervisor:
        """Take over the signals."""
        for end in (self._wake, self._wake_write):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # ignored under nohup
                signal.signal(number, self._stop)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self._selector.register(self._wake, selectors.EVENT_READ, None)
        return self

    def __exit__(self, *_: object) -> None:
        """End everything, whatever happened."""
        self.stopping = True
        self._end(self._children, self._grace)
        if self._service:
            self._end([self._service], _SERVICE_GRACE)
        self._turn(0)
        self._guardian.dismiss()

    def serve(self, program: Program, *, ready: Callable[[], bool], seconds: float) -> bool:
        """Start a program that the others need and that outlives them; False if it ends at once."""
        self._service = service = Child(program, restarts=False)
        self._start(service)
        deadline = time.monotonic() + seconds
        while not self.stopping and service.running and not ready():
            if time.monotonic() > deadline:
                raise CannotStart(f"{program.name} did not answer within {seconds:g} s.")
            self._turn(0.01)
        service.restarts = True
        return service.running

    def finish(self, program: Program) -> int:
        """Run a program to its end; its status."""
        child = Child(program, restarts=False)
        self._children = [child]
        self._start(child)
        while child.running and not self.stopping:
            self._turn()
        if self.stopping or child.process is None:
            return 0
        self._end([child], 1.0)
        self._children = []
        return child.process.returncode

    def keep(self, programs: Sequence[Program], *, until_ready: Callable[[], bool], ready: str) -> None:
        """Run programs until told to stop; print `ready` once `until_ready` says so."""
        self._children = [Child(program) for program in programs]
        for child in self._children:
            self._start(child)
        while not self.stopping and not until_ready():
            self._turn(_TICK)
        if not self.stopping:
            self.say(ready)
        while not self.stopping:
            self._turn()

    def say(self, sentence: str) -> None:
        """A line of the supervisor's own."""
        self._printer.line(OWN_NAME, sentence)

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        self.stopping = True

    def _start(self, child: Child) -> None:
        if child.group:
            child.signal(signal.SIGKILL)
            self._guardian.forget(child.group)
        child.start(env=self._env, folder=self._folder, now=time.monotonic())
        self._guardian.watch(child.group, last=child is self._service)
        if child.process and child.process.stdout:
            os.set_blocking(child.process.stdout.fileno(), False)
            self._pipes[child.process.stdout.fileno()] = child.process.stdout
            self._selector.register(child.process.stdout, selectors.EVENT_READ, child.program.name)

    def _turn(self, seconds: float = 3600.0) -> None:
        """Wait for something to happen, but no longer than this, and see to it."""
        for key, _ in self._selector.select(min(seconds, self._next_restart())):
            if key.data is None:
                os.read(self._wake, 4096)
            else:
                self._read(key)
        self._reap()
        if not self.stopping:
            self._restart_due()

    def _everyone(self) -> list[Child]:
        return [*self._children, *([self._service] if self._service else [])]

    def _next_restart(self) -> float:
        due = [child.restart_at for child in self._everyone() if child.restart_at is not None]
        return max(0.0, min(due) - time.monotonic()) if due and not self.stopping else 3600.0

    def _read(self, key: selectors.SelectorKey) -> None:
        try:
            data = os.read(key.fd, 65_536)
        except BlockingIOError:
            return
        if data:
            self._printer.feed(key.data, data)
            return
        self._printer.end(key.data)
        self._selector.unregister(key.fileobj)
        self._pipes.pop(key.fd).close()

    def _reap(self) -> None:
        """Collect all ended processes: as process 1 of a container this one inherits orphans as well."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            for child in self._everyone():
                if child.process and child.process.pid == pid:
                    child.process.returncode = os.waitstatus_to_exitcode(status)
                    self._ended(child)

    def _ended(self, child: Child) -> None:
        if self.stopping or child.process is None:
            return
        # What it forked may still hold the port or work on a run; it gets until the restart to end.
        child.signal(signal.SIGTERM)
        if child.restarts:
            pause = child.ended(now=time.monotonic())
            how = describe(child.process.returncode)
            self.say(f"{child.program.name} {how}; it is started again in {pause:g} s")

    def _restart_due(self) -> None:
        now = time.monotonic()
        for child in self._everyone():
            if child.restart_at is not None and now >= child.restart_at:
                self._start(child)

    def _end(self, children: Sequence[Child], grace: float) -> None:
        for child in children:
            child.restart_at = None
            child.signal(signal.SIGTERM)
        self._wait_gone(children, grace)
        for child in children:
            if not child.gone():
                self.say(f"{child.program.name} did not end within {grace:g} s and is killed")
                child.signal(signal.SIGKILL)
        self._wait_gone(children, 1.0)
        for child in children:
            self._guardian.forget(child.group)
            child.group = 0

    def _wait_gone(self, children: Sequence[Child], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not all(child.gone() for child in children) and time.monotonic() < deadline:
            self._turn(_TICK)

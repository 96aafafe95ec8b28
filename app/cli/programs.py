"""Programs as the supervisor sees them: what to start, and the process group that came of it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from app.cli.exits import CannotStart

_LINE = re.compile(r"([A-Za-z0-9_-]+):\s*(\S.*)")
FIRST_PAUSE = 0.5
"""Seconds before the first restart of a program that ended; each further one takes twice as long…"""
LONGEST_PAUSE = 30.0
"""…up to this, and the count starts again…"""
GOOD_LIFE = 30.0
"""…after a life of this many seconds."""


@dataclass(frozen=True, slots=True)
class Program:
    """What to start: `input` is written to its standard input, which is then closed."""

    name: str
    command: Sequence[str]
    input: bytes = b""


def read_procfile(path: Path) -> dict[str, Program]:
    """Name -> program of a Procfile: lines of `name: shell command`. Raises CannotStart."""
    programs: dict[str, Program] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _LINE.fullmatch(line.strip())
        if not match:
            raise CannotStart(f"Line {number} of {path} is not `name: command`.")
        programs[match[1]] = Program(match[1], ("/bin/sh", "-c", match[2]))
    return programs


class Child:
    """One life after another of one program. Times are seconds of the monotonic clock."""

    def __init__(self, program: Program, *, restarts: bool = True) -> None:
        self.program = program
        self.restarts = restarts
        self.process: subprocess.Popen[bytes] | None = None
        self.group = 0
        """The process group of the present or the last life, while anything of it may be alive."""
        self.restart_at: float | None = None
        self._born = 0.0
        self._pause = FIRST_PAUSE

    @property
    def running(self) -> bool:
        """Whether the process that was started (not one of its children) is alive."""
        return self.process is not None and self.process.returncode is None

    def start(self, *, env: Mapping[str, str], folder: Path, now: float) -> None:
        """Start it in a session of its own: a Ctrl-C in the terminal reaches the supervisor alone."""
        self.process = subprocess.Popen(
            self.program.command,
            env=env,
            cwd=folder,
            stdin=subprocess.PIPE if self.program.input else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self.group, self._born, self.restart_at = self.process.pid, now, None
        if self.process.stdin:
            self.process.stdin.write(self.program.input)
            self.process.stdin.close()

    def ended(self, *, now: float) -> float:
        """Note the end of a life; the pause in seconds after which the next one is due."""
        if now - self._born >= GOOD_LIFE:
            self._pause = FIRST_PAUSE
        pause, self._pause = self._pause, min(self._pause * 2, LONGEST_PAUSE)
        self.restart_at = now + pause
        return pause

    def signal(self, number: signal.Signals) -> None:
        """Signal everything in the process group; nobody there is fine."""
        if self.group:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.group, number)

    def gone(self) -> bool:
        """Whether nothing is left of it, the processes it forked included."""
        if not self.group:
            return True
        try:
            os.killpg(self.group, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            # macOS says this of zombies; someone else's processes are never in our group.
            return not self.running
        return False


def describe(status: int) -> str:
    """An exit status, as subprocess counts it, in words."""
    if status < 0:
        return f"was ended by {signal.Signals(-status).name}"
    return f"ended with status {status}"

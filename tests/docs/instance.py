"""A real `ordinaut up` on a free port, with a home folder of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.servers import REPOSITORY, free_port, wait_for

START_SECONDS = 60
STOP_SECONDS = 40


@dataclass(frozen=True, slots=True)
class Instance:
    """One that runs."""

    port: int
    process: subprocess.Popen[bytes]
    log: Path

    @classmethod
    def start(cls, folder: Path, **settings: str) -> Instance:
        """Start it and wait until it says that it is ready; what the tests' own environment sets plays no part."""
        port, log = free_port(), folder / "up.log"
        env = {"PATH": os.environ.get("PATH", os.defpath), "PORT": str(port), "ORDINAUT_HOME": str(folder / "var")}
        env |= settings
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, str(REPOSITORY / "bin" / "ordinaut"), "up"],
                env=env,
                stdout=output,
                stderr=output,
                stdin=subprocess.DEVNULL,
                cwd=folder,
                start_new_session=True,
            )
        one = cls(port, process, log)
        wait_for(lambda: one.ready() or process.poll() is not None, seconds=START_SECONDS, what="ordinaut up")
        assert one.ready(), one.lines()
        return one

    def ready(self) -> bool:
        """Whether it has said so."""
        return "Ordinaut is ready" in self.lines()

    def lines(self) -> str:
        """All it has printed."""
        return self.log.read_text(encoding="utf-8")

    def stop(self) -> int:
        """SIGTERM, and its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_SECONDS)

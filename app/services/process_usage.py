"""What this process takes from its machine."""

from __future__ import annotations

import psutil


class ProcessUsage:
    """Reads the process's own account; cheap enough for every few seconds. Made anew after a fork."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._cpu = 0.0

    def memory_bytes(self) -> int:
        """Resident memory, shared pages included."""
        return int(self._process.memory_info().rss)

    def open_files(self) -> int:
        """File descriptors in use."""
        return int(self._process.num_fds())

    def cpu_since_last(self) -> float:
        """Seconds of CPU time since the last call, user and system."""
        times = self._process.cpu_times()
        now, before = times.user + times.system, self._cpu
        self._cpu = now
        return max(0.0, now - before)

"""Beat's thread that asks servers of the Model Context Protocol for their tools, never in the way of its ticks."""

from __future__ import annotations

import threading

from app.domain.errors import Unavailable
from app.services.mcp import McpWatch
from app.telemetry import emit

PAUSE_SECONDS = 5.0
"""After something went wrong."""


class McpWatcher:
    """`start` once, in the process that is to watch."""

    def __init__(self, watch: McpWatch) -> None:
        self._watch = watch
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._repeat, name="mcp watch", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Ask nobody any more; a server that is being asked is left alone."""
        self._stopping.set()

    def _repeat(self) -> None:
        while not self._stopping.is_set():
            pause = PAUSE_SECONDS
            try:
                pause = self._watch.look()
            except Unavailable:
                pass  # the database will be back
            except Exception as error:  # noqa: BLE001 - a background loop
                emit("mcp.watch_failed", error=error)
            self._stopping.wait(pause)

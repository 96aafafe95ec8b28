"""Waits in memory: a twin of `app.storage.waits`."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from app.domain.waits import OpenWait, Resolution, of_child

if TYPE_CHECKING:
    from tests.fakes.stores import Rows


class MemoryWaitStore:
    """See `app.domain.ports.WaitStore`."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    def resolve(self, wait_id: str, resolution: Resolution) -> bool:
        wait = self._rows.waits.pop(wait_id, None)
        if wait is None:
            return False
        self._rows.runs[wait.run_id] = replace(self._rows.runs[wait.run_id], status="queued")
        return True

    def let_go(self, wait: OpenWait) -> None:
        """Children are no matter in memory."""

    def drop(self, run_id: str) -> bool:
        before = len(self._rows.waits)
        self._rows.waits = {key: one for key, one in self._rows.waits.items() if one.run_id != run_id}
        return len(self._rows.waits) < before

    def ended_unseen(self, run_id: str, status: str, error: Mapping[str, Any] | None) -> None:
        for wait in [one for one in self._rows.waits.values() if one.child_run_id == run_id]:
            self.resolve(wait.id, of_child(run_id, status, None, error))

    def get(self, wait_id: str) -> OpenWait | None:
        return self._rows.waits.get(wait_id)

    def of_run(self, run_id: str) -> OpenWait | None:
        return next((one for one in self._rows.waits.values() if one.run_id == run_id), None)

    def next_due_at(self) -> int | None:
        return min((one.due_at for one in self._rows.waits.values() if one.due_at is not None), default=None)

    def due(self, limit: int) -> list[OpenWait]:
        now = time.time_ns() // 1000
        return [one for one in self._rows.waits.values() if one.due_at is not None and one.due_at <= now][:limit]

    def lost(self, limit: int) -> list[tuple[str, Resolution]]:
        return []

    def orphans(self, limit: int) -> list[str]:
        return []

"""The ledger's writes on SQLite: statement by statement, since the database is in this very process."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from app.domain.execution import Checkpoint, Settlement
from app.domain.runs import ENDED
from app.storage.journal import pack
from app.storage.ledger import PRIORITY_STEP_US, SqlRunLedger

# A run that is to be cancelled waits for nothing: the next worker ends it.
_SETTLE = f"""UPDATE runs SET
 status = CASE WHEN ?1 = 'waiting' AND cancel_requested_at IS NOT NULL THEN 'queued' ELSE ?1 END,
 available_at = CASE WHEN cancel_requested_at IS NULL
  THEN COALESCE(now_us() + ?, available_at) ELSE now_us() END,
 rank = CASE WHEN cancel_requested_at IS NULL
  THEN COALESCE(now_us() + ? + (priority - 1) * {PRIORITY_STEP_US}, rank) ELSE now_us() END,
 attempt = attempt - ?, error = ?, output = ?, finished_at = CASE WHEN ? THEN now_us() END, lease_owner = NULL,
 leased_until = NULL, active_us = active_us + ?, journal_length = journal_length + ?
 WHERE id = ? AND fence = ? AND status = 'running' RETURNING journal_length"""
_CHECKPOINT = """UPDATE runs SET journal_length = journal_length + ?
 WHERE id = ? AND fence = ? AND status = 'running' RETURNING journal_length, cancel_requested_at"""
_APPEND = "INSERT INTO run_journal (run_id, first, last, records) VALUES (?, ?, ?, ?)"


class SqliteRunLedger(SqlRunLedger):
    """One writer at a time, and no round trips."""

    def _begin(self, cursor: Any, *, single: bool) -> None:
        cursor.execute("BEGIN IMMEDIATE")

    def _settle(self, cursor: Any, settlements: Sequence[Settlement]) -> set[str]:
        accepted: set[str] = set()
        appended: list[tuple[str, int, int, str]] = []
        for one in settlements:
            count = len(one.lines)
            cursor.execute(
                _SETTLE,
                (
                    one.status,
                    one.delay_us,
                    one.delay_us,
                    int(one.returned),
                    one.error,
                    one.output,
                    one.status in ENDED,
                    one.active_us,
                    count,
                    one.run.id,
                    one.run.fence,
                ),
            )
            row = cursor.fetchone()
            if row is None:
                continue
            accepted.add(one.run.id)
            if count:
                appended.append((one.run.id, row[0] - count + 1, row[0], pack(one.lines)))
        cursor.executemany(_APPEND, appended)
        return accepted

    def _checkpoint(self, cursor: Any, checkpoint: Checkpoint) -> tuple[bool, bool]:
        count = len(checkpoint.lines)
        cursor.execute(_CHECKPOINT, (count, checkpoint.run.id, checkpoint.run.fence))
        row = cursor.fetchone()
        if row is None:
            return False, False
        if count:
            cursor.execute(_APPEND, (checkpoint.run.id, row[0] - count + 1, row[0], pack(checkpoint.lines)))
        return True, row[1] is not None

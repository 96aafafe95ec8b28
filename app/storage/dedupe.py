"""Keys under which runs were accepted a while ago, so that a second one is not made."""

from __future__ import annotations

from datetime import datetime, timedelta

from app.domain.clock import to_micros
from app.domain.runs import NewRun
from app.storage.statements import Statements


class SqlDedupeStore:
    """See `app.domain.dedupe.DedupeStore`; made for one transaction."""

    def __init__(self, statements: Statements) -> None:
        self._sql = statements

    def accept(self, run: NewRun, now: datetime) -> str | None:
        """Take the run's key for its window; the id of the run that has it, where one was accepted inside its own."""
        if run.dedupe_key is None:
            return None
        until = now + timedelta(seconds=run.dedupe_window_seconds)
        mine = self._sql.run(
            "INSERT INTO dedupe_keys (task_id, key, run_id, expires_at) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (task_id, key) DO UPDATE SET run_id = excluded.run_id, expires_at = excluded.expires_at"
            " WHERE dedupe_keys.expires_at <= ? RETURNING run_id",
            (run.task_id, run.dedupe_key, run.id, to_micros(until), to_micros(now)),
        )
        if mine:
            return None
        ((earlier,),) = self._sql.run(
            "SELECT run_id FROM dedupe_keys WHERE task_id = ? AND key = ?", (run.task_id, run.dedupe_key)
        )
        return str(earlier)

    def release(self, task_id: str, run_id: str) -> None:
        """Give back the key of a run that was not made after all, or is gone."""
        self._sql.run("DELETE FROM dedupe_keys WHERE task_id = ? AND run_id = ?", (task_id, run_id))

    def purge(self, now: datetime, limit: int) -> int:
        """Forget keys whose window is over, `limit` at most; how many."""
        gone = self._sql.run(
            "DELETE FROM dedupe_keys WHERE (task_id, key) IN"
            " (SELECT task_id, key FROM dedupe_keys WHERE expires_at <= ? LIMIT ?) RETURNING 1",
            (to_micros(now), limit),
        )
        return len(gone)

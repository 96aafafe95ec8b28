"""Lines as somebody sees them who asks why a run does not start; nothing is changed or locked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from app.domain.holds import Standing
from app.storage.statements import NOW, Statements
from app.storage.tables import AT_WORK, HOLDING, IN_KEY_LINE, IN_TASK_LINE, OPEN

HOLDERS: Final = 20
"""Runs that are named…"""
COUNTED: Final = 1000
"""…and runs that are counted, at most: whoever is the ten thousandth knows enough."""
_OWNER = "(SELECT created_by FROM tasks WHERE tasks.id = runs.task_id)"


class SqlStandingStore:
    """See `app.domain.holds.StandingStore`."""

    def __init__(self, statements: Statements) -> None:
        self._sql = statements
        self._now = NOW[statements.postgresql]

    def of(self, run_id: str) -> Standing | None:
        """Where the run stands."""
        rows = self._sql.run(
            "SELECT gate, task_id, in_line, concurrency_key, concurrency_limit, rank FROM runs"
            " WHERE id = ? AND status = 'queued'",
            (run_id,),
        )
        if not rows:
            return None
        gate, task_id, in_line, key, limit, rank = rows[0]
        place = (rank, run_id)
        if gate == 1:
            holders, at_work = self._holders(f"task_id = ? AND {AT_WORK.text}", task_id)
            ahead = self._ahead(f"task_id = ? AND {IN_TASK_LINE.text}", (task_id, *place))
            return Standing(line="task", replaces=in_line == 2, holders=holders, at_work=at_work, ahead=ahead)
        if gate == 2:
            holders, at_work = self._holders(f"concurrency_key = ? AND {HOLDING.text}", key)
            ahead = self._ahead(f"concurrency_key = ? AND {IN_KEY_LINE.text}", (key, *place))
            return Standing(line="key", key=key, limit=limit, holders=holders, at_work=at_work, ahead=ahead)
        due = f"{OPEN.text} AND available_at <= (SELECT {self._now})"
        return Standing(line=None, ahead=self._ahead(due, place) if gate == 0 else 0)

    def _holders(self, where: str, value: str) -> tuple[Sequence[tuple[str, str]], int]:
        found = self._sql.run(f"SELECT id, {_OWNER} FROM runs WHERE {where} ORDER BY id LIMIT {HOLDERS}", (value,))
        holders = tuple((run_id, owner) for run_id, owner in found)
        if len(holders) < HOLDERS:
            return holders, len(holders)
        return holders, self._count(where, (value,))

    def _ahead(self, where: str, values: Sequence[Any]) -> int:
        return self._count(f"{where} AND (rank, id) < (?, ?)", values)

    def _count(self, where: str, values: Sequence[Any]) -> int:
        ((count,),) = self._sql.run(
            f"SELECT COUNT(*) FROM (SELECT 1 FROM runs WHERE {where} LIMIT {COUNTED}) AS counted", values
        )
        return int(count)

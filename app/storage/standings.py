"""Lines as somebody sees them who asks why runs do not start; nothing is changed or locked.

However many runs are asked about, it takes six statements at most: a list is looked at as often as a run.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

import orjson

from app.domain.holds import Standing
from app.storage.statements import NOW, Statements, marks
from app.storage.tables import AT_WORK, HOLDING, IN_KEY_LINE, IN_TASK_LINE, OPEN

HOLDERS: Final = 20
"""Runs that are named…"""
COUNTED: Final = 1000
"""…and runs before it that are counted, at most: whoever is the ten thousandth knows enough."""

Holders = tuple[Sequence[tuple[str, str]], int]
"""Those that are named, each with the owner of its task, and how many there are."""
_NOBODY: Holders = ((), 0)


class SqlStandingStore:
    """See `app.domain.holds.StandingStore`."""

    def __init__(self, statements: Statements) -> None:
        self._sql = statements

    def of(self, run_ids: Collection[str]) -> Mapping[str, Standing]:
        """Where the runs stand; those that are not queued are left out."""
        if not run_ids:
            return {}
        rows = self._sql.run(
            "SELECT id, gate, task_id, in_line, concurrency_key, concurrency_limit FROM runs"
            f" WHERE id IN ({marks(run_ids)}) AND status = 'queued'",
            tuple(run_ids),
        )
        by_gate = {gate: [row for row in rows if row[1] == gate] for gate in (0, 1, 2)}
        tasks = self._holders("task_id", AT_WORK.text, {row[2] for row in by_gate[1]})
        keys = self._holders("concurrency_key", HOLDING.text, {row[4] for row in by_gate[2]})
        due = f"{OPEN.text} AND available_at <= (SELECT {NOW[self._sql.postgresql]})"
        ahead = {
            **self._ahead(due, by_gate[0]),
            **self._ahead(f"task_id = mine.task_id AND {IN_TASK_LINE.text}", by_gate[1]),
            **self._ahead(f"concurrency_key = mine.concurrency_key AND {IN_KEY_LINE.text}", by_gate[2]),
        }
        found = {row[0]: Standing(line=None, ahead=ahead.get(row[0], 0)) for row in rows}
        for run_id, _, task_id, in_line, *_ in by_gate[1]:
            holders, at_work = tasks.get(task_id, _NOBODY)
            found[run_id] = Standing(
                line="task", replaces=in_line == 2, holders=holders, at_work=at_work, ahead=ahead[run_id]
            )
        for run_id, *_, key, limit in by_gate[2]:
            holders, at_work = keys.get(key, _NOBODY)
            found[run_id] = Standing(
                line="key", key=key, limit=limit, holders=holders, at_work=at_work, ahead=ahead[run_id]
            )
        return found

    def sent_back(self, run_ids: Collection[str]) -> Mapping[str, str]:
        """Why those of the runs that have begun were put back into the queue, as their journals say at their ends."""
        if not run_ids:
            return {}
        rows = self._sql.run(
            "SELECT runs.id, run_journal.records FROM runs JOIN run_journal"
            " ON run_journal.run_id = runs.id AND run_journal.last = runs.journal_length"
            f" WHERE runs.id IN ({marks(run_ids)})",
            tuple(run_ids),
        )
        states = {run_id: [body for _, kind, body in orjson.loads(text) if kind == "state"] for run_id, text in rows}
        return {run_id: str(found[-1].get("reason")) for run_id, found in states.items() if found}

    def _holders(self, column: str, where: str, lines: Collection[str]) -> Mapping[str, Holders]:
        """Who is at work in these lines: they are no more than the limits allow."""
        if not lines:
            return {}
        rows = self._sql.run(
            "SELECT line, held.id, tasks.created_by, many FROM"
            f" (SELECT {column} AS line, id, task_id, COUNT(*) OVER (PARTITION BY {column}) AS many,"
            f" ROW_NUMBER() OVER (PARTITION BY {column} ORDER BY id) AS place"
            f" FROM runs WHERE {column} IN ({marks(lines)}) AND {where}) AS held"
            f" JOIN tasks ON tasks.id = held.task_id WHERE place <= {HOLDERS} ORDER BY line, place",
            tuple(lines),
        )
        found: dict[str, tuple[list[tuple[str, str]], int]] = {}
        for line, run_id, owner, many in rows:
            found.setdefault(line, ([], many))[0].append((run_id, owner))
        return found

    def _ahead(self, where: str, rows: Sequence[Sequence[Any]]) -> Mapping[str, int]:
        """How many stand before each of these runs, among those of which `where` holds."""
        if not rows:
            return {}
        counts = self._sql.run(
            f"SELECT mine.id, (SELECT COUNT(*) FROM (SELECT 1 FROM runs WHERE {where}"
            f" AND (rank, id) < (mine.rank, mine.id) LIMIT {COUNTED}) AS counted)"
            f" FROM runs AS mine WHERE mine.id IN ({marks(rows)})",
            [row[0] for row in rows],
        )
        return {run_id: int(count) for run_id, count in counts}

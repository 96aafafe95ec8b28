"""The ledger's writes on PostgreSQL: many runs in one statement, since each round trip costs more than the work."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Engine

from app.domain.execution import Checkpoint, Claimed, Settlement
from app.storage.journal import pack
from app.storage.ledger import PRIORITY_STEP_US, SqlRunLedger

# A run that is to be cancelled waits for nothing: the next worker ends it.
_SETTLE = """WITH given AS (
  SELECT * FROM unnest(%s::text[], %s::int[], %s::text[], %s::bigint[], %s::int[], %s::text[], %s::text[],
    %s::bigint[], %s::int[], %s::text[])
  AS t(id, fence, status, delay_us, returned, error, output, active_us, added, records)),
settled AS (
  UPDATE runs SET status = CASE WHEN given.status = 'waiting' AND runs.cancel_requested_at IS NOT NULL
      THEN 'queued' ELSE given.status END,
    available_at = CASE WHEN runs.cancel_requested_at IS NULL
      THEN COALESCE({now} + given.delay_us, runs.available_at) ELSE {now} END,
    rank = CASE WHEN runs.cancel_requested_at IS NULL
      THEN COALESCE({now} + given.delay_us + (runs.priority - 1) * {step}::bigint, runs.rank) ELSE {now} END,
    attempt = runs.attempt - given.returned, error = given.error, output = given.output,
    finished_at = CASE WHEN given.status NOT IN ('queued', 'waiting') THEN {now} END,
    lease_owner = NULL, leased_until = NULL,
    active_us = runs.active_us + given.active_us, journal_length = runs.journal_length + given.added
  FROM given WHERE runs.id = given.id AND runs.fence = given.fence AND runs.status = 'running'
  RETURNING runs.id, runs.journal_length, given.added, given.records),
written AS (
  INSERT INTO run_journal (run_id, first, last, records)
  SELECT id, journal_length - added + 1, journal_length, records FROM settled WHERE added > 0)
"""
_CHECKPOINT = """WITH kept AS (
  UPDATE runs SET journal_length = journal_length + %s
  WHERE id = %s AND fence = %s AND status = 'running' RETURNING id, journal_length, cancel_requested_at),
written AS (
  INSERT INTO run_journal (run_id, first, last, records)
  SELECT id, journal_length - %s + 1, journal_length, %s FROM kept WHERE %s > 0)
SELECT cancel_requested_at IS NOT NULL FROM kept"""


class PostgresqlRunLedger(SqlRunLedger):
    """Any number of writers, each passing over the rows that others hold."""

    now = "(extract(epoch from clock_timestamp()) * 1000000)::bigint"
    mark = "%s"
    skip_locked = " FOR UPDATE SKIP LOCKED"
    # An array is made once; a plain IN might run the locking query again for each row.
    among = "= ANY(ARRAY({}))"
    merges = True

    def __init__(self, engine: Engine, *, lease_seconds: float) -> None:
        super().__init__(engine, lease_seconds=lease_seconds)
        settle = _SETTLE.format(now=self.now, step=PRIORITY_STEP_US)
        self._settle_sql = f"{settle} SELECT id FROM settled"
        # Each sees what was there before the other: no row is both settled and claimed.
        self._settle_and_claim_sql = f"""{settle}, claimed AS ({self._claim_sql})
            SELECT settled.id, claimed.* FROM settled LEFT JOIN claimed ON false
            UNION ALL SELECT NULL, claimed.* FROM claimed"""

    def _begin(self, cursor: Any, *, single: bool) -> None:
        """The connection is in autocommit: a single statement needs no round trips for BEGIN and COMMIT."""
        if not single:
            cursor.execute("BEGIN")

    def _settle(self, cursor: Any, settlements: Sequence[Settlement]) -> set[str]:
        cursor.execute(self._settle_sql, _columns(settlements))
        return {run_id for (run_id,) in cursor.fetchall()}

    def _settle_and_claim(
        self, cursor: Any, settlements: Sequence[Settlement], owner: str, want: int
    ) -> tuple[set[str], list[Claimed]]:
        """One round trip in place of four."""
        cursor.execute(self._settle_and_claim_sql, (*_columns(settlements), owner, want))
        rows = cursor.fetchall()
        settled = {row[0] for row in rows if row[0] is not None}
        return settled, self._claimed([row[1:] for row in rows if row[0] is None])

    def _checkpoint(self, cursor: Any, checkpoint: Checkpoint) -> tuple[bool, bool]:
        run, count = checkpoint.run, len(checkpoint.lines)
        cursor.execute(_CHECKPOINT, (count, run.id, run.fence, count, pack(checkpoint.lines), count))
        row = cursor.fetchone()
        return row is not None, bool(row and row[0])


def _columns(settlements: Sequence[Settlement]) -> tuple[list[Any], ...]:
    """The values of `_SETTLE`, an array for each column."""
    rows = (
        (
            one.run.id,
            one.run.fence,
            one.status,
            one.delay_us,
            int(one.returned),
            one.error,
            one.output,
            one.active_us,
            len(one.lines),
            pack(one.lines),
        )
        for one in settlements
    )
    return tuple(list(column) for column in zip(*rows, strict=True))

"""The hot path: claim, checkpoint, settle and rescue runs, in SQL handed straight to the driver.

What both databases share is here; how each settles many runs at once is in `ledger_sqlite` and
`ledger_postgresql`. Every statement that touches a claimed run names its fence, so that a worker whose lease has
passed on changes nothing, whatever it believes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import orjson
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from app.domain.execution import Checkpoint, Claimed, Exchange, Settlement
from app.domain.runs import Record
from app.storage.engines import translated
from app.storage.journal import pack, unpack
from app.storage.runs import PRIORITY_STEP

INNOCENT_LOSSES = 3
"""Deaths of its worker before anything was committed that cost a run no attempt."""
PRIORITY_STEP_US = int(PRIORITY_STEP.total_seconds()) * 1_000_000
# No queued run that is due can stand behind this rank: the scan for ready runs ends here.
_RANK_REACH = 8 * PRIORITY_STEP_US

CLAIMED = (
    "id, task_id, definition_id, trigger, nominal_at, scheduled_for, priority, attempt, max_attempts, fence,"
    " active_us, journal_length, params, request_id, cancel_requested_at"
)


class SqlRunLedger(ABC):
    """See `app.domain.execution.RunLedger`; made for one engine and one length of lease in seconds."""

    now = "now_us()"
    mark = "?"
    skip_locked = ""
    among = "IN ({})"

    def __init__(self, engine: Engine, *, lease_seconds: float) -> None:
        self._engine = engine
        self._lease = int(lease_seconds * 1_000_000)
        ready = f"""SELECT id FROM runs WHERE status = 'queued' AND rank <= {self.now} + {_RANK_REACH}
            AND available_at <= (SELECT {self.now}) ORDER BY rank LIMIT ?{self.skip_locked}"""
        self._claim_sql = self._sql(
            f"""UPDATE runs SET status = 'running', attempt = attempt + 1, fence = fence + 1, lease_owner = ?,
                claimed_length = journal_length, leased_until = {self.now} + {self._lease},
                started_at = COALESCE(started_at, {self.now})
                WHERE id {self.among.format(ready)} RETURNING {CLAIMED}, rank"""
        )
        self._renew_sql = (
            f"UPDATE runs SET leased_until = {self.now} + {self._lease} WHERE lease_owner = ?"
            " AND status = 'running' AND id IN ({}) RETURNING id, cancel_requested_at"
        )
        self._ready_sql = (
            f"SELECT 1 FROM runs WHERE status = 'queued' AND rank <= {self.now} + {_RANK_REACH}"
            f" AND available_at <= (SELECT {self.now}) ORDER BY rank LIMIT 1"
        )

    def _sql(self, text: str) -> str:
        return " ".join(text.split()).replace("?", self.mark)

    # The part of each database.

    @abstractmethod
    def _begin(self, cursor: Any, *, single: bool) -> None:
        """Open a writing transaction; with `single` it will hold one statement."""

    @abstractmethod
    def _settle(self, cursor: Any, settlements: Sequence[Settlement]) -> set[str]:
        """Write settlements; the ids of those whose fence still stood."""

    @abstractmethod
    def _checkpoint(self, cursor: Any, checkpoint: Checkpoint) -> tuple[bool, bool]:
        """Write records of a run that goes on; whether its fence still stood, and whether it is to be cancelled."""

    # What both share.

    @contextmanager
    def _transaction(self, *, write: bool = True, single: bool = False) -> Iterator[Any]:
        with translated(), _driver_errors(self._engine):
            connection = self._engine.raw_connection()
            try:
                cursor = connection.cursor()
                if write:
                    self._begin(cursor, single=single)
                yield cursor
                connection.commit()
            except BaseException:
                _abandon(connection)
                raise
            finally:
                connection.close()

    def exchange(
        self,
        owner: str,
        *,
        settle: Sequence[Settlement] = (),
        checkpoint: Checkpoint | None = None,
        want: int = 0,
    ) -> Exchange:
        """Settle, checkpoint and claim, all in one transaction."""
        cancelled: set[str] = set()
        claimed: list[Claimed] = []
        single = bool(settle) + bool(checkpoint) + bool(want) == 1
        with self._transaction(single=single) as cursor:
            accepted = self._settle(cursor, settle) if settle else set()
            if checkpoint is not None:
                mine, cancel = self._checkpoint(cursor, checkpoint)
                accepted.update([checkpoint.run.id] if mine else ())
                cancelled.update([checkpoint.run.id] if cancel else ())
            if want:
                claimed = self._claim(cursor, owner, want)
        return Exchange(frozenset(accepted), frozenset(cancelled), claimed)

    def _claim(self, cursor: Any, owner: str, want: int) -> list[Claimed]:
        cursor.execute(self._claim_sql, (owner, want))
        # RETURNING promises no order.
        rows = sorted(cursor.fetchall(), key=lambda row: (row[-1], row[0]))
        return [Claimed(*(*row[:12], _loaded(row[12]), row[13], row[14] is not None)) for row in rows]

    def renew(self, owner: str, run_ids: Sequence[str]) -> dict[str, bool]:
        """Extend these leases."""
        if not run_ids:
            return {}
        with self._transaction(single=True) as cursor:
            cursor.execute(self._sql(self._renew_sql.format(", ".join("?" * len(run_ids)))), (owner, *run_ids))
            return {run_id: requested is not None for run_id, requested in cursor.fetchall()}

    def ready(self) -> bool:
        """Whether any run could be claimed now; reads only."""
        with self._transaction(write=False) as cursor:
            cursor.execute(self._ready_sql)
            return cursor.fetchone() is not None

    def journal(self, run_id: str) -> list[Record]:
        """All records of a run, in order."""
        with self._transaction(write=False) as cursor:
            cursor.execute(
                self._sql("SELECT first, records FROM run_journal WHERE run_id = ? ORDER BY first"), (run_id,)
            )
            return list(unpack(cursor.fetchall(), 0))

    def definition(self, definition_id: str) -> dict[str, Any]:
        """The document of a definition; its task is gone when there is none."""
        with self._transaction(write=False) as cursor:
            cursor.execute(self._sql("SELECT document FROM definitions WHERE id = ?"), (definition_id,))
            row = cursor.fetchone()
        document: dict[str, Any] = orjson.loads(row[0]) if row else {}
        return document

    def owners(self, node: str) -> list[str]:
        """Who on this node holds runs."""
        with self._transaction(write=False) as cursor:
            cursor.execute("SELECT DISTINCT lease_owner FROM runs WHERE status = 'running'")
            return [owner for (owner,) in cursor.fetchall() if owner and owner.startswith(f"{node}/")]

    def rescue(self, owners: Sequence[str] | None = None) -> int:
        """Take back what dead workers held; each run a lost attempt."""
        values: tuple[str, ...]
        if owners is None:
            where, values = f"leased_until < {self.now}", ()
        elif owners:
            where, values = f"lease_owner IN ({', '.join('?' * len(owners))})", tuple(owners)
        else:
            return 0
        lost = (
            f"SELECT id, attempt, max_attempts, journal_length, cancel_requested_at IS NOT NULL, {self.now},"
            " claimed_length, losses"
            f" FROM runs WHERE status = 'running' AND {where} LIMIT 500{self.skip_locked}"
        )
        if not self._any(f"SELECT 1 FROM runs WHERE status = 'running' AND {where} LIMIT 1", values):
            return 0
        with self._transaction() as cursor:
            cursor.execute(self._sql(lost), values)
            rows = cursor.fetchall()
            for row in rows:
                self._take_back(cursor, row)
        return len(rows)

    def _any(self, query: str, values: Sequence[Any]) -> bool:
        with self._transaction(write=False) as cursor:
            cursor.execute(self._sql(query), tuple(values))
            return cursor.fetchone() is not None

    def _take_back(self, cursor: Any, row: tuple[str, int, int, int, bool, int, int, int]) -> None:
        run_id, attempt, most, length, cancelled, now, claimed_length, losses = row
        # Claimed with others and never begun, as far as anybody knows: the death was hardly its own. A run that kills
        # its worker before its first commit is found out by the number of such losses.
        innocent = length == claimed_length and losses < INNOCENT_LOSSES
        error = {"type": "worker_lost", "message": "The worker that ran it died", "step_id": None}
        status = "canceled" if cancelled else "failed" if attempt >= most and not innocent else "queued"
        ended = status != "queued"
        cursor.execute(
            self._sql(
                """UPDATE runs SET status = ?, fence = fence + 1, lease_owner = NULL, leased_until = NULL,
                    attempt = attempt - ?, losses = losses + ?, finished_at = ?, error = ?,
                    journal_length = journal_length + 1 WHERE id = ?"""
            ),
            (
                status,
                int(innocent and not ended),
                int(innocent),
                now if ended else None,
                orjson.dumps(error).decode() if status == "failed" else None,
                run_id,
            ),
        )
        line = (now, "state", {"status": status, "attempt": attempt, "error": error})
        cursor.execute(
            self._sql("INSERT INTO run_journal (run_id, first, last, records) VALUES (?, ?, ?, ?)"),
            (run_id, length + 1, length + 1, pack([line])),
        )


def _loaded(text: str | None) -> Any:
    return None if text is None else orjson.loads(text)


def _abandon(connection: Any) -> None:
    """Roll back; a connection that cannot even do that is thrown away."""
    try:
        connection.rollback()
    except Exception:  # noqa: BLE001 - the driver's own errors differ, and the first error is the one to show
        connection.invalidate()


@contextmanager
def _driver_errors(engine: Engine) -> Iterator[None]:
    """Give the driver's errors SQLAlchemy's names, so that `translated` knows them."""
    dbapi = engine.dialect.loaded_dbapi
    try:
        yield
    except dbapi.Error as error:
        raise DBAPIError.instance(
            None, None, error, dbapi.Error, connection_invalidated=False, dialect=engine.dialect
        ) from error

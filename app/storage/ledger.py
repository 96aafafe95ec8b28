"""The hot path: claim, checkpoint, settle and rescue runs, in SQL handed straight to the driver.

What both databases share is here; how each settles many runs at once is in `ledger_sqlite` and
`ledger_postgresql`. Every statement that touches a claimed run names its fence, so that a worker whose lease has
passed on changes nothing, whatever it believes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import orjson
from sqlalchemy import Engine

from app.domain.event_store import RunEnd, Witness
from app.domain.events import run_depth
from app.domain.execution import Checkpoint, Claimed, Exchange, Settlement
from app.domain.pipelines.fan_out import PartEnd
from app.domain.runs import Record
from app.domain.texts import t
from app.storage.engines import driver_errors, translated
from app.storage.events import SqlEventStore
from app.storage.gates import Gates
from app.storage.journal import JOURNAL_ROWS, pack, unpack
from app.storage.kin import Kin
from app.storage.ranks import PRIORITY_STEP
from app.storage.statements import CursorStatements
from app.storage.turns import passed
from app.storage.waits import SqlWaitStore
from app.telemetry import emit

INNOCENT_LOSSES = 3
"""Deaths of its worker before anything was committed that cost a run no attempt."""
PRIORITY_STEP_US = int(PRIORITY_STEP.total_seconds()) * 1_000_000
# No queued run that is due can stand behind this rank: the scan for ready runs ends here.
_RANK_REACH = 8 * PRIORITY_STEP_US

CLAIMED = (
    "id, task_id, definition_id, trigger, nominal_at, scheduled_for, priority, attempt, max_attempts, fence,"
    " active_us, journal_length, params, request_id, cancel_requested_at, event, parent_run_id, part,"
    " concurrency_key, in_line, depth"
)


NOTHING = Exchange(frozenset(), frozenset(), ())
# With the claim, so that it costs no round trip: a worker knows every trigger that is older than the run it takes up.
_TRIGGERS = "(SELECT position FROM event_marks WHERE name = 'triggers')"


class SqlRunLedger(ABC):
    """See `app.domain.execution.RunLedger`; made for one engine and one length of lease in seconds."""

    now = "now_us()"
    mark = "?"
    skip_locked = ""
    among = "IN ({})"
    merges = False
    """Whether settling and claiming are one statement."""

    def __init__(self, engine: Engine, *, lease_seconds: float) -> None:
        self.witness: Witness | None = None
        self.on_lost: Callable[[str], None] | None = None
        self._engine = engine
        self._lease = int(lease_seconds * 1_000_000)
        ready = f"""SELECT id FROM runs WHERE status = 'queued' AND rank <= {self.now} + {_RANK_REACH}
            AND available_at <= (SELECT {self.now}) ORDER BY rank LIMIT ?{self.skip_locked}"""
        self._claim_sql = self._sql(
            f"""UPDATE runs SET status = 'running', attempt = attempt + 1, fence = fence + 1, lease_owner = ?,
                claimed_length = journal_length, leased_until = {self.now} + {self._lease},
                started_at = COALESCE(started_at, {self.now})
                WHERE id {self.among.format(ready)} RETURNING {CLAIMED}, {_TRIGGERS}, rank"""
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
        with translated(), driver_errors(self._engine), passed(self._engine, read_only=not write):
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
        witness = self.witness
        if witness is not None and not witness.expects(settle, checkpoint, want):
            witness = None
        kin = Kin.among(settle)
        # A run that goes back to the queue may be claimed again at once: that takes one statement after the other.
        ends_only = all(one.status != "queued" for one in settle)
        merged = self.merges and bool(settle and want) and ends_only and checkpoint is None
        single = witness is None and kin is None and (merged or bool(settle) + bool(checkpoint) + bool(want) == 1)
        if single and merged:
            with self._transaction(single=True) as cursor:
                stood_too, claimed = self._settle_and_claim(cursor, settle, owner, want)
            return Exchange(frozenset(stood_too), frozenset(), claimed)
        with self._transaction(single=single) as cursor:
            gates = Gates(self._statements(cursor))
            events = self._events(cursor, gates) if witness or (kin and kin.listens) else None
            accepted = self._settle(cursor, settle) if settle else set()
            if kin is not None:
                gates.settled(settle, accepted)
                kin.settled(self._waits(cursor), events, accepted)
            cancelled = self._kept(cursor, checkpoint, accepted)
            # A witness may wait for tasks: nobody does that with the lock of a line.
            opened = 0 if witness else gates.admit()
            claimed = self._claim(cursor, owner, want) if want else []
            if witness and events:
                stood = [one for one in settle if one.run.id in accepted]
                kept = checkpoint if checkpoint and checkpoint.run.id in accepted else None
                witness.saw(events, stood, kept, claimed)
                opened = gates.admit()
        return Exchange(frozenset(accepted), frozenset(cancelled), claimed, opened)

    def _kept(self, cursor: Any, checkpoint: Checkpoint | None, accepted: set[str]) -> set[str]:
        """Write the records of a run that goes on, and add it to those accepted; itself where it is to be cancelled."""
        if checkpoint is None:
            return set()
        mine, cancel = self._checkpoint(cursor, checkpoint)
        accepted.update([checkpoint.run.id] if mine else ())
        return {checkpoint.run.id} if cancel else set()

    def _events(self, cursor: Any, gates: Gates) -> SqlEventStore:
        """The store of events inside this transaction, which holds the publishers' lock from here on."""
        events = SqlEventStore(self._statements(cursor), gates)
        events.lock()
        return events

    def _waits(self, cursor: Any) -> SqlWaitStore:
        return SqlWaitStore(self._statements(cursor))

    def _statements(self, cursor: Any) -> CursorStatements:
        return CursorStatements(cursor, postgresql=self.mark == "%s")

    def _settle_and_claim(
        self, cursor: Any, settlements: Sequence[Settlement], owner: str, want: int
    ) -> tuple[set[str], list[Claimed]]:
        return self._settle(cursor, settlements), self._claim(cursor, owner, want)

    def _claim(self, cursor: Any, owner: str, want: int) -> list[Claimed]:
        cursor.execute(self._claim_sql, (owner, want))
        return self._claimed(cursor.fetchall())

    def _claimed(self, found: Sequence[Sequence[Any]]) -> list[Claimed]:
        # RETURNING promises no order.
        rows = sorted(found, key=lambda row: (row[-1], row[0]))
        if rows and self.witness is not None:
            self.witness.seen(rows[0][-2])
        return [Claimed(*row[:12], *_columns(row)) for row in rows]

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

    def parts(self, run_id: str, ids: Sequence[str] = ()) -> list[PartEnd]:
        """The parts of a run, or those of them, with their journals, in the order in which they were made."""
        these = f" AND runs.id IN ({', '.join('?' * len(ids))})" if ids else ""
        parts = f"FROM runs WHERE parent_run_id = ? AND part IS NOT NULL{these}"
        records: dict[str, list[Record]] = {}
        with self._transaction(write=False) as cursor:
            cursor.execute(self._sql(f"SELECT id, part, status, error {parts} ORDER BY id"), (run_id, *ids))
            ends = cursor.fetchall()
            for part_id, first, text in self._journals(cursor, f"SELECT id {parts}", (run_id, *ids)):
                records.setdefault(part_id, []).extend(unpack([(first, text)], 0, without="log"))
        return [
            PartEnd(part=orjson.loads(part), status=status, error=_loaded(error), records=records.get(part_id, ()))
            for part_id, part, status, error in ends
        ]

    def _journals(self, cursor: Any, runs: str, given: Sequence[Any]) -> Iterator[tuple[str, int, str]]:
        """Rows of the journals of these runs, few at a time: all together they may be larger than memory."""
        query = self._sql(
            f"SELECT run_id, first, records FROM run_journal WHERE run_id IN ({runs}) AND (run_id, first) > (?, ?)"
            f" ORDER BY run_id, first LIMIT {JOURNAL_ROWS}"
        )
        last: tuple[str, int] = ("", 0)
        while True:
            cursor.execute(query, (*given, *last))
            rows = cursor.fetchall()
            yield from rows
            if len(rows) < JOURNAL_ROWS:
                return
            last = rows[-1][0], rows[-1][1]

    def part_failed(self, run_id: str) -> bool:
        """Whether one of the parts for which a run waits has failed."""
        return self._any("SELECT 1 FROM waits WHERE run_id = ? AND failed > 0", (run_id,))

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
        where, values = f"leased_until < {self.now}", tuple(owners or ())
        if owners is not None:
            where = f"leased_until > 0 AND lease_owner IN ({', '.join('?' * len(owners)) or 'NULL'})"
        lost = (
            f"SELECT id, attempt, max_attempts, journal_length, cancel_requested_at IS NOT NULL, {self.now},"
            " claimed_length, losses, task_id, trigger, event, in_line, concurrency_key, depth"
            f" FROM runs WHERE status = 'running' AND {where} LIMIT 500{self.skip_locked}"
        )
        if not self._any(f"SELECT 1 FROM runs WHERE status = 'running' AND {where} LIMIT 1", values):
            return 0
        witness = self.witness
        keen = witness is not None and witness.expects_rescues()
        unseen = owners is not None and witness is None
        with self._transaction() as cursor:
            gates = Gates(self._statements(cursor))
            events = self._events(cursor, gates) if keen else None
            cursor.execute(self._sql(lost), values)
            rows = cursor.fetchall()
            ended = [end for row in rows if (end := self._take_back(cursor, row, unseen=unseen)) is not None]
            for end in ended:
                self._waits(cursor).ended_unseen(end.run_id, end.status, end.error)
            if witness is not None:
                witness.rescued(events, ended)
            gates.rescued([(row[0], row[8], *row[11:13]) for row in rows])
            gates.admit()
        if witness is not None:
            witness.committed((), None, NOTHING)
        for end in ended:
            emit("run.ended", run_id=end.run_id, status=end.status)
            if end.status == "failed" and self.on_lost is not None:
                self.on_lost(end.task_id)
        return len(rows)

    def _any(self, query: str, values: Sequence[Any]) -> bool:
        with self._transaction(write=False) as cursor:
            cursor.execute(self._sql(query), tuple(values))
            return cursor.fetchone() is not None

    def _take_back(self, cursor: Any, row: Sequence[Any], *, unseen: bool) -> RunEnd | None:
        run_id, attempt, most, length, cancelled, now, claimed_length, losses, *_ = row
        # Claimed with others and never begun, as far as anybody knows: the death was hardly its own. A run that kills
        # its worker before its first commit is found out by the number of such losses.
        innocent = length == claimed_length and losses < INNOCENT_LOSSES
        error = {"type": "worker_lost", "message": t("The worker that ran it died"), "step_id": None}
        status = "canceled" if cancelled else "failed" if attempt >= most and not innocent else "queued"
        ended = status != "queued"
        if ended and unseen:
            cursor.execute(self._sql("UPDATE runs SET leased_until = 0 WHERE id = ?"), (run_id,))
            return None
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
        return _end(row, status, error) if ended else None


def _end(row: Sequence[Any], status: str, error: Mapping[str, Any]) -> RunEnd:
    """The end of a run that was lost with its worker."""
    task_id, trigger, event, depth = *row[8:11], row[13]
    return RunEnd(
        run_id=row[0],
        task_id=task_id,
        trigger=trigger,
        status=status,
        attempt=row[1],
        depth=run_depth(_loaded(event), depth),
        error=error if status == "failed" else None,
    )


def _columns(row: Sequence[Any]) -> tuple[Any, ...]:
    """The last columns of a claimed run as `Claimed` has them."""
    params, request_id, requested_at, event, parent_run_id, part, key, in_line, depth = row[12:21]
    given = _loaded(params), request_id, requested_at is not None, _loaded(event)
    return (*given, parent_run_id, _loaded(part), key, bool(in_line), depth)


def _loaded(text: str | None) -> Any:
    return None if text is None else orjson.loads(text)


def _abandon(connection: Any) -> None:
    """Roll back; a connection that cannot even do that is thrown away."""
    try:
        connection.rollback()
    except Exception:  # noqa: BLE001 - the driver's own errors differ, and the first error is the one to show
        connection.invalidate()

"""Waits in SQL: stored with the run that begins to wait, resolved by whoever sees the end of it.

Locks are taken in one order, so that no two transactions wait for each other: the publishers' lock, waits, runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from app.domain.evaluation import Meter
from app.domain.events import StoredEvent, event_document
from app.domain.execution import Settlement
from app.domain.ids import new_id
from app.domain.json_text import to_json
from app.domain.runs import ENDED, RunError
from app.domain.texts import t
from app.domain.waits import (
    FEW_VISITS,
    PUBLICATION_VISITS,
    ApprovalWait,
    ChildWait,
    EventWait,
    MatchTooCostly,
    OpenWait,
    Parking,
    PartsWait,
    Resolution,
    Until,
    Wait,
    heads_of,
    is_awaited,
    match_meter,
    of_child,
)
from app.storage.approvals import SqlApprovalStore
from app.storage.gates import BACK_IN_LINE
from app.storage.journal import pack
from app.storage.ranks import PRIORITY_STEP
from app.storage.runs import new_row
from app.storage.statements import NOW, Statements, bound, marks

_STEP_US = int(PRIORITY_STEP.total_seconds()) * 1_000_000
_OPEN = "waits.id, waits.run_id, waits.step_id, waits.kind, waits.due_at, due_result, topic, matching, child_run_id"


class SqlWaitStore:
    """See `app.domain.waits`; made for one transaction."""

    def __init__(self, statements: Statements) -> None:
        self._sql = statements
        self._now = NOW[statements.postgresql]

    # Beginning to wait.

    def park(self, run_id: str, parking: Parking) -> str | None:
        """Store what a run that has just become `waiting` waits for; the wait's id.

        None for a run that is not waiting after all, since somebody wants it cancelled.
        """
        wait, wait_id = parking.wait, new_id()
        if not self._sql.run("SELECT 1 FROM runs WHERE id = ? AND status = 'waiting'", (run_id,)):
            return None
        row = {
            "id": wait_id,
            "run_id": run_id,
            "step_id": parking.step_id,
            "uses": parking.uses,
            "attempt": parking.attempt,
            "item": parking.item,
            "kind": wait.kind,
            "due_result": None if wait.until is None else to_json(wait.until.then.as_body()).decode(),
            **_facts(wait),
        }
        due, due_values = self._due(wait.until)
        self._sql.run(
            f"INSERT INTO waits ({', '.join(row)}, created_at, due_at) VALUES ({marks(row)}, {self._now}, {due})",
            (*row.values(), *due_values),
        )
        match wait:
            case ChildWait(child=child):
                self._add([{**new_row(child, child.scheduled_for), "parent_run_id": run_id}])
            case PartsWait(parts=parts):
                self._add([new_row(part, part.scheduled_for) for part in parts])
            case ApprovalWait(approval=approval):
                SqlApprovalStore(self._sql).add(approval, parking, wait_id)
        if parking.errand is not None:
            self._sql.run(
                f"INSERT INTO mcp_errands (run_id, task_id, server, created_at) VALUES (?, ?, ?, {self._now})"
                " ON CONFLICT (run_id, task_id) DO NOTHING",
                (run_id, parking.errand.task_id, parking.errand.server),
            )
        return wait_id

    def _due(self, until: Until | None) -> tuple[str, tuple[int, ...]]:
        if until is None:
            return "NULL", ()
        if until.at_us is not None:
            return self._typed("?"), (until.at_us,)
        return f"{self._now} + {self._typed('?')}", (until.delay_us or 0,)

    def _typed(self, mark: str) -> str:
        return f"{mark}::bigint" if self._sql.postgresql else mark

    def _add(self, rows: Sequence[dict[str, Any]]) -> None:
        names = ", ".join(rows[0])
        values = [tuple(bound(row).values()) for row in rows]
        self._sql.many(f"INSERT INTO runs ({names}) VALUES ({marks(rows[0])})", values)

    # The end of a wait.

    def resolve(self, wait_id: str, resolution: Resolution) -> bool:
        """End a wait and queue its run; False when it has ended already."""
        parked = "run_id, step_id, uses, attempt, item"
        gone = self._sql.run(f"DELETE FROM waits WHERE id = ? RETURNING {parked}", (wait_id,))
        if not gone:
            return False
        run_id, step_id, uses, attempt, item = gone[0]
        body = {"id": step_id, "uses": uses, "status": "resumed", "attempt": attempt, **resolution.as_body()}
        if item is not None:
            body["item"] = item
        woken = self._sql.run(
            f"UPDATE runs SET status = 'queued', available_at = {self._now}, journal_length = journal_length + 1,"
            f" rank = {self._now} + (priority - 1) * {self._typed(str(_STEP_US))} + {BACK_IN_LINE}"
            f" WHERE id = ? AND status = 'waiting' RETURNING journal_length, {self._now}",
            (run_id,),
        )
        for length, now in woken:
            self._sql.run(
                "INSERT INTO run_journal (run_id, first, last, records) VALUES (?, ?, ?, ?)",
                (run_id, length, length, pack([(now, "step", body)])),
            )
        return bool(woken)

    def drop(self, run_id: str) -> bool:
        """Forget what a run waits for: it is about to be ended, or has been. Whether it waited."""
        gone = self._sql.run("DELETE FROM waits WHERE run_id = ? RETURNING id, kind", (run_id,))
        for wait_id, kind in gone:
            if kind == "approval":
                self._sql.run(
                    "UPDATE approvals SET status = 'canceled' WHERE wait_id = ? AND status = 'pending'", (wait_id,)
                )
        return bool(gone)

    def ended(self, settlements: Sequence[Settlement]) -> None:
        """Children and parts have ended: whoever waits for them goes on."""
        for one in sorted(settlements, key=lambda one: one.run.parent_run_id or ""):
            if one.run.part is not None:
                self._part_ended(one.run.parent_run_id or "", one.status)
            else:
                output = None if one.output is None else orjson.loads(one.output)
                error = None if one.error is None else orjson.loads(one.error)
                self._child_ended(one.run.id, of_child(one.run.id, one.status, output, error))

    def ended_unseen(self, run_id: str, status: str, error: Mapping[str, Any] | None) -> None:
        """A run has ended in nobody's hands; it may be a child, or a part."""
        rows = self._sql.run("SELECT parent_run_id, part FROM runs WHERE id = ?", (run_id,))
        for parent_run_id, part in rows:
            if part is not None:
                self._part_ended(parent_run_id, status)
            elif parent_run_id is not None:
                self._child_ended(run_id, of_child(run_id, status, None, error))

    def _child_ended(self, run_id: str, resolution: Resolution) -> None:
        for (wait_id,) in self._sql.run("SELECT id FROM waits WHERE child_run_id = ?", (run_id,)):
            self.resolve(wait_id, resolution)

    def _part_ended(self, parent_run_id: str, status: str) -> None:
        rows = self._sql.run(
            "UPDATE waits SET remaining = remaining - 1, failed = failed + ? WHERE run_id = ? AND kind = 'parts'"
            " RETURNING id, remaining, failed",
            (int(status == "failed"), parent_run_id),
        )
        for wait_id, remaining, failed in rows:
            if remaining == 0:
                self.resolve(wait_id, Resolution(output={"failed": failed}))

    def published(self, news: Sequence[StoredEvent]) -> int:
        """Events have just been stored: end the waits that are for one of them; how many."""
        heads = sorted({head for one in news for head in heads_of(one.event.topic)})
        rows = self._sql.run(
            f"SELECT {_OPEN} FROM waits WHERE kind = 'event' AND head IN ({marks(heads)}) ORDER BY id", heads
        )
        ended, spent = 0, 0
        for wait in map(_open, rows):
            meter = match_meter() if spent < PUBLICATION_VISITS else match_meter(FEW_VISITS)
            resolution = heard(wait, news, meter)
            spent += meter.visits
            ended += resolution is not None and self.resolve(wait.id, resolution)
        return ended

    # Looking.

    def now(self) -> int:
        """The database's clock, in microseconds since 1970."""
        ((now,),) = self._sql.run(f"SELECT {self._now}")
        return int(now)

    def get(self, wait_id: str) -> OpenWait | None:
        """A wait that has not ended."""
        return self._one("id", wait_id)

    def of_run(self, run_id: str) -> OpenWait | None:
        """What a run waits for."""
        return self._one("run_id", run_id)

    def _one(self, column: str, value: str) -> OpenWait | None:
        rows = self._sql.run(f"SELECT {_OPEN} FROM waits WHERE {column} = ?", (value,))
        return _open(rows[0]) if rows else None

    def next_due_at(self) -> int | None:
        """When the next one ends by itself, in microseconds since 1970."""
        rows = self._sql.run("SELECT due_at FROM waits WHERE due_at IS NOT NULL ORDER BY due_at LIMIT 1")
        return rows[0][0] if rows else None

    def due(self, limit: int) -> list[OpenWait]:
        """Waits whose time has come, soonest first; on PostgreSQL locked, and those that others hold left out."""
        locked = " FOR UPDATE SKIP LOCKED" if self._sql.postgresql else ""
        rows = self._sql.run(
            f"SELECT {_OPEN} FROM waits WHERE due_at <= (SELECT {self._now}) ORDER BY due_at LIMIT ?{locked}", (limit,)
        )
        return [_open(row) for row in rows]

    def lost(self, limit: int) -> list[tuple[str, Resolution]]:
        """Waits for a child that has ended unseen or is gone with its task, each with what that means."""
        rows = self._sql.run(
            "SELECT waits.id, child_run_id, child.status, child.output, child.error FROM waits"
            " LEFT JOIN runs child ON child.id = waits.child_run_id WHERE child_run_id IS NOT NULL"
            f" AND (child.id IS NULL OR child.status IN ({marks(ENDED)})) ORDER BY waits.id LIMIT ?",
            (*sorted(ENDED), limit),
        )
        return [(row[0], _lost(*row[1:])) for row in rows]

    def let_go(self, wait: OpenWait) -> None:
        """The wait for a child is over though the child is not: it goes on, whatever becomes of its parent."""
        self._sql.run(
            "UPDATE runs SET origin = 'spawned:' || substr(origin, 7) WHERE id = ? AND substr(origin, 1, 6) = 'child:'",
            (wait.child_run_id,),
        )

    def orphans(self, limit: int) -> list[str]:
        """Ids of unfinished children whose parent has ended, so that nobody waits for them any more."""
        rows = self._sql.run(
            "SELECT child.id FROM runs child JOIN runs parent ON parent.id = child.parent_run_id"
            " WHERE child.parent_run_id IS NOT NULL AND child.status IN ('queued', 'running', 'waiting')"
            " AND child.cancel_requested_at IS NULL"
            " AND (child.part IS NOT NULL OR substr(child.origin, 1, 6) = 'child:')"
            f" AND parent.status IN ({marks(ENDED)}) ORDER BY child.id LIMIT ?",
            (*sorted(ENDED), limit),
        )
        return [run_id for (run_id,) in rows]


def _facts(wait: Wait) -> dict[str, Any]:
    """The columns of its kind."""
    match wait:
        case EventWait():
            matching = None if wait.match is None else to_json(wait.match).decode()
            return {"topic": wait.topic, "head": wait.head, "platform": int(wait.hears_platform), "matching": matching}
        case ChildWait():
            return {"child_run_id": wait.child.id}
        case PartsWait():
            return {"remaining": len(wait.parts), "failed": 0}
        case _:
            return {}


def _open(row: Sequence[Any]) -> OpenWait:
    wait_id, run_id, step_id, kind, due_at, result, topic, matching, child_run_id = row
    return OpenWait(
        id=wait_id,
        run_id=run_id,
        step_id=step_id,
        kind=kind,
        due_at=due_at,
        then=None if result is None else Resolution.of_body(orjson.loads(result)),
        topic=topic,
        match=None if matching is None else orjson.loads(matching),
        child_run_id=child_run_id,
    )


def _lost(run_id: str, status: str | None, output: str | None, error: str | None) -> Resolution:
    if status is None:
        message = t("The run it waited for is gone: its task was deleted")
        return Resolution(error=RunError(type="child_failed", message=message, details={"run_id": run_id}))
    loaded: tuple[Any, Mapping[str, Any] | None] = (
        None if output is None else orjson.loads(output),
        None if error is None else orjson.loads(error),
    )
    return of_child(run_id, status, *loaded)


def heard(wait: OpenWait, news: Sequence[StoredEvent], meter: Meter) -> Resolution | None:
    """How the wait ends by this news; None where it goes on."""
    try:
        found = next((one.event for one in news if is_awaited(wait, one.event, meter)), None)
    except MatchTooCostly as error:
        return error.as_resolution()
    return None if found is None else Resolution(output=event_document(found))

"""Turns in SQL: every question locks the limit's row first, so that of two who race one is the later.

A rate keeps its last calls in a ring: a call may begin when the one that stands in its slot is older than the window.
So there are never more of them in any window, wherever it begins. Locks are taken in one order: rates before calls
under way, each by name, then runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from app.domain.tool_limits import Holder, Rate, SentAway, ToolLimit
from app.storage.gates import FAR, Gates
from app.storage.ranks import PRIORITY_STEP
from app.storage.statements import NOW, Statements

CALLED_IN_US = 5_000_000
"""For so long a place is kept for a run that was called in."""
LOOK_AGAIN_US = 5_000_000
"""After this, and a bit more for each that waits too, a run looks by itself: whoever left may have died in silence."""
EACH_US = 50_000
LONGEST_US = 60_000_000
WAITING_READ = 20
_STEP_US = int(PRIORITY_STEP.total_seconds()) * 1_000_000
_HELD = (
    "EXISTS (SELECT 1 FROM runs WHERE runs.id = tool_turns.holder AND runs.status = 'running'"
    " AND runs.fence = tool_turns.fence)"
)


@dataclass(frozen=True, slots=True)
class _Gate:
    """A rate's row, locked, the call already counted.

    Attributes:
        hint_at: When the last of those that were sent away is to come.
        stale: Whether nobody of them came, so that the hint does not stand any more.
        due_at: When to come back; None when the call may begin.
    """

    limit: ToolLimit
    rate: Rate
    slot: int
    now: int
    hint_at: int
    stale: bool
    due_at: int | None

    @property
    def key(self) -> tuple[str, int]:
        return self.limit.name, self.rate.seconds


class SqlTurnStore:
    """See `app.domain.tool_limits.TurnStore`; made for one transaction."""

    def __init__(self, statements: Statements, gates: Gates) -> None:
        self._sql = statements
        self._gates = gates
        self._now = NOW[statements.postgresql]

    def take(self, limits: Sequence[ToolLimit], holder: Holder) -> SentAway | None:
        """Count a call against all limits, or against none."""
        gates = [self._gate(limit, rate, holder) for limit in limits for rate in limit.rates]
        rooms = [(limit, self._room(limit, holder)) for limit in limits if limit.concurrency is not None]
        away = [SentAway(gate.limit, gate.rate, gate.due_at - gate.now) for gate in gates if gate.due_at is not None]
        away += [SentAway(limit, None, delay) for limit, delay in rooms if delay is not None]
        if away:
            self._turned_away(gates, rooms, holder)
            return max(away, key=lambda one: one.delay_us)
        for gate in gates:
            self._sql.run(
                "INSERT INTO tool_calls (name, seconds, slot, at) VALUES (?, ?, ?, ?)"
                " ON CONFLICT (name, seconds, slot) DO UPDATE SET at = excluded.at",
                (*gate.key, gate.slot, gate.now),
            )
            if gate.stale:
                self._sql.run("UPDATE tool_gates SET hint_at = ? WHERE name = ? AND seconds = ?", (gate.now, *gate.key))
        for limit, _ in rooms:
            self._hold(limit, holder)
        return None

    # Rates.

    def _gate(self, limit: ToolLimit, rate: Rate, holder: Holder) -> _Gate:
        position, hint_at, now = self._locked(limit.name, rate.seconds, 1)
        slot, stale = position % rate.amount, False
        free_at = self._called_at(limit, rate, slot) + rate.window_us
        due_at = free_at if free_at > now else None
        if holder.fence is not None and hint_at > now:
            # Others were sent away before, and come one after another: this one comes behind them.
            if due_at is not None:
                due_at = max(free_at, hint_at)
            elif not holder.again:
                # Unless nobody has come for a whole window: then nobody will.
                stale = self._called_at(limit, rate, (position - 1) % rate.amount) <= now - rate.window_us
                due_at = None if stale else hint_at
        return _Gate(limit, rate, slot, now, now if stale else hint_at, stale, due_at)

    def _locked(self, name: str, seconds: int, calls: int) -> tuple[int, int, int]:
        """Lock a limit's row and count `calls`: its position, its hint, and the time."""
        sql = (
            "UPDATE tool_gates SET position = position + ? WHERE name = ? AND seconds = ?"
            f" RETURNING position, hint_at, {self._now}"
        )
        rows = self._sql.run(sql, (calls, name, seconds))
        if not rows:
            self._sql.run(
                "INSERT INTO tool_gates (name, seconds, position, hint_at) VALUES (?, ?, 0, 0)"
                " ON CONFLICT (name, seconds) DO NOTHING",
                (name, seconds),
            )
            rows = self._sql.run(sql, (calls, name, seconds))
        position, hint_at, now = rows[0]
        return position, hint_at, now

    def _called_at(self, limit: ToolLimit, rate: Rate, slot: int) -> int:
        rows = self._sql.run(
            "SELECT at FROM tool_calls WHERE name = ? AND seconds = ? AND slot = ?", (limit.name, rate.seconds, slot)
        )
        return int(rows[0][0]) if rows else -rate.window_us

    def _turned_away(
        self, gates: Sequence[_Gate], rooms: Sequence[tuple[ToolLimit, int | None]], holder: Holder
    ) -> None:
        """Take back what was counted; runs are told moments one after another, at the pace of the rate."""
        for gate in gates:
            waits = gate.due_at is not None and holder.fence is not None
            hint_at = (gate.due_at or 0) + gate.rate.window_us // gate.rate.amount if waits else gate.hint_at
            self._sql.run(
                "UPDATE tool_gates SET position = position - 1, hint_at = ? WHERE name = ? AND seconds = ?",
                (hint_at, *gate.key),
            )
        for limit, delay in rooms:
            if delay is None:
                # It waits elsewhere, and would keep others from being called in here.
                self._sql.run("DELETE FROM tool_turns WHERE name = ? AND holder = ?", (limit.name, holder.id))

    # Calls under way.

    def _room(self, limit: ToolLimit, holder: Holder) -> int | None:
        """None where there is room for one more call; else microseconds after which to look again."""
        _, _, now = self._locked(limit.name, 0, 0)
        self._sql.run(
            "DELETE FROM tool_turns WHERE name = ? AND asked_at IS NULL"
            f" AND ((fence IS NULL AND held_until <= ?) OR (fence IS NOT NULL AND NOT {_HELD}))",
            (limit.name, now),
        )
        ((under_way, waiting),) = self._sql.run(
            "SELECT COALESCE(SUM(CASE WHEN asked_at IS NULL OR held_until > ? THEN 1 ELSE 0 END), 0), COUNT(asked_at)"
            " FROM tool_turns WHERE name = ? AND holder <> ?",
            (now, limit.name, holder.id),
        )
        if under_way < (limit.concurrency or 0):
            return None
        if holder.fence is not None:
            self._wait(limit, holder, now)
        return min(LONGEST_US, LOOK_AGAIN_US + EACH_US * int(waiting))

    def _wait(self, limit: ToolLimit, holder: Holder, now: int) -> None:
        self._sql.run(
            "INSERT INTO tool_turns (name, holder, asked_at) VALUES (?, ?, ?) ON CONFLICT (name, holder) DO UPDATE"
            " SET asked_at = COALESCE(tool_turns.asked_at, excluded.asked_at), fence = NULL, held_until = NULL",
            (limit.name, holder.id, now),
        )

    def _hold(self, limit: ToolLimit, holder: Holder) -> None:
        until = "NULL" if holder.fence is not None else f"{self._now} + {int(holder.seconds * 1_000_000)}"
        self._sql.run(
            f"INSERT INTO tool_turns (name, holder, fence, held_until) VALUES (?, ?, ?, {until})"
            " ON CONFLICT (name, holder) DO UPDATE"
            " SET fence = excluded.fence, held_until = excluded.held_until, asked_at = NULL",
            (limit.name, holder.id, holder.fence),
        )

    def leave(self, limits: Sequence[ToolLimit], holder_id: str) -> bool:
        """A call has ended."""
        called_in = [self._left(limit, holder_id) for limit in limits if limit.concurrency is not None]
        return any(called_in)

    def _left(self, limit: ToolLimit, holder_id: str) -> bool:
        _, _, now = self._locked(limit.name, 0, 0)
        self._sql.run("DELETE FROM tool_turns WHERE name = ? AND holder = ?", (limit.name, holder_id))
        waiting = self._sql.run(
            "SELECT holder, runs.status FROM tool_turns LEFT JOIN runs ON runs.id = holder WHERE name = ?"
            " AND asked_at IS NOT NULL AND (held_until IS NULL OR held_until <= ?) ORDER BY asked_at LIMIT ?",
            (limit.name, now, WAITING_READ),
        )
        for run_id, status in waiting:
            if status == "queued":
                return self._call_in(limit, run_id, now)
            if status != "running":
                self._sql.run("DELETE FROM tool_turns WHERE name = ? AND holder = ?", (limit.name, run_id))
        return False

    def _call_in(self, limit: ToolLimit, run_id: str, now: int) -> bool:
        self._sql.run(
            "UPDATE tool_turns SET held_until = ? WHERE name = ? AND holder = ?",
            (now + CALLED_IN_US, limit.name, run_id),
        )
        step = f"{_STEP_US}::bigint" if self._sql.postgresql else str(_STEP_US)
        # One that has given its key up stands in line for it, and is not let past those who are before it.
        rows = self._sql.run(
            f"UPDATE runs SET available_at = ?, rank = ? + (priority - 1) * {step}"
            f" + CASE gate WHEN 0 THEN 0 ELSE {FAR} END, gate = CASE gate WHEN 3 THEN 2 ELSE gate END"
            " WHERE id = ? AND status = 'queued' RETURNING gate, concurrency_key",
            (now, now, run_id),
        )
        for gate, key in rows:
            self._gates.touched(None, key if gate == 2 else None)
        return bool(rows)

    def tidy(self) -> None:
        """Forget calls that have left their window."""
        window = "CAST(seconds AS BIGINT) * 1000000"
        self._sql.run(f"DELETE FROM tool_calls WHERE at < {self._now} - {window}")

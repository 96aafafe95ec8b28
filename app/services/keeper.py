"""Watches a pool process from a thread of its own: leases, time limits, cancellation, slow neighbours, the stop.

A call that does not end in time cannot be stopped from within; so its outcome is written first, and then its process
ends, which the pool replaces. Everything that decides is done under the executor's gate: either the call's end is seen
first or its limit, never half of each.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable

from app.domain.errors import Unavailable
from app.domain.execution import Settlement
from app.services.execution import BATCH_SECONDS, Abandoned, Executor
from app.services.run_execution import RunExecution
from app.telemetry import emit

TICK = 0.025
CANCEL_CHECK = 1.0
EXIT_CALL_ENDED = 70
EXIT_LEASE_LOST = 75


class Keeper:
    """See the module; `start` once in each pool process."""

    def __init__(self, executor: Executor, *, exit: Callable[[int], None] = os._exit) -> None:
        self._executor = executor
        self._exit = exit
        self._checked_at = 0.0
        self._stop_seen_at: float | None = None

    def start(self) -> None:
        """Watch until the process ends."""
        threading.Thread(target=self._watch, name="keeper", daemon=True).start()
        # Alone, since the keeper itself may be waiting for a database that has frozen.
        threading.Thread(target=self._guard_lease, name="lease guard", daemon=True).start()

    def _guard_lease(self) -> None:
        while True:
            time.sleep(TICK)
            self._lease_in_danger()

    def _watch(self) -> None:
        while True:
            time.sleep(TICK)
            try:
                self.look()
            except Unavailable:
                continue  # _lease_in_danger decides how long that may last
            except Exception as error:  # noqa: BLE001 - a keeper that dies silently would leave a worker unwatched
                emit("keeper.failed", error=error)

    def look(self) -> None:
        """One look at everything; cheap while nothing is in hand."""
        executor = self._executor
        if executor.execution is None and not executor.waiting:
            self._stop_seen_at = None
            return
        if not executor.gate.acquire(timeout=TICK):
            return
        try:
            execution = executor.execution
            self._renew(execution)
            if execution is not None and executor.call_deadline is not None:
                self._judge(execution, executor.call_deadline)
        finally:
            executor.gate.release()

    def _lease_in_danger(self) -> None:
        """End the attempt before its lease can have passed on: two workers must not run it at once."""
        executor = self._executor
        if executor.call_deadline is None or time.monotonic() - executor.renewed_at <= executor.pace.give_up:
            return
        emit("worker.lease_unrenewed", owner=executor.owner)
        self._exit(EXIT_LEASE_LOST)

    def _renew(self, execution: RunExecution | None) -> None:
        executor, now = self._executor, time.monotonic()
        every = min(executor.pace.lease / 4, CANCEL_CHECK)
        if now - max(self._checked_at, executor.renewed_at) < every:
            return
        self._checked_at = now
        held = executor.held()
        known = executor.ledger.renew(executor.owner, held)
        executor.renewed_at = now
        if execution is None:
            return
        execution.cancelled = execution.cancelled or known.get(execution.run.id, False)
        if execution.run.id not in known and executor.call_deadline is not None:
            emit("run.lost", run_id=execution.run.id, owner=executor.owner)
            self._exit(EXIT_LEASE_LOST)

    def _judge(self, execution: RunExecution, deadline: float) -> None:
        """What to do about the call under way; the gate is held."""
        executor, now = self._executor, time.monotonic()
        running = now - executor.call_began
        if executor.waiting and running > BATCH_SECONDS:
            executor.hand_back_waiting()
        if execution.cancelled:
            self._end_after_grace(execution, now, execution.settle_canceled)
        elif now >= deadline:
            self._end_after_grace(execution, now, execution.settle_timed_out, since=deadline)
        elif executor.stopping:
            self._stop(execution, now)

    def _end_after_grace(
        self,
        execution: RunExecution,
        now: float,
        settle: Callable[[], Settlement],
        *,
        since: float | None = None,
    ) -> None:
        """Ask the tool to return; when it does not, write the outcome and end the process."""
        if not execution.stop_call:
            execution.stop_call = True
            execution.stop_asked_at = now if since is None else since
        if now - execution.stop_asked_at >= self._executor.pace.grace:
            self._settle_and_exit(settle)

    def _stop(self, execution: RunExecution, now: float) -> None:
        """Short calls finish; a long one is handed back when the time to drain is over."""
        if self._stop_seen_at is None:
            self._stop_seen_at = now
        if now - self._stop_seen_at >= self._executor.pace.drain:
            self._settle_and_exit(execution.settle_handed_back)

    def _settle_and_exit(self, settle: Callable[[], Settlement]) -> None:
        settlement = settle()
        emit("worker.call_ended", owner=self._executor.owner)
        try:
            self._executor.settle_current(settlement)
            self._executor.hand_back_waiting()
        except Abandoned:
            emit("worker.abandoned", owner=self._executor.owner)
        finally:
            # Whatever came of it: the call that will not end holds this process, and nobody watches it any more.
            self._exit(EXIT_CALL_ENDED)

"""One action on many runs, a transaction for each few of them."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from app.domain.bulk import MOST, BulkRequest, BulkResult, Sampled, eligible
from app.domain.clock import Clock, rfc3339
from app.domain.errors import Conflict, NotFound, Unprocessable
from app.domain.ids import new_id
from app.domain.ports import RunQueue, UnitOfWork, UnitsOfWork
from app.domain.runs import Run, RunFilter
from app.services.audit_trail import Difference, entry
from app.services.lifecycle import Herald
from app.services.reruns import Asked, Definitions, RerunRequest, rerun
from app.services.run_ends import cancel_run
from ordinaut import Caller
from ordinaut.callers import ADMIN

BATCH = 50
"""Runs in one transaction: others wait for no more than that."""
SECONDS = 20.0
"""After which a call takes no further batch: whoever waits for the answer may have a limit of their own."""
SAMPLED = 10
RINGS = 4


@dataclass(slots=True)
class _Tally:
    """How far a call has come: the last run it looked at, and what it did."""

    after: str = ""
    done: int = 0
    refused: int = 0


Act = Callable[[UnitOfWork, Run], bool]
"""Does it to one run; False when that one has ended, or cannot be repeated."""


class BulkService:
    """The use cases of many runs at once."""

    def __init__(self, *, units: UnitsOfWork, queue: RunQueue, clock: Clock, herald: Herald) -> None:
        self._units = units
        self._queue = queue
        self._clock = clock
        self._herald = herald

    def act(self, wish: BulkRequest, *, caller: Caller, request_id: str) -> BulkResult:
        """Cancel or repeat the caller's runs that the filter finds, `MOST` at most; nothing in a dry run.

        Sending the same again does to nobody what was done already, also after a call that was cut off.
        """
        wish = replace(wish, where=replace(wish.where, owner=None if caller.may(ADMIN) else caller.agent_id))
        target = eligible(wish)
        with self._units(read_only=True) as unit:
            matched = unit.runs.count(wish.where)
            left = 0 if target is None else unit.runs.count(target)
            sample = () if target is None else _sample(unit, target)
        tally = _Tally()
        if target is not None and not wish.dry_run:
            try:
                self._work(wish, target, Asked(caller=caller, at=self._clock.now(), request_id=request_id), tally)
            finally:
                # What was done stands, also where the database went away in the middle.
                self._write_down(wish, caller, matched, tally)
        return BulkResult(
            action=wish.action,
            dry_run=wish.dry_run,
            matched=matched,
            done=tally.done,
            left=max(0, left - tally.done - tally.refused),
            sample=sample,
        )

    def _work(self, wish: BulkRequest, target: RunFilter, asked: Asked, tally: _Tally) -> None:
        until = time.monotonic() + SECONDS
        batch = self._cancelled if wish.action == "cancel" else partial(self._repeated, wish, Definitions())
        while tally.done < MOST and time.monotonic() < until:
            if not batch(target, asked, tally):
                return

    def _cancelled(self, target: RunFilter, asked: Asked, tally: _Tally) -> bool:
        """One batch; whether there may be another."""
        with self._units() as unit:
            telling = self._herald.opened(unit, "run.canceled")
            # Not locked: each is looked at again as it is ended, and whoever ends waits locks those before the runs.
            runs = unit.runs.batch(target, after=tally.after, limit=BATCH)
            for run in runs:
                status = cancel_run(unit, run, asked.at, telling)
                if status is None:
                    tally.refused += 1
                    continue
                action = "run.canceled" if status == "canceled" else "run.cancel_requested"
                unit.audit.add(entry(asked.at, asked.caller, action, run.id))
                tally.done += 1
        return _moved(tally, runs)

    def _repeated(
        self, wish: BulkRequest, definitions: Definitions, target: RunFilter, asked: Asked, tally: _Tally
    ) -> bool:
        with self._units() as unit:
            runs = unit.runs.batch(target, after=tally.after, limit=BATCH)
            for task_id in sorted({run.task_id for run in runs}):
                # In one order, so that two such calls never wait for each other.
                with suppress(NotFound):
                    unit.tasks.get(task_id, lock=True)
            for run in runs:
                # The key is the same whoever asks: two calls at once make one rerun.
                again = RerunRequest(start=wish.start, definition=wish.definition, key="bulk")
                try:
                    made, stood = rerun(unit, run, again, asked, definitions)
                except (Conflict, NotFound, Unprocessable):
                    tally.refused += 1
                    continue
                tally.refused, tally.done = tally.refused + stood, tally.done + (not stood)
                if not stood:
                    told = Difference(after={"rerun_of": run.id, "from": wish.start, "definition": wish.definition})
                    unit.audit.add(entry(asked.at, asked.caller, "run.rerun", made, told))
            unit.after_commit(partial(self._queue.ring, RINGS))
        return _moved(tally, runs)

    def _write_down(self, wish: BulkRequest, caller: Caller, matched: int, tally: _Tally) -> None:
        facts = {"filter": _told(wish.where), "matched": matched, "done": tally.done}
        with self._units() as unit:
            action = f"run.bulk_{wish.action}"
            unit.audit.add(entry(self._clock.now(), caller, action, new_id(), Difference(after=facts)))


def _moved(tally: _Tally, runs: list[Run]) -> bool:
    if runs:
        tally.after = runs[-1].id
    return bool(runs)


def _sample(unit: UnitOfWork, target: RunFilter) -> tuple[Sampled, ...]:
    runs = unit.runs.page(target, limit=SAMPLED, offset=0).items
    return tuple(
        Sampled(run_id=run.id, task_id=run.task_id, task_title=run.task_title, status=run.status) for run in runs
    )


def _told(where: RunFilter) -> dict[str, object]:
    facts = {name: getattr(where, name) for name in ("task_id", "success", "trigger", "start_time", "end_time")}
    told = {name: rfc3339(one) if isinstance(one, datetime) else one for name, one in facts.items() if one is not None}
    return {**told, "status": list(where.status)} if where.status else told

"""Runs that a step of another run starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from app.domain.clock import Clock
from app.domain.events import next_depth
from app.domain.ids import new_id
from app.domain.ports import RunQueue, UnitsOfWork
from app.domain.runs import NewRun
from app.services.ownership import may_change
from app.services.run_requests import accepted_before, check_startable, with_limits
from ordinaut import Caller


class ChildRuns:
    """What `tasks.run` does."""

    def __init__(self, *, units: UnitsOfWork, clock: Clock, queue: RunQueue) -> None:
        self._units = units
        self._clock = clock
        self._queue = queue

    def prepared(self, task_id: str, params: Mapping[str, Any] | None, *, caller: Caller, key: str) -> NewRun:
        """A run of the task that is not stored yet: it begins together with the wait for its end.

        Args:
            key: `<run>:<step>` of the step that asks.

        Raises:
            NotFound: there is no such task.
            Forbidden: it is another agent's.
            Conflict: it is canceled, or its grant does not allow it.
            Unprocessable: a key of its limits cannot be filled in.
        """
        with self._units(read_only=True) as unit:
            task = may_change(unit.tasks.get(task_id), caller)
        now = self._clock.now()
        check_startable(task, now)
        run_id = new_id()
        run = NewRun(
            id=run_id,
            task_id=task.id,
            definition_id=task.definition_id,
            trigger="child",
            scheduled_for=now,
            priority=task.priority,
            max_attempts=task.max_retries + 1,
            params=params,
            origin=f"child:{key}:{run_id}",
            parent_run_id=key.partition(":")[0],
            depth=next_depth(task.depth),
        )
        return with_limits(run, task)

    def start(self, task_id: str, params: Mapping[str, Any] | None, *, caller: Caller, key: str) -> str:
        """Queue a run that nobody waits for; asking twice under one key gives one run. Its id; raises as above."""
        prepared = self.prepared(task_id, params, caller=caller, key=key)
        origin = f"spawned:{key}"
        with self._units() as unit:
            now = self._clock.now()
            # First, or the dedupe key of one that stands already would be given to a run that is never made.
            if (earlier := unit.runs.by_origin(origin)) is not None:
                return earlier.id
            if (before := accepted_before(unit, prepared, now)) is not None:
                return before.id
            unit.runs.add([replace(prepared, origin=origin)], now)
            unit.after_commit(self._queue.ring)
            run = unit.runs.by_origin(origin)
        return prepared.id if run is None else run.id

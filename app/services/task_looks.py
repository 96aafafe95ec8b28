"""What an action on a task would make of it; nothing is stored."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType

from app.domain.clock import Clock
from app.domain.errors import PreconditionFailed
from app.domain.ports import UnitsOfWork
from app.domain.tasks import Task
from app.services import task_states
from app.services.ownership import may_change
from app.services.task_drafts import Draft
from app.services.task_states import Change, Nap
from app.services.tasks import Preview, TaskService
from ordinaut import Caller

ACTIONS: Mapping[str, Callable[[Task, datetime], Change]] = MappingProxyType(
    {
        "pause": lambda task, now: task_states.paused(task),
        "resume": task_states.resumed,
        "cancel": lambda task, now: task_states.canceled(task),
        "delete": lambda task, now: Change(replace(task, next_run_at=None, next_due_at=None), ""),
    }
)


class TaskLooks:
    """Previews of pausing, resuming, cancelling, snoozing and deleting."""

    def __init__(self, *, units: UnitsOfWork, clock: Clock, tasks: TaskService) -> None:
        self._units = units
        self._clock = clock
        self._tasks = tasks

    def after(self, action: str, task_id: str, *, caller: Caller, if_match: AbstractSet[int] | None) -> Preview:
        """The task after one of `ACTIONS`; raises what the action itself would."""
        return self._after(ACTIONS[action], task_id, caller, if_match)

    def snoozed(self, nap: Nap, task_id: str, *, caller: Caller, if_match: AbstractSet[int] | None) -> Preview:
        """The task once it is snoozed; raises what that would."""
        return self._after(nap.taken, task_id, caller, if_match)

    def _after(
        self,
        turned: Callable[[Task, datetime], Change],
        task_id: str,
        caller: Caller,
        if_match: AbstractSet[int] | None,
    ) -> Preview:
        with self._units(read_only=True) as unit:
            task = may_change(unit.tasks.get(task_id), caller)
        if if_match is not None and task.version not in if_match:
            raise PreconditionFailed(task_id=task_id, version=task.version)
        after = turned(task, self._clock.now()).task
        # One that stands still has a schedule, and nothing to come.
        return Preview(after, (), ()) if after.next_run_at is None else self._tasks.shown(Draft(after), caller)

"""Tasks and runs as the tools of the use cases ask for them: JSON in, domain values out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from app.domain.clock import Clock
from app.domain.holds import Held
from app.domain.journal import StepView
from app.domain.paging import Page
from app.domain.reruns import FAILED, START, DefinitionChoice
from app.domain.runs import Record, Run, RunFilter
from app.domain.schedules import Occurrence
from app.domain.tasks import Task, TaskFilter
from app.services.holds import HoldService
from app.services.incidents import IncidentService
from app.services.reruns import RerunRequest, RerunService
from app.services.runs import Cancelled, RunService, Waited
from app.services.schedules import SchedulePreview, ScheduleService, ScheduleText, upcoming
from app.services.task_states import Change, Nap
from app.services.tasks import RunRequest, TaskService
from app.services.tool_fields import moment_at, task_fields
from ordinaut import Caller


class ToolTasks:
    """What tools do with tasks and schedules."""

    def __init__(self, *, tasks: TaskService, schedules: ScheduleService, clock: Clock) -> None:
        self._tasks = tasks
        self._schedules = schedules
        self._clock = clock

    def create(self, fields: Mapping[str, Any], *, caller: Caller, key: str) -> Task:
        """A new task, or the one made before under `key`; InvalidInput with every problem there is."""
        made = self._tasks.create_by_tool(fields, caller=caller, idempotency_key=key)
        return self._tasks.get(made["id"], caller=caller)

    def get(self, task_id: str, *, caller: Caller) -> Task:
        """The task, or NotFound."""
        return self._tasks.get(task_id, caller=caller)

    def page(self, where: TaskFilter, *, caller: Caller, limit: int, offset: int) -> Page[Task]:
        """Newest first."""
        return self._tasks.page(where, caller=caller, limit=limit, offset=offset)

    def update(
        self, task_id: str, fields: Mapping[str, Any], *, caller: Caller, versions: AbstractSet[int] | None
    ) -> tuple[Task, Task]:
        """The task before and after.

        Raises:
            NotFound, PreconditionFailed, Conflict; InvalidInput with every problem there is.
        """
        given, found = task_fields(fields)
        before = self._tasks.get(task_id, caller=caller)
        return before, self._tasks.patch(task_id, given, caller=caller, if_match=versions, found=found)

    def pause(self, task_id: str, *, caller: Caller) -> Change:
        """Stop the schedule; NotFound, Conflict."""
        return self._tasks.pause(task_id, caller=caller)

    def resume(self, task_id: str, *, caller: Caller) -> Change:
        """Take the schedule up again; NotFound, Conflict."""
        return self._tasks.resume(task_id, caller=caller)

    def cancel(self, task_id: str, *, caller: Caller) -> Change:
        """End the task for good; NotFound."""
        return self._tasks.cancel(task_id, caller=caller)

    def snooze(
        self, task_id: str, *, caller: Caller, delay_seconds: int | None, until: str | None, reason: str | None
    ) -> Change:
        """Skip occurrences for a while; NotFound, Conflict, InvalidInput."""
        end = None if until is None else moment_at("until", until)
        return self._tasks.snooze(task_id, Nap(delay_seconds=delay_seconds, until=end, reason=reason), caller=caller)

    def run_now(self, task_id: str, *, caller: Caller, params: Mapping[str, Any] | None, key: str) -> tuple[Run, bool]:
        """The run, and whether it stood already under `key`; NotFound, Conflict, InvalidInput, Unprocessable."""
        return self._tasks.run_now(task_id, RunRequest(params=params, key=key), caller=caller, request_id="")

    def next_times(self, task: Task, count: int) -> Sequence[Occurrence]:
        """Its first occurrences to come, were it not paused or snoozed."""
        return upcoming(task, self._clock.now(), count)

    def preview(self, kind: str, expr: str | None, timezone: str, *, count: int, from_: str | None) -> SchedulePreview:
        """A schedule that belongs to no task; ScheduleInvalid."""
        start = None if from_ is None else moment_at("from", from_)
        text = ScheduleText(kind=kind, expr=expr, timezone=timezone)
        return self._schedules.preview(text, count=count, from_=start)


class ToolRuns:
    """What tools do with runs, and see of what is wrong with them."""

    def __init__(
        self, *, runs: RunService, reruns: RerunService, incidents: IncidentService, holds: HoldService
    ) -> None:
        self.incidents = incidents
        self.holds = holds
        self.runs = runs
        self.reruns = reruns

    def get(self, run_id: str, *, caller: Caller) -> tuple[Run, Sequence[StepView]]:
        """The run with its steps, or NotFound."""
        return self.runs.get(run_id, caller=caller)

    def page(self, where: RunFilter, *, caller: Caller, limit: int, offset: int) -> Page[Run]:
        """Newest first."""
        return self.runs.page(where, caller=caller, limit=limit, offset=offset)

    def held(self, runs: Sequence[Run], *, caller: Caller) -> Mapping[str, Held]:
        """What holds those of the runs back that stand in the queue, by their ids."""
        return self.holds.of_all(runs, caller=caller)

    def latest(self, task_id: str, *, caller: Caller) -> Run:
        """The task's newest run; NotFound when it never ran."""
        return self.runs.latest(task_id, caller=caller)

    def logs(self, run_id: str, *, caller: Caller, limit: int, offset: int) -> Page[Record]:
        """Log lines, oldest first, or NotFound."""
        return self.runs.logs(run_id, caller=caller, limit=limit, offset=offset)

    def wait(self, run_id: str, *, caller: Caller, timeout: float) -> Waited:
        """The run once it has ended, or as it stands when the time is up; NotFound."""
        return self.runs.wait(run_id, caller=caller, timeout=timeout)

    def cancel(self, run_id: str, *, caller: Caller) -> Cancelled:
        """Stop a run; NotFound, Conflict when it has ended."""
        return self.runs.cancel(run_id, caller=caller)

    def retry(self, run_id: str, *, caller: Caller, start: str | None, definition: DefinitionChoice, key: str) -> Run:
        """A new run that repeats one that has ended, from a step on.

        Without `start` it goes on from what was not done; what has succeeded begins anew. Asking twice under one
        `key` gives one run.

        Raises:
            NotFound, Forbidden, Conflict, InvalidInput.
        """
        if start is None:
            succeeded = self.runs.get(run_id, caller=caller)[0].status == "succeeded"
            start = START if succeeded else FAILED
        wish = RerunRequest(start=start, definition=definition, key=key)
        return self.reruns.rerun(run_id, wish, caller=caller, request_id="")[0]

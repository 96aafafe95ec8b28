"""What the tools of the use cases need of the services; `app.services.tool_uses` provides it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, Protocol

from app.domain.approvals import Approval, ApprovalFilter, Decision
from app.domain.holds import Held
from app.domain.incidents import Incident, IncidentFilter
from app.domain.journal import StepView
from app.domain.paging import Page
from app.domain.ports import Tools
from app.domain.reruns import DefinitionChoice
from app.domain.runs import Record, Run, RunFilter
from app.domain.schedules import Occurrence
from app.domain.tasks import Task, TaskFilter
from ordinaut import Caller, Event


class Change(Protocol):
    """A task after a change of its state."""

    @property
    def task(self) -> Task: ...

    @property
    def message(self) -> str:
        """One sentence for whoever asked."""


class SchedulePreview(Protocol):
    """A schedule in words and in times."""

    @property
    def description(self) -> str: ...

    @property
    def occurrences(self) -> Sequence[Occurrence]: ...


class Waited(Protocol):
    """A run after a wait."""

    @property
    def run(self) -> Run: ...

    @property
    def timed_out(self) -> bool:
        """Whether the time was up before it ended."""


class Canceled(Protocol):
    """What a cancellation did."""

    @property
    def status(self) -> str:
        """`canceled`, or `running` until its worker has stopped."""


class Published(Protocol):
    """An event that is stored."""

    @property
    def event(self) -> Event: ...

    @property
    def triggered(self) -> Sequence[str]:
        """Ids of the tasks that run because of it."""


class TaskUses(Protocol):
    """Tasks, as tools deal with them: JSON in, domain values out. Refusals are `OrdinautError`s."""

    def create(self, fields: Mapping[str, Any], *, caller: Caller, key: str) -> Task:
        """A new task, or the one made before under `key`."""

    def get(self, task_id: str, *, caller: Caller) -> Task: ...

    def page(self, where: TaskFilter, *, caller: Caller, limit: int, offset: int) -> Page[Task]:
        """Newest first."""

    def update(
        self, task_id: str, fields: Mapping[str, Any], *, caller: Caller, versions: AbstractSet[int] | None
    ) -> tuple[Task, Task]:
        """The task before and after."""

    def pause(self, task_id: str, *, caller: Caller) -> Change: ...

    def resume(self, task_id: str, *, caller: Caller) -> Change: ...

    def cancel(self, task_id: str, *, caller: Caller) -> Change: ...

    def snooze(
        self, task_id: str, *, caller: Caller, delay_seconds: int | None, until: str | None, reason: str | None
    ) -> Change:
        """`until` is RFC 3339 text."""

    def run_now(self, task_id: str, *, caller: Caller, params: Mapping[str, Any] | None, key: str) -> tuple[Run, bool]:
        """The run, and whether it stood already under `key`."""

    def next_times(self, task: Task, count: int) -> Sequence[Occurrence]:
        """Its first occurrences to come, were it not paused or snoozed."""

    def preview(self, kind: str, expr: str | None, timezone: str, *, count: int, from_: str | None) -> SchedulePreview:
        """A schedule that belongs to no task; `from_` is RFC 3339 text, else now."""


class RunUses(Protocol):
    """Runs, as tools deal with them, and what is wrong with them."""

    @property
    def incidents(self) -> IncidentUses: ...

    def get(self, run_id: str, *, caller: Caller) -> tuple[Run, Sequence[StepView]]: ...

    def page(self, where: RunFilter, *, caller: Caller, limit: int, offset: int) -> Page[Run]:
        """Newest first."""

    def held(self, runs: Sequence[Run], *, caller: Caller) -> Mapping[str, Held]:
        """What holds those of the runs back that stand in the queue, by their ids."""

    def latest(self, task_id: str, *, caller: Caller) -> Run:
        """NotFound where it never ran."""

    def logs(self, run_id: str, *, caller: Caller, limit: int, offset: int) -> Page[Record]:
        """Oldest first."""

    def wait(self, run_id: str, *, caller: Caller, timeout: float) -> Waited: ...

    def cancel(self, run_id: str, *, caller: Caller) -> Canceled: ...

    def retry(self, run_id: str, *, caller: Caller, start: str | None, definition: DefinitionChoice, key: str) -> Run:
        """A new run that repeats one that has ended, from a step on; without `start`, from what was not done."""


class ApprovalUses(Protocol):
    """Approvals, as tools deal with them; `app.services.approvals`."""

    def page(self, where: ApprovalFilter, *, caller: Caller, limit: int, offset: int) -> Page[Approval]:
        """Newest first."""

    def get(self, approval_id: str, *, caller: Caller) -> Approval: ...

    def decide(self, approval_id: str, decision: Decision, *, caller: Caller) -> Approval:
        """Decide; the approval afterwards."""


class IncidentUses(Protocol):
    """Incidents, as tools look at them."""

    def page(self, where: IncidentFilter, *, caller: Caller, limit: int, offset: int) -> Page[Incident]:
        """Newest first."""


class Publish(Protocol):
    """Publishing an event; `EventService.publish`. Twice under one key gives one event."""

    def __call__(self, topic: str, payload: Mapping[str, Any], *, source: str, key: str | None) -> Published: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class UseCases:
    """What the tools are made of."""

    tasks: TaskUses
    runs: RunUses
    approvals: ApprovalUses
    publish: Publish
    tools: Tools

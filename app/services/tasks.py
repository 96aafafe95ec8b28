"""What people and programs do with tasks: create, read, change, delete, steer, and start by hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from app.domain.clock import Clock, rfc3339
from app.domain.errors import Conflict, InvalidInput, NotFound, PreconditionFailed, Problem, Unprocessable
from app.domain.ids import new_id
from app.domain.json_size import json_problem
from app.domain.paging import Page
from app.domain.ports import RunQueue, Tools, UnitOfWork, UnitsOfWork
from app.domain.runs import NewRun, Run
from app.domain.schedules import Occurrence
from app.domain.tasks import Definition, OccurrenceRecord, Task, TaskFilter, definition_document
from app.services import task_states
from app.services.explaining import Explanation, explained
from app.services.schedules import upcoming
from app.services.task_drafts import STATEFUL, Draft, TaskDrafts, defaults
from app.services.task_states import Change, snooze_end
from app.services.tool_fields import id_for, task_fields
from app.telemetry import emit

PREVIEWED = 10
"""Occurrences that a preview shows."""

Versions = AbstractSet[int] | None
"""The versions a caller is content to change (`If-Match`); None for whichever there is."""


@dataclass(frozen=True, slots=True)
class Preview:
    """A task as it would be stored, and what would follow."""

    task: Task
    next_occurrences: tuple[Occurrence, ...]
    warnings: tuple[Problem, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """A wish to run a task now.

    Attributes:
        params: Laid over the task's own params when the run starts.
        key: Asking twice under one key gives one run.
    """

    params: Mapping[str, Any] | None = None
    key: str | None = None


class TaskService:
    """The use cases of tasks; every write holds the task's row, so that beat and callers take turns."""

    def __init__(self, *, units: UnitsOfWork, tools: Tools, queue: RunQueue, clock: Clock) -> None:
        self._units = units
        self._queue = queue
        self._clock = clock
        self._drafts = TaskDrafts(tools=tools)

    def create(self, fields: Mapping[str, Any], *, caller: str, found: Sequence[Problem] = ()) -> Task:
        """Store a new task.

        Args:
            fields: The editable members of `Task`, as far as given; the rest take their defaults.
            caller: Becomes `created_by` where the fields name nobody.
            found: Problems the wire format has found already; they are raised together with those found here.

        Raises:
            InvalidInput: with every problem there is.
        """
        draft = self._drafts.new(fields, caller=caller, now=self._clock.now(), found=found)
        with self._units() as unit:
            return _added(unit, draft.task)

    def create_by_tool(self, fields: Mapping[str, Any], *, caller: str, idempotency_key: str) -> Mapping[str, Any]:
        """Store the task that a step of a pipeline asks for, once for each key.

        Returns:
            `{id, title, status, next_run}` of the new task, or of the one made before under this key.

        Raises:
            InvalidInput: with every problem there is.
        """
        task_id = id_for(idempotency_key)
        with self._units() as unit:
            try:
                task = unit.tasks.get(task_id)
            except NotFound:
                given, found = task_fields(fields)
                now = self._clock.now()
                draft = self._drafts.new(given, caller=caller, now=now, found=found, task_id=task_id)
                task = _added(unit, draft.task)
        next_run = None if task.next_run_at is None else rfc3339(task.next_run_at)
        return {"id": task.id, "title": task.title, "status": task.status, "next_run": next_run}

    def preview(self, fields: Mapping[str, Any], *, caller: str, found: Sequence[Problem] = ()) -> Preview:
        """What `create` would store; nothing is stored. The same problems are raised."""
        now = self._clock.now()
        return self._shown(self._drafts.new(fields, caller=caller, now=now, found=found), now)

    def preview_change(
        self, task_id: str, fields: Mapping[str, Any], *, whole: bool, found: Sequence[Problem] = ()
    ) -> Preview:
        """What `replace` (`whole`) or `patch` would make of a task; nothing is stored."""
        now = self._clock.now()
        with self._units(read_only=True) as unit:
            current = unit.tasks.get(task_id)
        given = _replacement(fields) if whole else fields
        return self._shown(self._drafts.changed(current, given, now=now, found=found), now)

    def get(self, task_id: str) -> Task:
        """The task, or NotFound."""
        with self._units(read_only=True) as unit:
            return unit.tasks.get(task_id)

    def page(self, where: TaskFilter, *, limit: int, offset: int) -> Page[Task]:
        """Tasks, newest first."""
        with self._units(read_only=True) as unit:
            return unit.tasks.page(where, limit=limit, offset=offset)

    def replace(
        self,
        task_id: str,
        fields: Mapping[str, Any],
        *,
        if_match: Versions = None,
        found: Sequence[Problem] = (),
    ) -> Task:
        """Give every field a new value.

        Those left out go back to their defaults, but for `status` and `created_by`.

        Raises:
            NotFound, PreconditionFailed, Conflict; InvalidInput with every problem there is.
        """
        return self.patch(task_id, _replacement(fields), if_match=if_match, found=found)

    def patch(
        self,
        task_id: str,
        fields: Mapping[str, Any],
        *,
        if_match: Versions = None,
        found: Sequence[Problem] = (),
    ) -> Task:
        """Change the given fields. A new schedule counts from now; the past never fires.

        Raises:
            NotFound, PreconditionFailed, Conflict; InvalidInput with every problem there is.
        """
        with self._units() as unit:
            current = _held(unit, task_id, if_match)
            draft = self._drafts.changed(current, fields, now=self._clock.now(), found=found)
            return _stored(unit, current, draft.task)

    def delete(self, task_id: str, *, if_match: Versions = None) -> None:
        """Remove the task with its runs and occurrences; NotFound, PreconditionFailed."""
        with self._units() as unit:
            _held(unit, task_id, if_match)
            unit.tasks.delete(task_id)

    def pause(self, task_id: str, *, if_match: Versions = None) -> Change:
        """Stop the schedule until `resume`; runs by hand still work."""
        return self._turn(task_id, if_match, lambda task, now: task_states.paused(task))

    def pause_by_failures(self, task_id: str, reason: str) -> None:
        """Pause a task because its runs keep failing; one that is not active, or not there, is left alone."""
        with self._units() as unit:
            try:
                task = unit.tasks.get(task_id, lock=True)
            except NotFound:
                return
            if task.status == "active":
                change = task_states.paused(task)
                _stored(unit, task, replace(change.task, updated_at=self._clock.now()))
                unit.after_commit(lambda: emit("task.paused_by_failures", task_id=task_id, reason=reason))

    def resume(self, task_id: str, *, if_match: Versions = None) -> Change:
        """Take a paused or snoozed task up again, from now on."""
        return self._turn(task_id, if_match, task_states.resumed)

    def cancel(self, task_id: str, *, if_match: Versions = None) -> Change:
        """End the task for good; its queued and running runs go on unless they are cancelled themselves."""
        return self._turn(task_id, if_match, lambda task, now: task_states.canceled(task))

    def snooze(
        self,
        task_id: str,
        *,
        delay_seconds: int | None = None,
        until: datetime | None = None,
        reason: str | None = None,
    ) -> Change:
        """Skip the occurrences of the next `delay_seconds`, or those before `until`; a week at most."""

        def asleep(task: Task, now: datetime) -> Change:
            return task_states.snoozed(task, snooze_end(now, delay_seconds, until), reason)

        return self._turn(task_id, None, asleep)

    def run_now(self, task_id: str, wish: RunRequest, *, request_id: str) -> tuple[Run, bool]:
        """Queue a run by hand; paused and completed tasks run too.

        Returns:
            The run, and whether it stood already under this key.

        Raises:
            NotFound; Conflict for a canceled task; InvalidInput for params too large or not JSON;
            Unprocessable where the key stands for a run with other params.
        """
        if wish.params is not None and (issue := json_problem(wish.params)):
            raise InvalidInput.at("/params", f"'params' {issue}")
        with self._units() as unit:
            task = unit.tasks.get(task_id, lock=True)
            if task.status == "canceled":
                raise Conflict("A canceled task cannot be run", task_id=task_id, status=task.status)
            origin = f"manual:{task_id}:{wish.key}" if wish.key else None
            earlier = unit.runs.by_origin(origin) if origin else None
            if earlier is not None:
                return _same_wish(earlier, wish), True
            new = _by_hand(task, wish, origin, request_id, self._clock.now())
            unit.runs.add([new], self._clock.now())
            unit.after_commit(self._queue.ring)
            return unit.runs.get(new.id), False

    def occurrences(self, task_id: str, *, limit: int, offset: int) -> Page[OccurrenceRecord]:
        """What became of the task's occurrences, newest first; NotFound."""
        with self._units(read_only=True) as unit:
            unit.tasks.get(task_id)
            return unit.tasks.occurrences(task_id, limit=limit, offset=offset)

    def why(self, task_id: str, at: datetime) -> Explanation:
        """Why the task did or did not run at a moment, past or to come; NotFound."""
        with self._units(read_only=True) as unit:
            task = unit.tasks.get(task_id)
            return explained(unit, task, at, self._clock.now())

    def _turn(self, task_id: str, if_match: Versions, turned: Callable[[Task, datetime], Change]) -> Change:
        now = self._clock.now()
        with self._units() as unit:
            current = _held(unit, task_id, if_match)
            change = turned(current, now)
            return Change(_stored(unit, current, replace(change.task, updated_at=now)), change.message)

    def _shown(self, draft: Draft, now: datetime) -> Preview:
        occurrences = upcoming(draft.task, now, PREVIEWED)
        notes = [
            Problem("/schedule_expr", f"{one.local:%Y-%m-%d}: {one.note}", "Choose a time that clocks do not skip")
            for one in occurrences
            if one.note
        ][:1]
        return Preview(draft.task, tuple(occurrences), (*draft.warnings, *notes, *self._similar(draft.task)))

    def _similar(self, task: Task) -> list[Problem]:
        with self._units(read_only=True) as unit:
            near = unit.tasks.page(TaskFilter(q=task.title), limit=20, offset=0)
        same = [one for one in near.items if one.id != task.id and one.title.casefold() == task.title.casefold()]
        if not same:
            return []
        return [Problem("/title", "A task with this title exists already", f"See task {same[0].id}")]


def _added(unit: UnitOfWork, new: Task) -> Task:
    task, definition = _defined(new)
    unit.tasks.add(task)
    unit.tasks.add_definition(definition)
    return task


def _held(unit: UnitOfWork, task_id: str, if_match: Versions) -> Task:
    task = unit.tasks.get(task_id, lock=True)
    if if_match is not None and task.version not in if_match:
        raise PreconditionFailed(task_id=task_id, version=task.version)
    return task


def _stored(unit: UnitOfWork, current: Task, changed: Task) -> Task:
    """Save the next version, if anything differs, with a new definition if what runs do differs."""
    if changed == replace(current, updated_at=changed.updated_at):
        return current
    task = replace(changed, version=current.version + 1)
    if definition_document(task) != definition_document(current):
        task, definition = _defined(task)
        unit.tasks.add_definition(definition)
    unit.tasks.save(task)
    return task


def _defined(task: Task) -> tuple[Task, Definition]:
    definition = Definition(
        id=new_id(), task_id=task.id, document=definition_document(task), created_at=task.updated_at
    )
    return replace(task, definition_id=definition.id), definition


def _replacement(fields: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in defaults().items() if name not in STATEFUL}
    return {**kept, **fields}


def _by_hand(task: Task, wish: RunRequest, origin: str | None, request_id: str, now: datetime) -> NewRun:
    return NewRun(
        id=new_id(),
        task_id=task.id,
        definition_id=task.definition_id,
        trigger="manual",
        scheduled_for=now,
        priority=task.priority,
        max_attempts=task.max_retries + 1,
        params=wish.params,
        origin=origin,
        request_id=request_id or None,
    )


def _same_wish(earlier: Run, wish: RunRequest) -> Run:
    if (earlier.params or {}) != (wish.params or {}):
        raise Unprocessable(
            "This idempotency key was used for a run with other params",
            run_id=earlier.id,
            field="idempotency_key",
        )
    return earlier

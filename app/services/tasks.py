"""What people and programs do with tasks: create, read, change, delete, steer, and start by hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from app.domain.access import limit_of
from app.domain.approvals import Forms
from app.domain.clock import Clock, rfc3339
from app.domain.errors import InvalidInput, NotFound, PreconditionFailed, Problem
from app.domain.events import next_depth
from app.domain.expectations import watched_since
from app.domain.grants import NO_GRANTS, GrantPolicy, grant_hold
from app.domain.ids import new_id
from app.domain.json_size import json_problem
from app.domain.paging import Page
from app.domain.ports import RunQueue, Tools, UnitOfWork, UnitsOfWork
from app.domain.runs import Run
from app.domain.schedules import Occurrence
from app.domain.tasks import BY_EVENT, Definition, OccurrenceRecord, Task, TaskFilter, definition_document
from app.domain.texts import joined, t
from app.services import task_states
from app.services.audit_trail import SYSTEM, Difference, entry, task_entry
from app.services.explaining import Explanation, explained
from app.services.granting import TOLD, Grantor, requested
from app.services.lifecycle import Herald, Telling, check_may_hear, task_facts
from app.services.ownership import check_owner_named, may_change, may_see, visible
from app.services.run_requests import RunRequest as RunRequest
from app.services.run_requests import accepted_before, by_hand, check_params, check_startable, same_wish
from app.services.schedules import upcoming
from app.services.task_drafts import Draft, TaskDrafts, clock_notes, replacement
from app.services.task_states import Change, Nap
from app.services.tool_fields import id_for, task_fields
from app.telemetry import emit
from ordinaut import Caller

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


class TaskService:
    """The use cases of tasks; every write holds the task's row, so that beat and callers take turns."""

    def __init__(
        self,
        *,
        units: UnitsOfWork,
        tools: Tools,
        queue: RunQueue,
        clock: Clock,
        forms: Forms,
        herald: Herald | None = None,
        grants: GrantPolicy = NO_GRANTS,
    ) -> None:
        self._grantor = Grantor(tools=tools, policy=grants)
        self._herald = herald or Herald.silent(clock, queue)
        self._units = units
        self._queue = queue
        self._clock = clock
        self._forms = forms
        self._drafts = TaskDrafts(tools=tools, forms=forms)

    def create(self, fields: Mapping[str, Any], *, caller: Caller, found: Sequence[Problem] = ()) -> Task:
        """Store a new task.

        Args:
            fields: The editable members of `Task`, as far as given; the rest take their defaults.
            caller: Becomes `created_by` where the fields name nobody; only an admin may name another.
            found: Problems the wire format has found already; they are raised together with those found here.

        Raises:
            InvalidInput: with every problem there is.
            Forbidden: it names another agent as its owner.
        """
        draft = self._new(fields, caller, found)
        with self._units() as unit:
            telling = self._herald.opened(unit, "task.created", *TOLD)
            return self._added(unit, draft.task, telling, caller)

    def create_by_tool(self, fields: Mapping[str, Any], *, caller: Caller, idempotency_key: str) -> Mapping[str, Any]:
        """Store the task that a step of a pipeline asks for, once for each key.

        Returns:
            `{id, title, status, next_run}` of the new task, or of the one made before under this key.

        Raises:
            InvalidInput: with every problem there is.
        """
        task_id = id_for(idempotency_key)
        with self._units() as unit:
            telling = self._herald.opened(unit, "task.created", *TOLD)
            try:
                task = unit.tasks.get(task_id)
            except NotFound:
                given, found = task_fields(fields)
                draft = self._new(given, caller, found, task_id=task_id)
                task = self._added(unit, draft.task, telling, caller)
        next_run = None if task.next_run_at is None else rfc3339(task.next_run_at)
        return {"id": task.id, "title": task.title, "status": task.status, "next_run": next_run}

    def preview(self, fields: Mapping[str, Any], *, caller: Caller, found: Sequence[Problem] = ()) -> Preview:
        """What `create` would store; nothing is stored. The same problems are raised."""
        return self._granted(self.shown(self._new(fields, caller, found), caller), None, caller)

    def preview_change(
        self,
        task_id: str,
        fields: Mapping[str, Any],
        *,
        caller: Caller,
        whole: bool,
        found: Sequence[Problem] = (),
    ) -> Preview:
        """What `replace` (`whole`) or `patch` would make of a task; nothing is stored."""
        with self._units(read_only=True) as unit:
            current = may_change(unit.tasks.get(task_id), caller)
        check_owner_named(fields, caller, current.created_by)
        given = replacement(fields) if whole else fields
        draft = self._drafts.changed(current, given, now=self._clock.now(), found=found)
        return self._granted(self.shown(draft, caller), current, caller)

    def get(self, task_id: str, *, caller: Caller) -> Task:
        """The task, or NotFound."""
        with self._units(read_only=True) as unit:
            return may_see(unit.tasks.get(task_id), caller)

    def definition(self, task_id: str, definition_id: str, *, caller: Caller) -> tuple[Definition, bool]:
        """What the task did at some time, and whether it still does; or NotFound."""
        with self._units(read_only=True) as unit:
            task = may_see(unit.tasks.get(task_id), caller)
            definition = unit.tasks.definition(definition_id)
        if definition.task_id != task.id:
            raise NotFound(t("Definition not found"), definition_id=definition_id)
        return definition, task.definition_id == definition.id

    def page(self, where: TaskFilter, *, caller: Caller, limit: int, offset: int) -> Page[Task]:
        """Tasks that the caller may see, newest first."""
        seen = visible(where, caller)
        if seen is None:
            return Page((), 0, limit, offset)
        with self._units(read_only=True) as unit:
            return unit.tasks.page(seen, limit=limit, offset=offset)

    def replace(
        self,
        task_id: str,
        fields: Mapping[str, Any],
        *,
        caller: Caller,
        if_match: Versions = None,
        found: Sequence[Problem] = (),
    ) -> Task:
        """Give every field a new value.

        Those left out go back to their defaults, but for `status` and `created_by`.

        Raises:
            NotFound, Forbidden, PreconditionFailed, Conflict; InvalidInput with every problem there is.
        """
        return self.patch(task_id, replacement(fields), caller=caller, if_match=if_match, found=found)

    def patch(
        self,
        task_id: str,
        fields: Mapping[str, Any],
        *,
        caller: Caller,
        if_match: Versions = None,
        found: Sequence[Problem] = (),
    ) -> Task:
        """Change the given fields. A new schedule counts from now; the past never fires.

        Raises:
            NotFound, Forbidden, PreconditionFailed, Conflict; InvalidInput with every problem there is.
        """
        with self._units() as unit:
            telling = self._herald.opened(unit, "task.updated", *TOLD)
            current = _held(unit, task_id, if_match, caller)
            check_owner_named(fields, caller, current.created_by)
            draft = self._drafts.changed(current, fields, now=self._clock.now(), found=found)
            check_may_hear(draft.task, caller)
            granted, grant = self._grantor.asked(unit, current, draft.task, caller)
            changed = _told(unit, telling, "task.updated", (current, _stored(unit, current, granted, caller)), caller)
            requested(unit, grant, telling)
            return changed

    def delete(self, task_id: str, *, caller: Caller, if_match: Versions = None) -> None:
        """Remove the task with its runs and occurrences; NotFound, Forbidden, PreconditionFailed."""
        with self._units() as unit:
            telling = self._herald.opened(unit, "task.deleted")
            task = _held(unit, task_id, if_match, caller)
            unit.tasks.delete(task_id)
            unit.audit.add(task_entry(self._clock.now(), caller, "task.deleted", before=task, after=None))
            _triggers_changed(unit, task)
            telling.tell("task.deleted", task_facts(task))

    def pause(self, task_id: str, *, caller: Caller, if_match: Versions = None) -> Change:
        """Stop the schedule until `resume`; runs by hand still work."""
        return self._turn("task.paused", task_id, (caller, if_match), lambda task, now: task_states.paused(task))

    def pause_by_failures(self, task_id: str, reason: str) -> None:
        """Pause a task because its runs keep failing; one that is not active, or not there, is left alone."""
        with self._units() as unit:
            telling = self._herald.opened(unit, "task.paused")
            try:
                task = unit.tasks.get(task_id, lock=True)
            except NotFound:
                return
            if task.status == "active":
                change = task_states.paused(task)
                stored = _stored(unit, task, replace(change.task, updated_at=self._clock.now()), SYSTEM)
                _told(unit, telling, "task.paused", (task, stored), SYSTEM, reason=reason)
                unit.after_commit(lambda: emit("task.paused_by_failures", task_id=task_id, reason=reason))

    def resume(self, task_id: str, *, caller: Caller, if_match: Versions = None) -> Change:
        """Take a paused or snoozed task up again, from now on."""
        return self._turn("task.resumed", task_id, (caller, if_match), task_states.resumed)

    def cancel(self, task_id: str, *, caller: Caller, if_match: Versions = None) -> Change:
        """End the task for good; its queued and running runs go on unless they are cancelled themselves."""
        return self._turn("task.canceled", task_id, (caller, if_match), lambda task, now: task_states.canceled(task))

    def snooze(self, task_id: str, nap: Nap, *, caller: Caller, if_match: Versions = None) -> Change:
        """Skip the occurrences until the nap is over; a week at most."""
        return self._turn("task.snoozed", task_id, (caller, if_match), nap.taken)

    def run_now(self, task_id: str, wish: RunRequest, *, caller: Caller, request_id: str) -> tuple[Run, bool]:
        """Queue a run by hand; paused and completed tasks run too.

        Returns:
            The run, and whether it stood already, under this key or under the task's dedupe key.

        Raises:
            NotFound, Forbidden; Conflict for a canceled task; InvalidInput for params that are too large, not JSON or
            not what `params_schema` asks for;
            Unprocessable where the key stands for a run with other params, or where the key of a limit cannot be
            filled in.
        """
        if wish.params is not None and (issue := json_problem(wish.params)):
            raise InvalidInput.at("/params", joined(" ", ["'params'", issue]))
        with self._units() as unit:
            task = _held(unit, task_id, None, caller)
            origin = f"manual:{task_id}:{wish.key}" if wish.key else None
            earlier = unit.runs.by_origin(origin) if origin else None
            if earlier is not None:
                return same_wish(earlier, wish), True
            now = self._clock.now()
            check_startable(task, now)
            check_params(task, wish, self._forms)
            new = by_hand(task, wish, origin, request_id, now)
            if (before := accepted_before(unit, new, now)) is not None:
                return before, True
            unit.runs.add([new], now)
            unit.audit.add(entry(now, caller, "run.requested", new.id, Difference(after={"task_id": task_id})))
            unit.after_commit(self._queue.ring)
            return unit.runs.get(new.id), False

    def occurrences(self, task_id: str, *, caller: Caller, limit: int, offset: int) -> Page[OccurrenceRecord]:
        """What became of the task's occurrences, newest first; NotFound."""
        with self._units(read_only=True) as unit:
            may_see(unit.tasks.get(task_id), caller)
            return unit.tasks.occurrences(task_id, limit=limit, offset=offset)

    def why(self, task_id: str, at: datetime, *, caller: Caller) -> Explanation:
        """Why the task did or did not run at a moment, past or to come; NotFound."""
        with self._units(read_only=True) as unit:
            task = may_see(unit.tasks.get(task_id), caller)
            return explained(unit, task, at, self._clock.now())

    def _added(self, unit: UnitOfWork, new: Task, telling: Telling, caller: Caller) -> Task:
        watched = replace(new, watched_since=watched_since(None, new, new.created_at))
        granted, grant = self._grantor.asked(unit, None, watched, caller)
        task, definition = _defined(granted, limit_of(caller))
        unit.tasks.add(task)
        unit.tasks.add_definition(definition)
        _triggers_changed(unit, task)
        telling.tell("task.created", task_facts(task))
        unit.audit.add(task_entry(task.created_at, caller, "task.created", before=None, after=task))
        requested(unit, grant, telling)
        return task

    def _new(
        self, fields: Mapping[str, Any], caller: Caller, found: Sequence[Problem], *, task_id: str | None = None
    ) -> Draft:
        check_owner_named(fields, caller, caller.agent_id)
        now = self._clock.now()
        draft = self._drafts.new(fields, caller=caller.agent_id, now=now, found=found, task_id=task_id)
        check_may_hear(draft.task, caller)
        return replace(draft, task=replace(draft.task, depth=next_depth()))

    def _turn(
        self,
        topic: str,
        task_id: str,
        asked: tuple[Caller, Versions],
        turned: Callable[[Task, datetime], Change],
    ) -> Change:
        now, (caller, if_match) = self._clock.now(), asked
        with self._units() as unit:
            telling = self._herald.opened(unit, topic)
            current = _held(unit, task_id, if_match, caller)
            change = turned(current, now)
            stored = _stored(unit, current, replace(change.task, updated_at=now), caller)
            return Change(_told(unit, telling, topic, (current, stored), caller), change.message)

    def shown(self, draft: Draft, caller: Caller) -> Preview:
        """The draft with what would follow from it."""
        occurrences = upcoming(draft.task, self._clock.now(), PREVIEWED)
        warnings = (*draft.warnings, *clock_notes(occurrences), *self._similar(draft.task, caller))
        return Preview(draft.task, tuple(occurrences), warnings)

    def _granted(self, preview: Preview, before: Task | None, caller: Caller) -> Preview:
        """The preview with what somebody would have to accept first."""
        if not self._grantor.governs(caller):
            return preview
        with self._units(read_only=True) as unit:
            task, _ = self._grantor.foreseen(unit, before, preview.task, caller)
        hold = grant_hold(task.grant_status, task.granted_until, task.updated_at)
        notes = [] if hold is None else [Problem("/payload/pipeline", hold)]
        return replace(preview, task=task, warnings=(*preview.warnings, *notes))

    def _similar(self, task: Task, caller: Caller) -> list[Problem]:
        near = self.page(TaskFilter(q=task.title), caller=caller, limit=20, offset=0)
        same = [one for one in near.items if one.id != task.id and one.title.casefold() == task.title.casefold()]
        if not same:
            return []
        return [Problem("/title", t("A task with this title exists already"), t("See task {id}", id=same[0].id))]


def _triggers_changed(unit: UnitOfWork, *tasks: Task) -> None:
    if any(task.schedule_kind in BY_EVENT for task in tasks):
        unit.events.triggers_changed()


def _told(
    unit: UnitOfWork, telling: Telling, topic: str, change: tuple[Task, Task], caller: Caller, **more: Any
) -> Task:
    """Tell of a change and write it down, if there was one."""
    before, after = change
    if after.version != before.version:
        if before.expose_as_tool != after.expose_as_tool:
            more["expose_as_tool"] = after.expose_as_tool
        telling.tell(topic, task_facts(after, **more))
        unit.audit.add(task_entry(after.updated_at, caller, topic, before=before, after=after))
    return after


def _held(unit: UnitOfWork, task_id: str, if_match: Versions, caller: Caller) -> Task:
    task = may_change(unit.tasks.get(task_id, lock=True), caller)
    if if_match is not None and task.version not in if_match:
        raise PreconditionFailed(task_id=task_id, version=task.version)
    return task


def _stored(unit: UnitOfWork, current: Task, changed: Task, caller: Caller) -> Task:
    """Save the next version, if anything differs, with a new definition if what runs do differs."""
    if changed == replace(current, updated_at=changed.updated_at):
        return current
    since = watched_since(current, changed, changed.updated_at)
    task = replace(changed, version=current.version + 1, watched_since=since)
    if definition_document(task) != definition_document(current):
        task, definition = _defined(task, _limit(unit, current, task, caller))
        unit.tasks.add_definition(definition)
    unit.tasks.save(task)
    _triggers_changed(unit, current, task)
    return task


def _limit(unit: UnitOfWork, before: Task, after: Task, caller: Caller) -> list[str] | None:
    """What the task's runs may hold at most: as much as the author of its pipeline, whoever changed the rest of it."""
    if after.payload != before.payload:
        return limit_of(caller)
    kept: list[str] | None = unit.tasks.definition(before.definition_id).document.get("scopes")
    return kept


def _defined(task: Task, limit: list[str] | None) -> tuple[Task, Definition]:
    document = definition_document(task)
    if limit is not None:
        document["scopes"] = limit
    definition = Definition(id=new_id(), task_id=task.id, document=document, created_at=task.updated_at)
    return replace(task, definition_id=definition.id), definition

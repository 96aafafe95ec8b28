"""Runs that take up others: a rerun from a step on, and steps that somebody marks as done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from app.domain.clock import Clock, rfc3339, to_micros
from app.domain.errors import Conflict, InvalidInput, Unprocessable
from app.domain.events import next_depth
from app.domain.ids import new_id
from app.domain.json_size import json_problem
from app.domain.pipelines.plan import Plan
from app.domain.pipelines.unknown import Answer
from app.domain.ports import RunQueue, UnitOfWork, UnitsOfWork
from app.domain.reruns import FAILED, Body, DefinitionChoice, Mark, items_taken_over, marked, taken_over
from app.domain.runs import ENDED, NewRun, Run
from app.domain.tasks import Definition, Task
from app.domain.texts import joined, t
from app.services.audit_trail import Difference, entry
from app.services.lifecycle import Herald, Telling
from app.services.ownership import run_changed
from app.services.run_ends import cancel_run
from app.services.run_requests import check_startable, with_limits
from ordinaut import Caller


@dataclass(frozen=True, slots=True, kw_only=True)
class RerunRequest:
    """A wish to repeat a run that has ended.

    Attributes:
        start: `failed`, `start`, or the id of the step to go on from; what was done before it is not done again.
        definition: The pipeline that the run kept, or the one that its task has now.
        key: Asking twice under one key gives one run.
    """

    start: str = FAILED
    definition: DefinitionChoice = "original"
    key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """By whom something was asked, and when."""

    caller: Caller
    at: datetime
    request_id: str = ""


class RerunService:
    """The use cases of repeating runs."""

    def __init__(self, *, units: UnitsOfWork, queue: RunQueue, clock: Clock, herald: Herald) -> None:
        self._herald = herald
        self._units = units
        self._queue = queue
        self._clock = clock

    def rerun(self, run_id: str, wish: RerunRequest, *, caller: Caller, request_id: str) -> tuple[Run, bool]:
        """Queue a run that repeats another one, with its params, its event and its nominal time.

        Returns:
            The new run, and whether it stood already under this key.

        Raises:
            NotFound, Forbidden; Conflict for a run that has not ended, `failed` for one that succeeded, or a canceled
            task; InvalidInput for a step to go on from that is not there or lacks what comes before it.
        """
        with self._units() as unit:
            run = run_changed(unit, unit.runs.get(run_id), caller)
            asked = Asked(caller=caller, at=self._clock.now(), request_id=request_id)
            made, stood = rerun(unit, run, wish, asked, Definitions())
            if not stood:
                told = Difference(after={"rerun_of": run.id, "from": wish.start, "definition": wish.definition})
                unit.audit.add(entry(asked.at, caller, "run.rerun", made, told))
                unit.after_commit(self._queue.ring)
            return unit.runs.get(made), stood

    def mark(self, run_id: str, mark: Mark, *, caller: Caller, request_id: str) -> Run:
        """Say what a step came to.

        A run that asks goes on with that. Any other is repeated by a new run, which takes the step as done; one that
        still waits for something is canceled.

        Returns:
            The run that goes on, or the new one.

        Raises:
            NotFound, Forbidden; Conflict for a run in the hands of a worker or in the queue, one that waits for an
            approval, one that has succeeded, one that is not asked about this step, or a canceled task;
            InvalidInput for a step that is not there or lacks what comes before it, or an output that is too large.
        """
        if issue := json_problem(mark.output):
            raise InvalidInput.at("/output", joined(" ", ["'output'", issue]))
        with self._units() as unit:
            telling = self._herald.opened(unit, "run.canceled")
            run = run_changed(unit, unit.runs.get(run_id), caller)
            asked = Asked(caller=caller, at=self._clock.now(), request_id=request_id)
            unit.tasks.get(run.task_id, lock=True)
            # Again, since somebody else may have answered while we waited for the task.
            run = unit.runs.get(run_id)
            if run.status == "waiting":
                if _answered(unit, run, mark, asked):
                    unit.after_commit(self._queue.ring)
                    return unit.runs.get(run.id)
                run = _no_longer_waiting(unit, run, asked, telling)
            if mark.status in ("retry", "failed"):
                message = t("No worker was lost in step {step}: nobody asks about it", step=mark.step_id)
                raise Conflict(message, run_id=run.id, status=run.status)
            task = check_repeatable(unit, run, FAILED, asked.at)
            definition, plan = Definitions().get(unit, run.definition_id)
            lines = marked(unit.runs.journal(run.id), plan.steps, mark, rfc3339(asked.at))
            made = _queued(unit, with_limits(repeated(run, definition, asked), task), lines, asked.at)
            facts = {"rerun_of": run.id, "step_id": mark.step_id, "status": mark.status, "note": mark.note}
            unit.audit.add(entry(asked.at, caller, "run.step_marked", made, Difference(after=facts)))
            unit.after_commit(self._queue.ring)
            return unit.runs.get(made)


def _answered(unit: UnitOfWork, run: Run, mark: Mark, asked: Asked) -> bool:
    """Whether the run asks about this step, and goes on now."""
    wait = unit.waits.of_run(run.id)
    if wait is None or wait.kind != "answer" or wait.step_id != mark.step_id:
        return False
    answer = Answer(word=mark.status, output=mark.output, by=mark.by, note=mark.note)
    facts = {"step_id": mark.step_id, "status": mark.status, "note": mark.note}
    unit.audit.add(entry(asked.at, asked.caller, "run.step_marked", run.id, Difference(after=facts)))
    return unit.waits.resolve(wait.id, answer.as_resolution())


def _no_longer_waiting(unit: UnitOfWork, run: Run, asked: Asked, telling: Telling) -> Run:
    """The run, canceled.

    Raises:
        Conflict: it waits for an approval, or it goes on already.
    """
    wait = unit.waits.of_run(run.id)
    if wait is not None and wait.kind == "approval":
        raise Conflict(t("It waits for an approval: decide that"), run_id=run.id, status=run.status)
    # Whoever takes the wait away decides what becomes of the run: beat may be ending it at this moment.
    if not unit.waits.drop(run.id):
        raise Conflict(t("The run has not ended: it is {status}", status="queued"), run_id=run.id, status="queued")
    if cancel_run(unit, run, asked.at, telling) == "canceled":
        unit.audit.add(entry(asked.at, asked.caller, "run.canceled", run.id))
    return unit.runs.get(run.id)


class Definitions:
    """Definitions as they were looked up, each compiled once."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[Definition, Plan]] = {}

    def get(self, unit: UnitOfWork, definition_id: str) -> tuple[Definition, Plan]:
        """The definition.

        Raises:
            Unprocessable: this version of the code cannot read it.
        """
        if definition_id not in self._known:
            definition = unit.tasks.definition(definition_id)
            self._known[definition_id] = definition, _plan_of(definition)
        return self._known[definition_id]


def rerun(unit: UnitOfWork, run: Run, wish: RerunRequest, asked: Asked, definitions: Definitions) -> tuple[str, bool]:
    """Queue the rerun of a run that the caller may change; its id, and whether it stood already.

    Raises:
        Conflict, InvalidInput, Unprocessable: see `RerunService.rerun`.
    """
    task = check_repeatable(unit, run, wish.start, asked.at)
    origin = f"rerun:{run.id}:{wish.key}" if wish.key else None
    earlier = unit.runs.by_origin(origin) if origin else None
    if earlier is not None:
        return earlier.id, True
    wanted = run.definition_id if wish.definition == "original" else task.definition_id
    definition, plan = definitions.get(unit, wanted)
    journal = unit.runs.journal(run.id)
    lines = taken_over(journal, plan.steps, wish.start)
    if wish.start == FAILED and definition.id == run.definition_id:
        lines += items_taken_over(journal, plan.steps, lines)
    again = with_limits(repeated(run, definition, asked, origin=origin), task)
    return _queued(unit, again, lines, asked.at), False


def check_repeatable(unit: UnitOfWork, run: Run, start: str, now: datetime) -> Task:
    """The run's task, held until the unit ends, so that two who ask under one key take turns.

    Raises:
        Conflict: the run cannot be repeated from there.
    """
    if run.part is not None:
        raise Conflict(t("It is a part of another run: repeat that one"), run_id=run.part["root"])
    task = unit.tasks.get(run.task_id, lock=True)
    details = {"run_id": run.id, "status": run.status}
    if run.status not in ENDED:
        raise Conflict(t("The run has not ended: it is {status}", status=run.status), **details)
    if start == FAILED and run.status == "succeeded":
        raise Conflict(t("The run has succeeded: no step of it is left to be done"), **details)
    check_startable(task, now)
    return task


def _plan_of(definition: Definition) -> Plan:
    try:
        return Plan.of(definition.document)
    except (LookupError, TypeError, ValueError) as error:
        message = t("The definition it was queued with cannot be read ({kind})", kind=type(error).__name__)
        raise Unprocessable(message, definition_id=definition.id) from error


def repeated(run: Run, definition: Definition, asked: Asked, *, origin: str | None = None) -> NewRun:
    """The run that repeats another one under a definition."""
    return NewRun(
        id=new_id(),
        task_id=run.task_id,
        definition_id=definition.id,
        trigger="rerun",
        nominal_at=run.nominal_at,
        scheduled_for=asked.at,
        priority=run.priority,
        max_attempts=definition.document["max_retries"] + 1,
        params=run.params,
        origin=origin,
        request_id=asked.request_id or None,
        event=run.event,
        parent_run_id=run.id,
        depth=next_depth(run.depth),
    )


def _queued(unit: UnitOfWork, new: NewRun, steps: Sequence[Body], at: datetime) -> str:
    unit.runs.add([new], at)
    unit.runs.remember(new.id, [(to_micros(at), "step", body) for body in steps])
    return new.id

"""From the fields of a request to a task that may be stored: every problem found at once, warnings kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from typing import Any

from app.domain.approvals import Forms
from app.domain.clock import rfc3339
from app.domain.errors import Conflict, InvalidInput, Problem, ScheduleInvalid
from app.domain.ids import new_id
from app.domain.json_size import json_problem
from app.domain.next_run import MOMENT, aimed_at, first_after, schedule_of, used_up
from app.domain.pipelines.validate import validate_pipeline
from app.domain.ports import Tools
from app.domain.run_limits import key_problems
from app.domain.schedules import Occurrence
from app.domain.tasks import BY_EVENT, TIMELESS, Task, TaskStatus
from app.domain.texts import joined, t, tn

SCHEDULE = ("schedule_kind", "schedule_expr", "timezone")
WINDOW = ("starts_at", "ends_at", "max_runs", "jitter_seconds")
STATEFUL = ("status", "created_by", "external_id")
"""What a full replacement keeps where it is left out, instead of going back to a default."""
KEYS = ("concurrency_key", "concurrency_limit", "dedupe_key", "dedupe_window_seconds")
BURSTS = ("debounce_seconds", "debounce_max_wait_seconds")
EDITABLE = (
    *("title", "description", *SCHEDULE, "payload", *STATEFUL, "priority", "max_retries", "backoff_strategy"),
    *("backoff_seconds", "timeout_seconds", "overlap", "expect", *KEYS, *BURSTS, "misfire", "misfire_grace_seconds"),
    *("catchup_window_seconds", "catchup_max", *WINDOW, "pause_after_failures", "tags"),
    *("expose_as_tool", "params_schema"),
)


@dataclass(frozen=True, slots=True)
class Draft:
    """A task as it would be stored, and what its author had better know."""

    task: Task
    warnings: tuple[Problem, ...] = ()


@dataclass(slots=True)
class _Findings:
    """Problems so far; `fields` have one already and are not looked at again."""

    errors: list[Problem]
    warnings: list[Problem] = field(default_factory=list)

    @property
    def fields(self) -> set[str]:
        return {problem.pointer.split("/")[1] for problem in self.errors if "/" in problem.pointer}

    def raise_any(self) -> None:
        if self.errors:
            raise InvalidInput(self.errors)


def defaults() -> dict[str, Any]:
    """What a task has where its author says nothing."""
    return {
        "description": "",
        "schedule_expr": None,
        "timezone": "UTC",
        "payload": {"params": {}, "pipeline": []},
        **{
            one.name: one.default
            for one in fields(Task)
            if one.name in EDITABLE and one.name not in {"title", "description", "payload", "created_by", *SCHEDULE}
        },
    }


def replacement(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a task that is replaced as a whole: what is left out goes back to its default, or stays."""
    kept = {name: value for name, value in defaults().items() if name not in STATEFUL}
    return {**kept, **fields}


def clock_notes(occurrences: Iterable[Occurrence]) -> list[Problem]:
    """What clocks do to the first of these occurrences that they do anything to."""
    hint = t("Choose a time that clocks do not skip")
    noted = [(f"{one.local:%Y-%m-%d}", one.note) for one in occurrences if one.note]
    return [Problem("/schedule_expr", joined(": ", texts), hint) for texts in noted[:1]]


class TaskDrafts:
    """Builds tasks from fields and checks them against schedules, pipelines and tools."""

    def __init__(self, *, tools: Tools, forms: Forms) -> None:
        self._tools = tools
        self._forms = forms

    def new(
        self,
        given: Mapping[str, Any],
        *,
        caller: str,
        now: datetime,
        found: Sequence[Problem] = (),
        task_id: str | None = None,
    ) -> Draft:
        """A task nobody has seen yet.

        Args:
            given: The editable fields that the wire format has accepted.
            caller: Becomes `created_by` where the fields name nobody.
            now: The moment of its creation.
            found: What the wire format has refused, to be reported together with the problems found here.
            task_id: Its id, where that is not for this method to choose.

        Raises:
            InvalidInput: with every problem there is.
        """
        findings = _Findings(list(found))
        task = _fresh(given, caller, now, task_id or new_id())
        if task.status not in ("active", "paused"):
            findings.errors.append(Problem("/status", t("'status' of a new task must be active or paused")))
        if "schedule_kind" in given:
            self._check_schedule(task, findings)
        self._check_pipeline(task, findings)
        self._check_params(task, findings)
        _check_window(task, findings)
        _check_keys(task, findings)
        if not findings.fields & {*SCHEDULE, *WINDOW}:
            task = _planned(task, _since(task, now), findings)
        findings.raise_any()
        return Draft(task, tuple(findings.warnings))

    def changed(
        self, current: Task, given: Mapping[str, Any], *, now: datetime, found: Sequence[Problem] = ()
    ) -> Draft:
        """The current task with `given` fields in place of its own; the past is never fired.

        Raises:
            InvalidInput: with every problem there is.
            Conflict: the status asked for cannot follow the present one.
        """
        findings = _Findings(list(found))
        task = _edited(current, given, now)
        touched = {name for name in EDITABLE if getattr(current, name) != getattr(task, name)}
        if touched & set(SCHEDULE):
            task = replace(task, anchor_at=now)
            self._check_schedule(task, findings)
        if "payload" in given:
            self._check_pipeline(task, findings)
            task = replace(task, drift=())  # it fits, or is refused
        if "params_schema" in given:
            self._check_params(task, findings)
        _check_window(task, findings)
        _check_keys(task, findings)
        findings.raise_any()
        status = _status_after(current, task, touched)
        task = _aimed(current, replace(task, status=status), touched, findings)
        findings.raise_any()
        return Draft(task, tuple(findings.warnings))

    def _check_schedule(self, task: Task, findings: _Findings) -> None:
        if findings.fields & {"schedule_kind", "schedule_expr"}:
            return
        if task.schedule_kind == "manual" and task.schedule_expr is not None:
            problem = Problem(
                "/schedule_expr", t("A manual task has no 'schedule_expr'"), t("Leave it out or send null")
            )
            findings.errors.append(problem)
        try:
            schedule_of(task)
        except ScheduleInvalid as error:
            findings.errors.extend(error.problems)

    def _check_pipeline(self, task: Task, findings: _Findings) -> None:
        if "payload" in findings.fields:
            return
        report = validate_pipeline(
            task.payload["pipeline"], tools=self._tools, params=task.payload["params"], at="/payload/pipeline"
        )
        findings.errors.extend(report.errors)
        findings.warnings.extend(report.warnings)

    def _check_params(self, task: Task, findings: _Findings) -> None:
        """A schema has to be one, and its subject is an object."""
        if task.params_schema is None or "params_schema" in findings.fields:
            return
        issue = json_problem(task.params_schema) or self._forms.schema_problem(task.params_schema)
        if issue is None and task.params_schema.get("type", "object") != "object":
            issue = t("its 'type' must be object")
        if issue is not None:
            findings.errors.append(Problem("/params_schema", joined(" ", ["'params_schema':", issue])))


def _fresh(given: Mapping[str, Any], caller: str, now: datetime, task_id: str) -> Task:
    # Stand-ins for required fields that were refused: such a draft is not stored.
    stand_ins = {"title": "", "schedule_kind": "manual", "created_by": caller}
    values = {**defaults(), **stand_ins, **given}
    return Task(id=task_id, **values, created_at=now, updated_at=now, anchor_at=now)


def _edited(current: Task, given: Mapping[str, Any], now: datetime) -> Task:
    changes = dict(given)
    if given.get("schedule_kind") == "manual":
        changes.setdefault("schedule_expr", None)
    return replace(current, **changes, updated_at=now)


def _check_window(task: Task, findings: _Findings) -> None:
    if task.starts_at is not None and task.ends_at is not None and task.starts_at >= task.ends_at:
        findings.errors.append(Problem("/ends_at", t("'ends_at' must be later than 'starts_at'")))


def _check_keys(task: Task, findings: _Findings) -> None:
    """Limits that cannot be kept, or do not go together; members that were refused already are not looked at."""
    refused = findings.fields
    problems = [*key_problems("concurrency_key", task.concurrency_key), *key_problems("dedupe_key", task.dedupe_key)]
    problems += _lonely(task)
    findings.errors.extend(one for one in problems if one.pointer[1:] not in refused)


def _lonely(task: Task) -> Iterator[Problem]:
    """Members that mean nothing without another one."""
    if task.dedupe_key is not None and task.dedupe_window_seconds is None:
        yield Problem("/dedupe_window_seconds", t("'dedupe_key' needs 'dedupe_window_seconds'"))
    if task.dedupe_window_seconds is not None and task.dedupe_key is None:
        yield Problem("/dedupe_key", t("'dedupe_window_seconds' needs 'dedupe_key'"))
    quiet, most = task.debounce_seconds, task.debounce_max_wait_seconds
    if quiet is not None and task.schedule_kind not in BY_EVENT:
        yield Problem("/debounce_seconds", t("'debounce_seconds' is for tasks that events start"))
    if most is not None and quiet is None:
        yield Problem("/debounce_seconds", t("'debounce_max_wait_seconds' needs 'debounce_seconds'"))
    if most is not None and quiet is not None and most < quiet:
        yield Problem(
            "/debounce_max_wait_seconds", t("'debounce_max_wait_seconds' must not be less than 'debounce_seconds'")
        )


def _since(task: Task, now: datetime) -> datetime:
    """From when a new schedule counts: a single moment may lie back by as much as its grace."""
    return now - timedelta(seconds=task.misfire_grace_seconds) if task.schedule_kind == "once" else now


def _planned(task: Task, since: datetime, findings: _Findings) -> Task:
    """The task aimed at its first time after `since`; a paused one must have such a time as well."""
    if task.schedule_kind in TIMELESS:
        return aimed_at(task, None)
    nominal = first_after(task, since)
    if nominal is None:
        findings.errors.append(_never(task, since))
    return aimed_at(task, nominal if task.status == "active" else None)


def _never(task: Task, since: datetime) -> Problem:
    """Why a schedule has no time to come, at the field that is to blame."""
    if used_up(task):
        return Problem(
            "/max_runs",
            tn("The task has had its run already", "The task has had {count} runs already", task.fired_count),
            t("Raise or clear 'max_runs'"),
        )
    endless = replace(task, ends_at=None)
    nominal = first_after(endless, since)
    if nominal is not None:
        text = t("The schedule has no time before 'ends_at'; its next one would be {moment}", moment=rfc3339(nominal))
        return Problem("/ends_at", text)
    if task.starts_at is not None and first_after(replace(endless, starts_at=None), since) is not None:
        return Problem("/starts_at", t("The schedule has no time at or after 'starts_at'"))
    if task.schedule_kind == "once":
        return Problem("/schedule_expr", t("The moment lies in the past"), t("Give a moment in the future"))
    return Problem("/schedule_expr", t("The schedule never fires"))


def _aimed(current: Task, task: Task, touched: set[str], findings: _Findings) -> Task:
    """The edited task aimed at its right next time, counted from its `updated_at`."""
    now = task.updated_at
    if touched & set(SCHEDULE) and task.status in ("active", "paused"):
        return _planned(task, _since(task, now), findings)
    if task.status != "active":
        return aimed_at(task, None)
    if current.status != "active":
        return _planned(task, now, findings)
    if not touched & set(WINDOW):
        return task
    # An occurrence that is due but that no beat has fired yet stays due.
    pending = current.next_run_at
    return _planned(task, now if pending is None else min(now, pending - MOMENT), findings)


def _status_after(current: Task, task: Task, touched: set[str]) -> TaskStatus:
    """The status an edit leads to.

    Raises:
        Conflict: the one asked for cannot follow.
        InvalidInput: `completed` was asked for; only the scheduler sets it.
    """
    if task.status == current.status:
        return _revived(task, touched) if task.status == "completed" else task.status
    if task.status == "completed":
        raise InvalidInput.at("/status", t("'status' becomes completed by itself, when the schedule has ended"))
    if current.status == "canceled" or (current.status == "completed" and task.status == "paused"):
        text = t("A {before} task cannot become {after}", before=current.status, after=task.status)
        raise Conflict(text, task_id=current.id, status=current.status, requested=task.status)
    return task.status


def _revived(task: Task, touched: set[str]) -> TaskStatus:
    """A completed task lives again with a new schedule, or when a wider window gives it another time."""
    if touched & set(SCHEDULE):
        return "active"
    if not touched & set(WINDOW):
        return "completed"
    wider = not used_up(task) if task.schedule_kind in BY_EVENT else first_after(task, task.updated_at) is not None
    return "active" if wider else "completed"

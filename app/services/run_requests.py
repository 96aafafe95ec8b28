"""A wish to run a task now, and the run it becomes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from app.domain.approvals import Forms
from app.domain.errors import Conflict, InvalidInput, NotFound, Unprocessable
from app.domain.events import next_depth
from app.domain.grants import check_not_held
from app.domain.ids import new_id
from app.domain.ports import UnitOfWork
from app.domain.run_limits import Unfilled, limited
from app.domain.runs import NewRun, Run
from app.domain.tasks import Task
from app.domain.texts import t


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """A wish to run a task now.

    Attributes:
        params: Laid over the task's own params when the run starts.
        key: Asking twice under one key gives one run.
    """

    params: Mapping[str, Any] | None = None
    key: str | None = None


def by_hand(task: Task, wish: RunRequest, origin: str | None, request_id: str, now: datetime) -> NewRun:
    """The run that the wish asks for; raises as `with_limits`."""
    run = NewRun(
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
        depth=next_depth(task.depth),
    )
    return with_limits(run, task)


def check_startable(task: Task, now: datetime) -> None:
    """Refuse to start a run of a task that may have none.

    Raises:
        Conflict: it is canceled, or its grant does not allow it.
    """
    if task.status == "canceled":
        raise Conflict(t("A canceled task cannot be run"), task_id=task.id, status=task.status)
    check_not_held(task.id, task.grant_status, task.granted_until, now)


def check_params(task: Task, wish: RunRequest, forms: Forms) -> None:
    """Refuse params that are not what the task's schema asks for.

    Raises:
        InvalidInput: with every problem there is.
    """
    if task.params_schema is None:
        return
    problems = forms.problems(task.params_schema, {**task.payload["params"], **(wish.params or {})})
    if problems:
        raise InvalidInput([replace(one, pointer=f"/params{one.pointer}") for one in problems])


def with_limits(run: NewRun, task: Task) -> NewRun:
    """The run with the limits of its task.

    Raises:
        Unprocessable: a key cannot be filled in for it.
    """
    try:
        return limited(run, task)
    except Unfilled as error:
        raise Unprocessable(error.message, field="params") from None


def accepted_before(unit: UnitOfWork, run: NewRun, now: datetime) -> Run | None:
    """The run that was accepted under the dedupe key of this one, if its window is not over; else the key is taken."""
    earlier = unit.dedupe.accept(run, now)
    if earlier is None:
        return None
    try:
        return unit.runs.get(earlier)
    except NotFound:
        # Its record has been removed since: there is nothing to answer with.
        unit.dedupe.release(run.task_id, earlier)
        unit.dedupe.accept(run, now)
        return None


def same_wish(earlier: Run, wish: RunRequest) -> Run:
    """The run that stands under the key of the wish.

    Raises:
        Unprocessable: It was asked for with other params.
    """
    if (earlier.params or {}) != (wish.params or {}):
        raise Unprocessable(
            t("This idempotency key was used for a run with other params"),
            run_id=earlier.id,
            field="idempotency_key",
        )
    return earlier

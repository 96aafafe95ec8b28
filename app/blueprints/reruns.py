"""Repeating runs over HTTP."""

from __future__ import annotations

from typing import Any

from flask import Blueprint

from app.domain.texts import t
from app.http.api import api
from app.http.identity import identity
from app.http.request_id import request_id
from app.http.services import services
from app.schemas.reruns import MarkIn, RerunIn
from app.schemas.task_answers import RunNowOut, run_now_out

bp = Blueprint("reruns", __name__, url_prefix="/runs")
TAGS = ("runs",)


@bp.post("/<run_id>/rerun")
@api(body=RerunIn, returns=RunNowOut, status=202, tags=TAGS, errors=(404, 409, 422), scope="tasks:run")
def rerun(run_id: str, body: RerunIn) -> dict[str, Any]:
    """Run again from a step on.

    A new run, with `parent_run_id`, the same params and event, and the nominal time of the one it repeats. The
    outputs of the steps before `from` are taken over; those steps are not executed again. With `definition: latest`
    a step whose tool has changed counts as not done.
    """
    made = services().reruns.rerun(run_id, body.wish(), caller=identity(), request_id=request_id())
    return run_now_out(*made)


@bp.post("/<run_id>/steps/<step_id>/mark")
@api(body=MarkIn, returns=RunNowOut, status=202, tags=TAGS, errors=(404, 409, 422), scope="tasks:update")
def mark_step(run_id: str, step_id: str, body: MarkIn) -> dict[str, Any]:
    """Say what a step came to, and go on after it.

    A run that asks about the step (`on_unknown: ask`) goes on itself: with `retry` it makes the call again, with
    `failed` the step has failed. Any other is repeated by a new run, with `parent_run_id`, that takes over the steps
    before this one, takes this one as you say, and executes those after it. The run that is repeated has failed or
    been canceled; one that waits is canceled by this.
    """
    mark = body.mark(step_id, identity().agent_id)
    run = services().reruns.mark(run_id, mark, caller=identity(), request_id=request_id())
    answer = run_now_out(run, False)
    return {**answer, "message": t("The run goes on")} if run.id == run_id else answer

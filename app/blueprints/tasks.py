"""`/tasks`: what people and programs do with tasks."""

from __future__ import annotations

from dataclasses import replace
from hashlib import blake2b
from typing import Any
from uuid import UUID

from flask import Blueprint, request, url_for

from app.domain.errors import InvalidInput, Problem
from app.domain.tasks import Task
from app.domain.texts import t
from app.http.api import Answer, api
from app.http.identity import identity
from app.http.locale import language
from app.http.request_id import request_id
from app.http.sentences import invalid_input
from app.http.services import services
from app.http.written import Written
from app.schemas.fields import PageQuery
from app.schemas.occurrences import OccurrencePageOut, WhyOut, WhyQuery, record_page_out, why_out
from app.schemas.runs import DefinitionOut, definition_out
from app.schemas.task_answers import (
    ActionOut,
    RunNowOut,
    TaskOut,
    TaskPageOut,
    TaskPreviewOut,
    action_out,
    preview_out,
    run_now_out,
    task_out,
    task_page_out,
)
from app.schemas.tasks import (
    NoBody,
    PreviewQuery,
    RunNowIn,
    SnoozeIn,
    TaskCreate,
    TaskFields,
    TaskListQuery,
    TaskPatch,
    TaskReplace,
)
from app.services.task_states import Nap
from app.services.task_upserts import Only
from app.services.tasks import RunRequest

bp = Blueprint("tasks", __name__)

TAGS = ("tasks",)
EXTERNAL_ID_LENGTH = 200

_written = Written(task_out)


@bp.post("/tasks")
@api(
    body=TaskCreate,
    query=PreviewQuery,
    returns=TaskOut,
    status=201,
    tags=TAGS,
    preview=TaskPreviewOut,
    scope="tasks:create",
)
def create_task(body: TaskCreate, query: PreviewQuery) -> Answer:
    """Create a task.

    With `?preview=true` nothing is stored: the answer is 200 with the task as it would be, `next_occurrences`
    and `warnings`.
    """
    found = mistakes(body)
    if query.preview:
        return Answer(preview_out(services().tasks.preview(body.fields(), caller=identity(), found=found)), status=200)
    task = services().tasks.create(body.fields(), caller=identity(), found=found)
    return tagged(task, {"Location": url_for("tasks.get_task", task_id=task.id)})


@bp.get("/tasks")
@api(query=TaskListQuery, returns=TaskPageOut, tags=TAGS, scope="tasks:read")
def list_tasks(query: TaskListQuery) -> dict[str, Any]:
    """List tasks, newest first."""
    page = services().tasks.page(query.where(), caller=identity(), limit=query.limit, offset=query.offset)
    return task_page_out(page, _written.each(page.items))


@bp.get("/tasks/<uuid:task_id>")
@api(returns=TaskOut, tags=TAGS, errors=(404,), scope="tasks:read")
def get_task(task_id: UUID) -> Answer:
    """Get a task, with its version as entity tag."""
    return tagged(services().tasks.get(str(task_id), caller=identity()))


@bp.get("/tasks/<uuid:task_id>/definitions/<uuid:definition_id>")
@api(returns=DefinitionOut, tags=TAGS, errors=(404,), scope="tasks:read")
def get_task_definition(task_id: UUID, definition_id: UUID) -> DefinitionOut:
    """Get what a task did before it was changed; the audit log names each by `definition_id`."""
    definition, latest = services().tasks.definition(str(task_id), str(definition_id), caller=identity())
    return definition_out(definition, latest=latest)


@bp.put("/tasks/<uuid:task_id>")
@api(
    body=TaskReplace,
    query=PreviewQuery,
    returns=TaskOut,
    preview=TaskPreviewOut,
    tags=TAGS,
    errors=(404, 409, 412),
    scope="tasks:update",
)
def replace_task(task_id: UUID, body: TaskReplace, query: PreviewQuery) -> Answer:
    """Replace a task.

    Members left out go back to their defaults, but for `status` and `created_by`, which stay. The read-only
    members of an answer may be sent back and are ignored. A new schedule counts from now.
    """
    return _changed(str(task_id), body, query, whole=True)


@bp.patch("/tasks/<uuid:task_id>")
@api(
    body=TaskPatch,
    query=PreviewQuery,
    returns=TaskOut,
    preview=TaskPreviewOut,
    tags=TAGS,
    errors=(404, 409, 412),
    scope="tasks:update",
)
def patch_task(task_id: UUID, body: TaskPatch, query: PreviewQuery) -> Answer:
    """Change some members of a task.

    `payload` is replaced as a whole. A new schedule counts from now; the past never fires.
    """
    return _changed(str(task_id), body, query, whole=False)


def _changed(task_id: str, body: TaskFields, query: PreviewQuery, *, whole: bool) -> Answer:
    tasks, fields, found = services().tasks, body.fields(), mistakes(body)
    if query.preview:
        return Answer(preview_out(tasks.preview_change(task_id, fields, caller=identity(), whole=whole, found=found)))
    change = tasks.replace if whole else tasks.patch
    return tagged(change(task_id, fields, caller=identity(), if_match=versions(), found=found))


@bp.get("/tasks/by-external-id/<path:external_id>")
@api(returns=TaskOut, tags=TAGS, errors=(404,), scope="tasks:read")
def get_task_by_external_id(external_id: str) -> Answer:
    """Get your task of that name."""
    return tagged(services().task_upserts.get(external_id, caller=identity()))


@bp.put("/tasks/by-external-id/<path:external_id>")
@api(
    body=TaskReplace,
    query=PreviewQuery,
    returns=TaskOut,
    preview=TaskPreviewOut,
    tags=TAGS,
    also=(201,),
    errors=(409, 412),
    scope="tasks:update",
)
def put_task_by_external_id(external_id: str, body: TaskReplace, query: PreviewQuery) -> Answer:
    """Make the task of that name, or replace it.

    `external_id` is your own name for a task, 200 characters at most. The answer is 201 where it was made.
    `If-None-Match: *` only makes, `If-Match` only replaces. To make one takes the scope `tasks:create` as well.
    """
    upserts = services().task_upserts
    only = Only(versions=versions(), none=request.if_none_match.star_tag)
    given: dict[str, Any] = {"caller": identity(), "only": only, "found": mistakes(body)}
    if len(external_id) > EXTERNAL_ID_LENGTH:
        raise InvalidInput.at("/external_id", t("'external_id' has more than 200 characters"))
    if query.preview:
        return Answer(preview_out(upserts.preview(external_id, body.fields(), **given)))
    task, made = upserts.put(external_id, body.fields(), **given)
    answer = tagged(task, {"Location": url_for("tasks.get_task", task_id=task.id)} if made else None)
    return replace(answer, status=201) if made else answer


@bp.delete("/tasks/<uuid:task_id>")
@api(query=PreviewQuery, preview=TaskPreviewOut, status=204, tags=TAGS, errors=(404, 412), scope="tasks:delete")
def delete_task(task_id: UUID, query: PreviewQuery) -> Answer | None:
    """Delete a task with its runs and occurrences."""
    if query.preview:
        return _look("delete", task_id)
    services().tasks.delete(str(task_id), caller=identity(), if_match=versions())
    return None


def _look(action: str, task_id: UUID) -> Answer:
    """What the action would make of the task."""
    looked = services().task_looks.after(action, str(task_id), caller=identity(), if_match=versions())
    return Answer(preview_out(looked), status=200)


@bp.post("/tasks/<uuid:task_id>/run_now")
@api(body=RunNowIn, returns=RunNowOut, status=202, tags=TAGS, errors=(404, 409, 422), scope="tasks:run")
def run_now(task_id: UUID, body: RunNowIn) -> dict[str, Any]:
    """Run a task now.

    Paused and completed tasks run too. `idempotency_key` makes asking twice give one run, whoever asks, for as long
    as the run is kept.
    """
    wish = RunRequest(params=body.params, key=body.idempotency_key)
    return run_now_out(*services().tasks.run_now(str(task_id), wish, caller=identity(), request_id=request_id()))


@bp.post("/tasks/<uuid:task_id>/snooze")
@api(
    body=SnoozeIn,
    query=PreviewQuery,
    returns=ActionOut,
    preview=TaskPreviewOut,
    tags=TAGS,
    errors=(404, 409, 412),
    scope="tasks:update",
)
def snooze_task(task_id: UUID, body: SnoozeIn, query: PreviewQuery) -> dict[str, Any] | Answer:
    """Skip the occurrences before a moment.

    Give `delay_seconds` or `until`, a week at most. Each skipped occurrence leaves a row that says so.
    """
    nap = Nap(delay_seconds=body.delay_seconds, until=body.until, reason=body.reason)
    if query.preview:
        looked = services().task_looks.snoozed(nap, str(task_id), caller=identity(), if_match=versions())
        return Answer(preview_out(looked))
    return action_out(services().tasks.snooze(str(task_id), nap, caller=identity(), if_match=versions()))


@bp.post("/tasks/<uuid:task_id>/pause")
@api(
    body=NoBody,
    query=PreviewQuery,
    returns=ActionOut,
    preview=TaskPreviewOut,
    tags=TAGS,
    errors=(404, 409, 412),
    scope="tasks:update",
)
def pause_task(task_id: UUID, body: NoBody, query: PreviewQuery) -> dict[str, Any] | Answer:
    """Pause a task until it is resumed."""
    if query.preview:
        return _look("pause", task_id)
    return action_out(services().tasks.pause(str(task_id), caller=identity(), if_match=versions()))


@bp.post("/tasks/<uuid:task_id>/resume")
@api(
    body=NoBody,
    query=PreviewQuery,
    returns=ActionOut,
    preview=TaskPreviewOut,
    tags=TAGS,
    errors=(404, 409, 412),
    scope="tasks:update",
)
def resume_task(task_id: UUID, body: NoBody, query: PreviewQuery) -> dict[str, Any] | Answer:
    """Take a paused or snoozed task up again.

    It goes on from now; what was due meanwhile does not fire.
    """
    if query.preview:
        return _look("resume", task_id)
    return action_out(services().tasks.resume(str(task_id), caller=identity(), if_match=versions()))


@bp.post("/tasks/<uuid:task_id>/cancel")
@api(
    body=NoBody,
    query=PreviewQuery,
    returns=ActionOut,
    preview=TaskPreviewOut,
    tags=TAGS,
    errors=(404, 412),
    scope="tasks:update",
)
def cancel_task(task_id: UUID, body: NoBody, query: PreviewQuery) -> dict[str, Any] | Answer:
    """End a task for good.

    Its queued and running runs go on; cancel them at `/runs/{run_id}/cancel`.
    """
    if query.preview:
        return _look("cancel", task_id)
    return action_out(services().tasks.cancel(str(task_id), caller=identity(), if_match=versions()))


@bp.get("/tasks/<uuid:task_id>/occurrences")
@api(query=PageQuery, returns=OccurrencePageOut, tags=TAGS, errors=(404,), scope="tasks:read")
def list_occurrences(task_id: UUID, query: PageQuery) -> dict[str, Any]:
    """List what became of a task's occurrences, newest first."""
    return record_page_out(
        services().tasks.occurrences(str(task_id), caller=identity(), limit=query.limit, offset=query.offset)
    )


@bp.get("/tasks/<uuid:task_id>/why")
@api(query=WhyQuery, returns=WhyOut, tags=TAGS, errors=(404,), scope="tasks:read")
def why(task_id: UUID, query: WhyQuery) -> dict[str, Any]:
    """Say why a task did or did not run at a moment."""
    return why_out(services().tasks.why(str(task_id), query.at, caller=identity()))


def tagged(task: Task, headers: dict[str, str] | None = None) -> Answer:
    """The task with its entity tag, `"<version>-<digest>"`.

    The digest is of what beat and workers change without a new version, and of the language, so that readers see
    that too.
    """
    moving = f"{task.status} {task.next_run_at} {task.next_due_at} {task.last_run_at} {task.drift} {language()}"
    digest = blake2b(moving.encode(), digest_size=4).hexdigest()
    return Answer(task_out(task), headers={"ETag": f'"{task.version}-{digest}"', **(headers or {})})


def mistakes(body: TaskFields) -> tuple[Problem, ...]:
    """What was wrong with the body, for the service to add to."""
    return () if body.invalid is None else invalid_input(body.invalid, type(body)).problems


def versions() -> frozenset[int] | None:
    """The versions that `If-Match` accepts; None without it or with `*`. Foreign tags match nothing."""
    if "If-Match" not in request.headers or request.if_match.star_tag:
        return None
    heads = (tag.partition("-")[0] for tag in request.if_match.as_set())
    return frozenset(int(head) for head in heads if head.isascii() and head.isdigit() and len(head) < 19)

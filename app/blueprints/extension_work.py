"""The worker side of extensions over HTTP: background tasks, and events that their handlers could not take."""

from __future__ import annotations

from flask import Blueprint

from app.domain.errors import NotFound
from app.domain.texts import t
from app.http.api import Answer, api
from app.http.errors import say
from app.http.extension_mount import mounts
from app.http.services import services
from app.schemas.extension_work import (
    BackgroundTasksOut,
    DeadLetterOut,
    RedeliveryOut,
    StopOut,
    background_task_out,
    dead_letter_out,
    redelivery_out,
    stop_out,
)
from app.schemas.fields import PageQuery
from app.schemas.paging import PageOut, page_out
from ordinaut.callers import ADMIN

bp = Blueprint("extension_work", __name__)
TAGS = ("extensions",)


@bp.get("/ext/<extension_id>/dead_letters")
@api(query=PageQuery, returns=PageOut[DeadLetterOut], tags=TAGS, errors=(404,), scope=ADMIN)
def list_dead_letters(extension_id: str, query: PageQuery) -> PageOut[DeadLetterOut]:
    """List events that an extension's handlers could not take, newest first."""
    _known(extension_id)
    page = services().extension_work.dead_letters(extension_id, limit=query.limit, offset=query.offset)
    return page_out(page, dead_letter_out)


@bp.post("/ext/<extension_id>/dead_letters/<dead_letter_id>/redeliver")
@api(returns=RedeliveryOut, status=202, tags=TAGS, errors=(404,), scope=ADMIN)
def redeliver_dead_letter(extension_id: str, dead_letter_id: str) -> Answer:
    """Deliver a dead letter once more.

    It is gone from the list once the handler has taken it; otherwise it stays, with the new error.
    """
    _known(extension_id)
    letter = services().extension_work.redeliver(extension_id, dead_letter_id)
    return Answer(redelivery_out(letter, say(t("The event will be delivered once more"))))


@bp.delete("/ext/<extension_id>/dead_letters/<dead_letter_id>")
@api(status=204, tags=TAGS, errors=(404,), scope=ADMIN)
def delete_dead_letter(extension_id: str, dead_letter_id: str) -> None:
    """Give up a dead letter for good."""
    _known(extension_id)
    services().extension_work.delete_dead_letter(extension_id, dead_letter_id)


@bp.get("/ext/<extension_id>/background_tasks")
@api(returns=BackgroundTasksOut, tags=TAGS, errors=(404,), scope=ADMIN)
def list_background_tasks(extension_id: str) -> BackgroundTasksOut:
    """List the background tasks of an extension as they stand in the cluster, by name."""
    _known(extension_id)
    found = services().extension_work.tasks(extension_id)
    return BackgroundTasksOut(items=[background_task_out(one) for one in found])


@bp.post("/ext/<extension_id>/background_tasks/<name>/stop")
@api(returns=StopOut, status=202, tags=TAGS, errors=(404,), scope=ADMIN)
def stop_background_task(extension_id: str, name: str) -> Answer:
    """Cancel a background task, which takes about a second; it begins again when the extension starts it again."""
    _known(extension_id)
    if not services().extension_work.stop_task(extension_id, name):
        raise NotFound(t("No background task of that name is at work"), extension_id=extension_id, name=name)
    return Answer(stop_out(extension_id, name, say(t("The background task is being stopped"))))


def _known(extension_id: str) -> None:
    if mounts().host.record(extension_id) is None:
        raise NotFound(t("Extension not found"), extension_id=extension_id)

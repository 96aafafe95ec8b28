"""Grants over HTTP."""

from __future__ import annotations

from uuid import UUID

from flask import Blueprint

from app.http.api import api
from app.http.identity import identity
from app.http.services import services
from app.schemas.grants import AcceptIn, GrantListQuery, GrantOut, RefuseIn, grant_out
from app.schemas.paging import PageOut, page_out

bp = Blueprint("grants", __name__)
TAGS = ("grants",)


@bp.get("/tasks/<uuid:task_id>/grant")
@api(returns=GrantOut, tags=TAGS, errors=(404,), scope="tasks:read")
def get_task_grant(task_id: UUID) -> GrantOut:
    """Get the grant that counts for a task: what its runs may do, and whether somebody has accepted it.

    404 for a task that needs none.
    """
    return grant_out(services().grants.of_task(str(task_id), caller=identity()))


@bp.get("/grants")
@api(query=GrantListQuery, returns=PageOut[GrantOut], tags=TAGS, scope="approvals:decide")
def list_grants(query: GrantListQuery) -> PageOut[GrantOut]:
    """List grants, newest first."""
    return page_out(services().grants.page(query.as_filter(), limit=query.limit, offset=query.offset), grant_out)


@bp.get("/grants/<uuid:grant_id>")
@api(returns=GrantOut, tags=TAGS, errors=(404,), scope="approvals:decide")
def get_grant(grant_id: UUID) -> GrantOut:
    """Get a grant."""
    return grant_out(services().grants.get(str(grant_id)))


@bp.post("/grants/<uuid:grant_id>/accept")
@api(body=AcceptIn, returns=GrantOut, tags=TAGS, errors=(404, 409), scope="approvals:decide")
def accept_grant(grant_id: UUID, body: AcceptIn) -> GrantOut:
    """Accept what a task is to do: from now on its runs may, and ask nobody.

    403 for whoever asks, unless they are admin; 409 for one that is accepted, or whose task was changed since.
    """
    return grant_out(services().grants.accept(str(grant_id), body.made(), caller=identity()))


@bp.post("/grants/<uuid:grant_id>/refuse")
@api(body=RefuseIn, returns=GrantOut, tags=TAGS, errors=(404, 409), scope="approvals:decide")
def refuse_grant(grant_id: UUID, body: RefuseIn) -> GrantOut:
    """Refuse what a task is to do, or take back what was accepted: no run of it starts any more."""
    return grant_out(services().grants.refuse(str(grant_id), body.comment, caller=identity()))

"""Approvals over HTTP."""

from __future__ import annotations

from flask import Blueprint

from app.domain.texts import t
from app.http.api import api
from app.http.identity import identity
from app.http.services import services
from app.schemas.approvals import ApprovalListQuery, ApprovalOut, DecidedOut, DecideIn, approval_out
from app.schemas.paging import PageOut, page_out

bp = Blueprint("approvals", __name__, url_prefix="/approvals")
TAGS = ("approvals",)


@bp.get("")
@api(query=ApprovalListQuery, returns=PageOut[ApprovalOut], tags=TAGS, scope="approvals:decide")
def list_approvals(query: ApprovalListQuery) -> PageOut[ApprovalOut]:
    """List approvals, newest first.

    Those that are for you, that runs of yours ask for, or all where you may see everybody's tasks.
    """
    page = services().approvals.page(query.as_filter(), caller=identity(), limit=query.limit, offset=query.offset)
    return page_out(page, approval_out)


@bp.get("/<approval_id>")
@api(returns=ApprovalOut, tags=TAGS, errors=(404,), scope="approvals:decide")
def get_approval(approval_id: str) -> ApprovalOut:
    """Get an approval."""
    return approval_out(services().approvals.get(approval_id, caller=identity()))


@bp.post("/<approval_id>/decide")
@api(body=DecideIn, returns=DecidedOut, tags=TAGS, errors=(404, 409, 410), scope="approvals:decide")
def decide_approval(approval_id: str, body: DecideIn) -> DecidedOut:
    """Decide, and let the run go on.

    The first decision counts, any other is a conflict; 410 when the time is up, 403 for those who are no approvers.
    """
    decided = services().approvals.decide(approval_id, body.made(), caller=identity())
    return DecidedOut(success=True, message=t("Decided"), approval=approval_out(decided))

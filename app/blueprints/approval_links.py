"""Links to approvals over HTTP: followed by a browser they show a page, and only its form decides."""

from __future__ import annotations

from collections.abc import Mapping

from flask import Blueprint, Response, request, url_for
from pydantic import ValidationError

from app.domain.approval_links import Linked
from app.domain.approvals import Approval
from app.domain.errors import InvalidInput, OrdinautError
from app.domain.texts import t
from app.http.api import api
from app.http.approval_pages import asking, filled, refused, told
from app.http.identity import identity
from app.http.plain_pages import wants_page
from app.http.sentences import invalid_input
from app.http.services import services
from app.schemas.approval_links import LinkDecideIn, LinkedOut, LinkIn, LinkOut, TokenQuery, linked_out
from app.schemas.approvals import DecidedOut, approval_out

bp = Blueprint("approval_links", __name__, url_prefix="/approvals")
TAGS = ("approvals",)


@bp.post("/<approval_id>/links")
@api(
    body=LinkIn,
    returns=LinkOut,
    status=201,
    tags=TAGS,
    errors=(404, 409, 410),
    scope="approvals:decide",
    repeats="secret",
)
def make_approval_link(approval_id: str, body: LinkIn) -> LinkOut:
    """Make a link that decides once in your name.

    Whoever has it can decide: send it to yourself. Opening it shows the approval and decides nothing.
    """
    token, link = services().approval_links.make(approval_id, body.wish(), caller=identity())
    address = url_for("approval_links.show_approval_link", token=token, _external=True)
    return LinkOut(url=address, expires_at=link.expires_at, option=link.option)


@bp.get("/link")
@api(query=TokenQuery, returns=LinkedOut, tags=TAGS, errors=(403, 404, 410), scope="public")
def show_approval_link(query: TokenQuery) -> LinkedOut | Response:
    """Look at an approval by its link.

    This never decides, whoever or whatever opens the link. Browsers get a page with a form.
    """
    if not wants_page():
        return linked_out(services().approval_links.look(query.token))
    try:
        return asking(services().approval_links.look(query.token))
    except OrdinautError as error:
        return refused(error)


@bp.post("/link")
@api(query=TokenQuery, body=LinkDecideIn, returns=DecidedOut, tags=TAGS, errors=(403, 404, 409, 410), scope="public")
def decide_approval_link(query: TokenQuery, body: LinkDecideIn) -> DecidedOut:
    """Decide by a link, once, in the name of whoever made it."""
    decided = services().approval_links.decide(query.token, body.decision, body.form, body.comment)
    return DecidedOut(success=True, message=t("Decided"), approval=approval_out(decided))


@bp.post("/link/form")
@api(media="text/html", tags=TAGS, errors=(403, 404, 409, 410), scope="public")
def decide_by_page() -> Response:
    """Decide with the form of a link's page.

    The fields are `token`, `decision`, `comment`, and the members of the approval's form as `form.<name>`.
    """
    given, token = request.form, request.form.get("token", "")
    try:
        linked = services().approval_links.look(token)
        try:
            return told(_decided(linked, token, given))
        except InvalidInput as error:
            return _said(asking(linked, error.problems), error)
    except OrdinautError as error:
        return _said(refused(error), error)


def _decided(linked: Linked, token: str, given: Mapping[str, str]) -> Approval:
    written = {name: given[name] for name in ("decision", "comment") if given.get(name)}
    try:
        wish = LinkDecideIn.model_validate(written)
    except ValidationError as error:
        raise invalid_input(error, LinkDecideIn) from None
    return services().approval_links.decide(token, wish.decision, filled(linked.approval, given), wish.comment)


def _said(page: Response, error: OrdinautError) -> Response:
    """The page for browsers; others get the error as everywhere."""
    if not wants_page():
        raise error
    return page

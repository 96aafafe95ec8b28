"""`/agents/auth`: tokens for agents, and tickets for streams."""

from __future__ import annotations

from flask import Blueprint

from app.domain.errors import Conflict, Forbidden
from app.domain.scopes import checked
from app.domain.texts import t
from app.http.api import Answer, api
from app.http.errors import say
from app.http.identity import auth_is_on, bearer, identity
from app.http.limits import count_login
from app.http.services import services
from app.http.tokens import ACCESS, PAGE_SECONDS, REFRESH, Tokens, issue, issue_for_page, read
from app.schemas.auth import (
    HeldSessionsOut,
    LoginIn,
    RefreshIn,
    RevokedOut,
    RevokeIn,
    SessionIn,
    SessionOut,
    TicketOut,
    TokensOut,
    held_session_out,
)
from app.services.agent_secrets import KEY_PREFIX
from app.services.auth import TICKET_SECONDS

bp = Blueprint("auth", __name__)
TAGS = ("auth",)


@bp.post("/agents/auth/token")
@api(body=LoginIn, returns=TokensOut, tags=TAGS, errors=(401, 409), scope="public")
def create_token(body: LoginIn) -> Answer:
    """Log in.

    The access token goes into the header `Authorization: Bearer …`; the refresh token buys the next pair. This
    address has a limit of its own.
    """
    _take_tokens_only_where_they_count()
    count_login(body.agent_id)
    wanted = None if body.scopes is None else sorted(checked(body.scopes))
    granted = services().auth.login(body.agent_id, body.agent_secret, scopes=wanted)
    return _answer(issue(granted))


@bp.post("/agents/auth/session")
@api(body=SessionIn, returns=SessionOut, status=201, tags=TAGS, errors=(401, 409), scope="public", repeats="never")
def create_session(body: SessionIn) -> Answer:
    """Sign in to a page.

    The token belongs into the cookie `ordinaut_session`, which counts for addresses below `/ext/` alone and is set by
    the page that asks; it is good for twelve hours, or until the session is revoked. Without `agent_id` the secret
    is an API key, and is itself the token. This address has the limit of logins.
    """
    _take_tokens_only_where_they_count()
    count_login(body.agent_id)
    if body.agent_id is None:
        caller = services().auth.key_caller(body.secret)
        return _session(body.secret, PAGE_SECONDS, sorted(caller.scopes))
    tokens = issue_for_page(services().auth.login(body.agent_id, body.secret, scopes=None))
    return _session(tokens.access, tokens.expires_in, tokens.scopes)


@bp.post("/agents/auth/refresh")
@api(body=RefreshIn, returns=TokensOut, tags=TAGS, errors=(401, 409), scope="public")
def refresh_token(body: RefreshIn) -> Answer:
    """Get a new pair of tokens.

    The refresh token is used up. Showing a used one again ends the whole session: somebody else has it.
    """
    _take_tokens_only_where_they_count()
    count_login(None)
    claims = read(body.refresh_token, REFRESH)
    granted = services().auth.refresh(claims)
    return _answer(issue(granted))


@bp.post("/agents/auth/revoke")
@api(body=RevokeIn, returns=RevokedOut, tags=TAGS, errors=(401, 409), scope="signed_in", repeats="never")
def revoke_token(body: RevokeIn) -> RevokedOut:
    """Log out.

    The token counts no more, and neither do the others of its session, in any process within 5 s.
    """
    _take_tokens_only_where_they_count()
    shown = body.token or bearer() or ""
    if shown.startswith(KEY_PREFIX):
        raise Conflict(t("API keys are revoked at /agents/<agent_id>/keys/<key_id>"))
    claims = read(shown, ACCESS, REFRESH)
    if claims.agent_id != identity().agent_id and not identity().may("admin"):
        raise Forbidden(t("This token is another agent's"))
    services().auth.revoke(claims)
    return RevokedOut(success=True, message=say(t("Token revoked")))


@bp.get("/agents/<agent_id>/sessions")
@api(returns=HeldSessionsOut, tags=TAGS, errors=(404,), scope="signed_in")
def list_sessions(agent_id: str) -> HeldSessionsOut:
    """List an agent's sessions that still count, newest first, those of programs with their names.

    One's own take no scope, another agent's take `agents:read`.
    """
    found = services().auth.sessions(agent_id, caller=identity())
    return HeldSessionsOut(items=[held_session_out(session, program) for session, program in found])


@bp.delete("/agents/<agent_id>/sessions/<session_id>")
@api(status=204, tags=TAGS, errors=(404,), scope="signed_in")
def end_session(agent_id: str, session_id: str) -> None:
    """End a session: its tokens count no more, in any process within 5 s.

    One's own take no scope, another agent's take `agents:update`.
    """
    services().auth.end(agent_id, session_id, caller=identity())


@bp.post("/stream-ticket")
@api(returns=TicketOut, status=201, tags=TAGS, errors=(401,), scope="signed_in", repeats="never")
def create_stream_ticket() -> Answer:
    """Get a ticket for one stream.

    Browsers cannot send headers with an `EventSource` or a WebSocket: open the address with `?ticket=…` within
    30 s. A ticket opens one stream, once.
    """
    ticket = services().auth.ticket(identity())
    return Answer(TicketOut(ticket=ticket, expires_in=TICKET_SECONDS))


def _take_tokens_only_where_they_count() -> None:
    if not auth_is_on():
        raise Conflict(t("There are no tokens here: ORDINAUT_AUTH is off"))


def _session(token: str, seconds: int, scopes: list[str]) -> Answer:
    shown = SessionOut(token=token, expires_in=seconds, scopes=scopes)
    return Answer(shown, status=201, headers={"Cache-Control": "no-store"})


def _answer(tokens: Tokens) -> Answer:
    shown = TokensOut(
        access_token=tokens.access,
        refresh_token=tokens.refresh,
        token_type="Bearer",  # noqa: S106 - the word of RFC 6750
        expires_in=tokens.expires_in,
        scopes=tokens.scopes,
    )
    return Answer(shown, headers={"Cache-Control": "no-store"})

"""OAuth 2.1: what assistants find, ask people for, and get (RFC 6749, 7009, 7591, 7636, 8414, 8707, 9207, 9728)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache, partial
from importlib import import_module
from typing import Any

from flask import Blueprint, Response, request

from app.domain.errors import InvalidInput, NotFound, OrdinautError, Unauthorized
from app.domain.json_limits import check_json
from app.domain.texts import t
from app.http.api import Answer, RawBody, api
from app.http.json import dump
from app.http.limits import count_login
from app.http.oauth import METADATA, RESOURCES, require_offered, resource_metadata, server_metadata
from app.http.oauth_pages import asking, begin, forget, is_ours, refused, remember, signed_in, signing_in
from app.http.plain_pages import wants_page
from app.http.services import services
from app.schemas.oauth import AuthorizeQuery, ResourceOut, ServerOut

bp = Blueprint("oauth", __name__)
TAGS = ("oauth",)
_FORM = RawBody(description="A form, `application/x-www-form-urlencoded`, as RFC 6749 names its members")
_OPEN: Mapping[str, str] = {"Access-Control-Allow-Origin": "*", "Cross-Origin-Resource-Policy": "cross-origin"}
"""These documents say the same to everybody, pages of other sites included."""


@lru_cache(maxsize=1)
def _protocol() -> Any:
    # Here, and not above: a process that no assistant asks for rights has no use for it.
    module = import_module("app.http.authorization_server")
    return module, module.Server()


@bp.get(METADATA)
@api(returns=ResourceOut, tags=TAGS, errors=(404,), scope="public")
def describe_resource() -> Answer:
    """Find out who gives rights to the endpoint of assistants (RFC 9728)."""
    return _resource(RESOURCES[0])


@bp.get(f"{METADATA}/<path:path>")
@api(returns=ResourceOut, tags=TAGS, errors=(404,), scope="public")
def describe_resource_at(path: str) -> Answer:
    """Find out who gives rights to the endpoint at this address (RFC 9728, section 3.1)."""
    return _resource(f"/{path}")


@bp.get("/.well-known/oauth-authorization-server")
@api(returns=ServerOut, tags=TAGS, errors=(404,), scope="public")
def describe_server() -> Answer:
    """Find out how rights are asked for (RFC 8414)."""
    require_offered()
    return Answer(server_metadata(), headers=_OPEN)


@bp.get("/authorize")
@api(query=AuthorizeQuery, media="text/html", tags=TAGS, errors=(401, 404), also=(302,), scope="public")
def ask_for_rights(query: AuthorizeQuery) -> Response:
    """Ask a person for rights.

    A program sends the browser here. Somebody signs in, sees who asks for what, and decides; then the browser goes
    back with a code, or with an error.
    """
    return _asked(_page)


@bp.post("/authorize")
@api(query=AuthorizeQuery, media="text/html", tags=TAGS, errors=(401, 404), also=(302,), scope="public")
def decide_on_rights(query: AuthorizeQuery) -> Response:
    """Decide with the form of that page."""
    return _asked(_decided)


@bp.post("/authorize/sign-in")
@api(query=AuthorizeQuery, media="text/html", tags=TAGS, errors=(401, 404), also=(302,), scope="public")
def sign_in_to_decide(query: AuthorizeQuery) -> Response:
    """Sign in with the form of that page.

    The fields are `agent` and `secret`. This address has the limit of logins.
    """
    return _asked(_signed)


@bp.post("/token")
@api(raw=_FORM, tags=TAGS, errors=(401, 404), scope="public", repeats="never")
def exchange_for_tokens() -> Response:
    """Get tokens for a code, a refresh token, or an agent's secret.

    `grant_type` is `authorization_code`, `refresh_token` or `client_credentials`. The tokens are good for the
    endpoint of assistants alone. What is refused counts against the limit of logins.
    """
    require_offered()
    server = _protocol()[1]
    return _kept_by_nobody(server.answered(server.create_token_response))


@bp.post("/register")
@api(raw=RawBody(description="A program's metadata in JSON, as RFC 7591 names it"), tags=TAGS, status=201,
     errors=(404, 409), scope="public", repeats="never")  # fmt: skip
def register_program() -> Response:
    """Register a program (RFC 7591).

    Nothing is given by that: a person has to agree. This address has the limit of logins.
    """
    require_offered()
    count_login(None)
    try:
        metadata = _metadata()
        client, secret = services().oauth.register(metadata)
    except OrdinautError as error:
        body, status = _protocol()[0].metadata_error(error)
        return _kept_by_nobody(Response(dump(body), status, mimetype="application/json"))
    told = {
        "client_id": client.id,
        "client_id_issued_at": int(client.created_at.timestamp()),
        "client_name": client.name,
        "redirect_uris": list(client.redirect_uris),
        "grant_types": list(client.grant_types),
        "response_types": ["code"],
        "token_endpoint_auth_method": client.auth_method,
        **({"scope": metadata["scope"]} if isinstance(metadata.get("scope"), str) else {}),
        **({"client_secret": secret, "client_secret_expires_at": 0} if secret else {}),
    }
    return _kept_by_nobody(Response(dump(told), 201, mimetype="application/json"))


@bp.post("/revoke")
@api(raw=_FORM, tags=TAGS, errors=(401, 404), scope="public", repeats="never")
def revoke_program_token() -> Response:
    """Take a program's token back (RFC 7009): its whole session ends."""
    require_offered()
    server = _protocol()[1]
    return _kept_by_nobody(server.answered(partial(server.create_endpoint_response, "revocation")))


def _resource(path: str) -> Answer:
    require_offered()
    if path not in RESOURCES:
        raise NotFound(t("There is no such resource"), path=path)
    return Answer(resource_metadata(path), headers=_OPEN)


def _metadata() -> Mapping[str, Any]:
    check_json(request.get_data())
    metadata = request.get_json()
    if not isinstance(metadata, dict):
        raise InvalidInput.at("", t("The body must be a JSON object"))
    return metadata


def _asked(go_on: Any) -> Response:
    """Let `go_on` answer a request that is in order; what is not goes back to the program, or to the reader."""
    require_offered()
    module, server = _protocol()
    try:
        return _kept_by_nobody(go_on(server, server.get_consent_grant()))
    except module.OAuth2Error as error:
        # Anybody may register any address: a browser is sent there only once somebody has signed in (RFC 9700, 4.11.2).
        if not wants_page() or (error.redirect_uri and signed_in() is not None):
            return _kept_by_nobody(server.handle_error_response(None, error))
        back = server.handle_error_response(None, error).headers.get("Location", "")
        return _kept_by_nobody(refused(error.description or error.error, 400, back))


def _page(server: Any, grant: Any) -> Response:
    caller = signed_in()
    if caller is None:
        return signing_in(grant.client.found)
    return asking(grant.client.found, caller, grant.request.scope.split(), grant.redirect_uri)


def _signed(server: Any, grant: Any) -> Response:
    agent, secret = request.form.get("agent", "").strip(), request.form.get("secret", "")
    count_login(agent)
    try:
        token = begin(agent.replace("\x00", ""), secret)
    except Unauthorized:
        return signing_in(grant.client.found, t("The agent or its secret is wrong"))
    back = f"{request.script_root}/authorize?{request.query_string.decode('latin-1')}"
    return remember(Response(status=303, headers={"Location": back}), token)


def _decided(server: Any, grant: Any) -> Response:
    caller = signed_in()
    if caller is None or not is_ours(request.form.get("proof", "")):
        return signing_in(grant.client.found, t("Sign in again, please"))
    decision = request.form.get("decision")
    if decision == "other":
        return forget(signing_in(grant.client.found))
    granted = frozenset(request.form.getlist("granted"))
    given = [scope for scope in grant.request.scope.split() if scope in granted and caller.may(scope)]
    agreed = None
    if decision == "allow" and given:
        agreed = _protocol()[0].Agreed(caller, frozenset(given))
    answer: Response = server.create_authorization_response(grant.request, grant_user=agreed, grant=grant)
    return answer


def _kept_by_nobody(response: Response) -> Response:
    """RFC 6749, section 5.1: neither browsers nor proxies keep what has tokens in it."""
    response.headers["Cache-Control"] = "no-store"
    return response

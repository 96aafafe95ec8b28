"""Who is asking, and whether they may: from a token, an API key, a ticket, or what a trusted proxy says."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Any, Protocol, cast

from flask import Flask, current_app, g, has_request_context, request

from app.domain.access import LOCAL as LOCAL_CALLER
from app.domain.access import NOBODY, limited
from app.domain.errors import Forbidden, OrdinautError, Unauthorized
from app.domain.scopes import OF_EXTENSION, PUBLIC, SIGNED_IN, claimed, routes_of
from config.access import PUBLIC_ROUTES
from ordinaut import Caller

LOCAL = LOCAL_CALLER.agent_id
"""The one caller there is while `ORDINAUT_AUTH=off`."""
SCOPES_HEADER = "X-Scopes"
SESSION = "ordinaut_session"
"""The cookie of somebody who has signed in to a page of an extension."""
TICKET = "ticket"
"""The query parameter that opens a stream in place of a header, which browsers cannot send there."""
LOOK_SECONDS = 4.0
"""How often a long stream looks whether its caller may still be there."""
_KEY = "ordinaut.access"
INNER = "ordinaut.inner"
"""In the environment of a request that this process sends to itself: its caller, who has been asked before."""

Network = IPv4Network | IPv6Network


class Bearers(Protocol):
    """Turns what a client shows into a caller; `app.http.tokens`."""

    def caller(self, bearer: str, addresses: Sequence[str] = ()) -> Caller:
        """Of an access token or an API key; Unauthorized for anything else.

        Args:
            addresses: Where it is shown, for tokens that are good for one address alone.
        """

    def agent(self, agent_id: str) -> Caller:
        """The agent as it is today; without scopes when it is gone or disabled."""

    def ticket_caller(self, ticket: str) -> Caller:
        """Of a one-time ticket, which is used up; Unauthorized for anything else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessRules:
    """How callers are told apart.

    Attributes:
        bearers: What reads tokens; None while `ORDINAUT_AUTH=off`.
        require_scopes: Whether an extension's routes take `ext:<id>:routes`.
        trusted: TCP peers whose `X-Scopes` is believed while there are no tokens.
        protected: Those of `PUBLIC_ROUTES` that ask who is calling after all.
        resources: Addresses that tokens of programs (OAuth) are good for: one resource under all its names.
    """

    bearers: Bearers | None = None
    require_scopes: bool = False
    trusted: tuple[Network, ...] = ()
    protected: frozenset[str] = frozenset()
    resources: tuple[str, ...] = ()


def configure_identity(app: Flask, rules: AccessRules) -> None:
    """Tell callers apart by these rules."""
    app.extensions[_KEY] = rules


def identity() -> Caller:
    """Who sent the current request, with their scopes; `local` with every scope outside of one.

    Raises:
        Unauthorized: What they have shown is not good, or has run out.
    """
    if not has_request_context():
        return LOCAL_CALLER
    found = _found()
    if isinstance(found, OrdinautError):
        raise found
    return found


def caller() -> str:
    """Id of the agent that sent the current request."""
    return identity().agent_id


def known_caller() -> Caller | None:
    """The caller for those that only count and log: None where nobody has shown who they are. Never raises."""
    found = _found() if has_request_context() else LOCAL_CALLER
    return None if isinstance(found, OrdinautError) or found is NOBODY else found


def require(scope: str) -> Caller:
    """The caller, who holds `scope`, or fits the words that stand for more than one: see `app.domain.scopes`.

    Raises:
        Unauthorized: 401, with `details.required_scopes`.
        Forbidden: 403, with `details.required_scopes` and `details.granted_scopes`.
    """
    if scope == PUBLIC:
        if not _protected(request.path):
            return known_caller() or NOBODY
        scope = SIGNED_IN
    if scope == OF_EXTENSION:
        return require_extension_scope((request.view_args or {})["extension_id"])
    required = [] if scope == SIGNED_IN else [scope]
    one = _signed_in(required)
    if required and not one.may(scope):
        raise Forbidden(required_scopes=required, granted_scopes=sorted(one.scopes))
    return one


def require_extension_scope(extension_id: str) -> Caller:
    """Call this before a view of an extension: the caller, who may use its routes.

    With `ORDINAUT_REQUIRE_SCOPES` that takes `ext:<id>:routes`, else what the core API takes. Routes that are
    public by the founding document stay so unless they are protected.

    Raises:
        Unauthorized, Forbidden: as `require` does.
    """
    if is_public(request.path):
        return known_caller() or NOBODY
    rules = _rules()
    scope = routes_of(extension_id)
    if not rules.require_scopes:
        return _signed_in([scope])
    if rules.bearers is None and not is_inner() and not identity_is_claimed():
        raise Unauthorized(required_scopes=[scope])
    return require(scope)


def identity_is_claimed() -> bool:
    """Whether a trusted peer says in `X-Scopes` what the caller holds; only while there are no tokens."""
    return bool(_claims(_rules()))


def is_public(path: str) -> bool:
    """Whether anybody may see this address of `PUBLIC_ROUTES`; an extension's own addresses are named whole."""
    return any(_is_at(path, route) and route not in _rules().protected for route in PUBLIC_ROUTES)


def auth_is_on() -> bool:
    """Whether there are tokens at all."""
    return _rules().bearers is not None


def bearer() -> str | None:
    """What stands behind `Authorization: Bearer`, else in a page's session.

    Empty for another scheme, None for nothing.
    """
    header = request.headers.get("Authorization")
    if header is None:
        return session_token()
    scheme, _, value = header.partition(" ")
    # Another scheme is not "no token": it is one that cannot be read.
    return value.strip() if scheme.lower() == "bearer" else ""


def session_token() -> str | None:
    """What the cookie of a page's session holds; it counts for extensions' addresses alone, never for the API.

    So no page of another site can make a browser use the API. Writes are refused unless they say where they come
    from, see `app.http.reading`.
    """
    return request.cookies.get(SESSION) if request.path.startswith("/ext/") else None


def still_valid() -> Callable[[], bool]:
    """A question for long streams to ask: may the caller of this request still be here?

    They may not once they have lost a scope that they came with. It may be asked as often as one likes, also after
    the request is over; every few seconds it looks.
    """
    bearers, shown, here = _rules().bearers, bearer(), resources()
    one = known_caller()
    if bearers is None or one is None:
        return lambda: True
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]

    def look() -> bool:
        try:
            with app.app_context():
                now = bearers.caller(shown, here) if shown is not None else bearers.agent(one.agent_id)
            return bool(now.scopes) and all(map(now.may, one.scopes))
        except Unauthorized:
            return False
        except OrdinautError:
            return True  # the database is away: nobody has lost anything yet

    return _seldom(look)


def resources() -> tuple[str, ...]:
    """The names under which the current address is one that programs are let use (RFC 8707); none elsewhere."""
    served = _rules().resources
    if not any(request.path == one or request.path.startswith(f"{one}/") for one in served):
        return ()
    return tuple(origin() + one for one in served)


def origin() -> str:
    """Scheme and host under which this installation was called, and where it is mounted; no slash at the end."""
    return request.url_root.rstrip("/")


def _seldom(look: Callable[[], bool]) -> Callable[[], bool]:
    answer, fresh_until = True, time.monotonic() + LOOK_SECONDS

    def ask() -> bool:
        nonlocal answer, fresh_until
        if answer and time.monotonic() >= fresh_until:
            answer, fresh_until = look(), time.monotonic() + LOOK_SECONDS
        return answer

    return ask


def is_inner() -> bool:
    """Whether the current request is one that this process sends to itself."""
    return INNER in request.environ


def takes_ticket() -> bool:
    """Whether the current request may carry `?ticket=`: reads that a browser opens by address alone."""
    if request.method != "GET" or TICKET not in request.args:
        return False
    view = current_app.view_functions.get(request.endpoint or "")
    declared: Any = getattr(view, "__api__", None)
    return declared is None or declared.media == "text/event-stream"


def _rules() -> AccessRules:
    return cast(AccessRules, current_app.extensions.get(_KEY) or AccessRules())


def _found() -> Caller | OrdinautError:
    """Looked up once a request; a refusal is kept, since limits and logs ask before the view does."""
    if INNER in request.environ:
        return cast(Caller, request.environ[INNER])
    if "identity" not in g:
        try:
            g.identity = _looked_up(_rules())
        except OrdinautError as error:
            g.identity = error
    return cast(Caller | OrdinautError, g.identity)


def _looked_up(rules: AccessRules) -> Caller:
    if rules.bearers is None:
        claims = _claims(rules)
        return LOCAL_CALLER if claims is None else Caller(LOCAL, claims, narrowed=True)
    shown = bearer()
    if shown is not None:
        return _narrowed(rules.bearers.caller(shown, resources()), rules)
    if takes_ticket():
        return _narrowed(rules.bearers.ticket_caller(request.args[TICKET]), rules)
    return NOBODY


def _narrowed(one: Caller, rules: AccessRules) -> Caller:
    named = claimed(request.headers.get(SCOPES_HEADER)) if rules.require_scopes else None
    return limited(one, named)


def _claims(rules: AccessRules) -> frozenset[str] | None:
    """Only the machine at the other end of the connection is asked about, whatever it says of those behind it."""
    if not rules.require_scopes or rules.bearers is not None:
        return None
    before = request.environ.get("werkzeug.proxy_fix.orig") or {}
    peer = before.get("REMOTE_ADDR") or request.environ.get("REMOTE_ADDR", "")
    return claimed(request.headers.get(SCOPES_HEADER)) if _trusted(peer, rules.trusted) else None


def _trusted(peer: str, networks: Iterable[Network]) -> bool:
    try:
        address = ip_address(peer)
    except ValueError:
        return False
    return any(address in network for network in networks)


def _signed_in(required: list[str]) -> Caller:
    found = _found()
    if isinstance(found, Unauthorized):
        raise Unauthorized(required_scopes=required) from found
    if isinstance(found, OrdinautError):
        raise found
    if found is NOBODY:
        raise Unauthorized(required_scopes=required)
    return found


def _protected(path: str) -> bool:
    """Whether a route that is declared public is one that the operator has closed."""
    return any(_is_at(path, route) for route in _rules().protected)


def _is_at(path: str, route: str) -> bool:
    if route == "/docs":
        return path in {"/", "/openapi.json", "/schemas/extension.json"} or path.startswith(("/docs", "/problems/"))
    if route == "/ext/webui/":
        return path in {"/ext/webui", "/ext/webui/", "/ext/webui/session"} or path.startswith("/ext/webui/static/")
    return path == route or (route == "/health" and path.startswith("/health/"))

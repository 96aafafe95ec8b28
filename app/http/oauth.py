"""OAuth 2.1 at the edge: which address programs may be let use, and how a client that is refused finds its way.

The protocol itself stands in `app.http.authorization_server`, which is loaded when somebody first asks for it.
"""

from __future__ import annotations

from typing import Any

from flask import Flask, Response, current_app, request

from app.domain.errors import NotFound
from app.domain.oauth import ASKED_FIRST, AUTH_METHODS, OFFERED
from app.domain.texts import t
from app.http.identity import origin

RESOURCES = ("/ext/mcp_http/mcp", "/mcp")
"""The one resource there is, the endpoint of assistants, under both its names."""
ALIAS = "ordinaut.alias"
"""In the environment of a request: the short address that it was sent to."""
METADATA = "/.well-known/oauth-protected-resource"
_KEY = "ordinaut.oauth"


def configure_oauth(app: Flask, *, offered: bool, needs: tuple[str, ...] = ()) -> None:
    """Offer OAuth, or say of its addresses that there is nothing.

    Args:
        needs: Scopes without which nothing can be done at the resource.
    """
    app.extensions[_KEY] = needs if offered else None
    if offered:
        app.after_request(_show_the_way)


def require_offered() -> None:
    """NotFound where there is no OAuth: clients then know to do without."""
    if current_app.extensions[_KEY] is None:
        raise NotFound(t("There is no OAuth here: ORDINAUT_AUTH or ORDINAUT_OAUTH is off"))


def needed() -> frozenset[str]:
    """Scopes without which nothing can be done at the resource."""
    return frozenset(current_app.extensions[_KEY] or ())


def resource_metadata(path: str) -> dict[str, Any]:
    """What RFC 9728 has a resource tell of itself; `path` is one of its names."""
    return {
        "resource": origin() + path,
        "resource_name": "Ordinaut",
        "authorization_servers": [origin()],
        "scopes_supported": sorted(ASKED_FIRST | needed()),
        "bearer_methods_supported": ["header"],
        "resource_documentation": f"{origin()}/docs",
    }


def server_metadata() -> dict[str, Any]:
    """What RFC 8414 has an authorization server tell of itself."""
    here = origin()
    return {
        "issuer": here,
        "authorization_endpoint": f"{here}/authorize",
        "token_endpoint": f"{here}/token",
        "registration_endpoint": f"{here}/register",
        "revocation_endpoint": f"{here}/revoke",
        "scopes_supported": sorted({*OFFERED, *needed()}),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials"],
        "token_endpoint_auth_methods_supported": list(AUTH_METHODS),
        "revocation_endpoint_auth_methods_supported": list(AUTH_METHODS),
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": True,
        "client_id_metadata_document_supported": True,
        "protected_resources": [here + path for path in RESOURCES],
        "service_documentation": f"{here}/docs",
    }


def _show_the_way(response: Response) -> Response:
    """Where a challenge stands at the resource, add where its metadata is (RFC 9728, section 5.1)."""
    if response.status_code in (401, 403) and request.path in RESOURCES:
        name = request.environ.get(ALIAS, request.path)
        challenge = response.headers.get("WWW-Authenticate")
        if challenge is not None:
            found = f'resource_metadata="{origin()}{METADATA}{name}"'
            response.headers["WWW-Authenticate"] = f"{challenge}, {found}"
    return response

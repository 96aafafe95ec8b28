"""The authorization server: Authlib's, over the services of this installation.

RFC 6749 as OAuth 2.1 narrows it: codes with PKCE S256 (RFC 7636), refresh tokens that are used up, credentials of
agents; RFC 8707 for the address that tokens are for, RFC 9207 for who answers, RFC 7009 for taking back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import InvalidClientError, InvalidGrantError, InvalidRequestError, InvalidScopeError
from authlib.oauth2.rfc6749.grants import AuthorizationCodeGrant, BaseGrant, RefreshTokenGrant, TokenEndpointMixin
from authlib.oauth2.rfc6749.util import extract_basic_authorization
from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oauth2.rfc9207 import IssuerParameter
from flask import Response, request

from app.domain.access import Session
from app.domain.errors import Forbidden, InvalidInput, OrdinautError, Unauthorized
from app.domain.oauth import ASKED_FIRST, AUTH_METHODS, OAuthClient, OAuthCode, offered
from app.http.errors import say
from app.http.identity import origin
from app.http.json import dump
from app.http.limits import count_login
from app.http.oauth import RESOURCES, needed
from app.http.request_id import request_id
from app.http.services import services
from app.http.tokens import ACCESS, REFRESH, access_lifetime, issue_for_program, read
from app.services.auth import Granted, TokenClaims
from app.services.oauth import Wish
from ordinaut import Caller


class InvalidTargetError(OAuth2Error):  # type: ignore[misc] # Authlib has no types
    """The resource asked for is not served here (RFC 8707, section 2)."""

    error = "invalid_target"
    description = "The resource asked for is not one of this server"


@dataclass(frozen=True, slots=True)
class Client:
    """A program as Authlib asks for it: `authlib.oauth2.rfc6749.ClientMixin`."""

    found: OAuthClient

    @property
    def client_id(self) -> str:
        """Its id."""
        return self.found.id

    def get_client_id(self) -> str:
        """Its id."""
        return self.found.id

    def get_default_redirect_uri(self) -> str | None:
        """Where to go when the request does not say: only where there is no choice."""
        return self.found.redirect_uris[0] if len(self.found.redirect_uris) == 1 else None

    def get_allowed_scope(self, scope: str | None) -> str | None:
        """What of it may be given at all; everything an assistant does every day where nothing is asked for.

        Not what it registered with: clients register with what a first challenge names, and need more later.
        """
        asked = scope.split() if scope else ASKED_FIRST | needed()
        return " ".join(offered(sorted(asked))) or None

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        """Whether browsers may be sent there."""
        return self.found.takes(redirect_uri)

    def check_client_secret(self, client_secret: str) -> bool:
        """Whether that is its secret."""
        return self.found.knows(client_secret)

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        """Whether it shows who it is in this way."""
        if method == "none":
            return self.found.auth_method == "none"
        return self.found.secret_hash is not None

    def check_response_type(self, response_type: str) -> bool:
        """Codes are all there is."""
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        """Whether it said that it would."""
        return grant_type in self.found.grant_types


@dataclass(frozen=True, slots=True)
class Credential:
    """A token of a program as Authlib asks for it: `authlib.oauth2.rfc6749.TokenMixin`."""

    claims: TokenClaims
    session: Session

    def check_client(self, client: Client) -> bool:
        """Whether it is that program's."""
        return self.session.client_id == client.client_id

    def get_scope(self) -> str:
        """All that its session holds."""
        return " ".join(self.session.scopes or ())


class CodeGrant(AuthorizationCodeGrant):  # type: ignore[misc]
    """A code for what somebody has agreed to, and tokens for the code."""

    TOKEN_ENDPOINT_AUTH_METHODS = AUTH_METHODS

    def generate_authorization_code(self) -> str:
        """The code is made where it is kept."""
        agreed: Agreed = self.request.user
        data = self.request.payload.data
        wish = Wish(
            client=self.request.client.found,
            redirect_uri=self.request.payload.redirect_uri or self.request.client.get_default_redirect_uri(),
            scopes=[scope for scope in self.request.scope.split() if scope in agreed.scopes],
            audience=resource_of(self.request),
            challenge=data["code_challenge"],
        )
        return services().oauth.allow(wish, agreed.caller)

    def save_authorization_code(self, code: str, _request: Any) -> None:
        """It has been."""

    def query_authorization_code(self, code: str, client: Client) -> Code | None:
        """What it stands for; None for one that counts no more."""
        found = services().oauth.code(code, client.found)
        return None if found is None else Code(found, self.request.payload.redirect_uri)

    def delete_authorization_code(self, authorization_code: Code) -> None:
        """It is marked when it is redeemed, and shows whether it is shown again."""

    def authenticate_user(self, authorization_code: Code) -> Granted | None:
        """The session that it buys."""
        resource_of(self.request)
        try:
            return services().oauth.redeem(authorization_code.found)
        except Unauthorized:
            raise InvalidGrantError from None


@dataclass(frozen=True, slots=True)
class Code:
    """A code as Authlib asks for it: `authlib.oauth2.rfc6749.AuthorizationCodeMixin`, with its challenge.

    Attributes:
        sent: The redirect_uri of the request for tokens. OAuth 2.1 has none there, since PKCE binds the code; where it
            is sent it has to be the right one.
    """

    found: OAuthCode
    sent: str | None
    code_challenge_method = "S256"

    @property
    def code_challenge(self) -> str:
        """Of PKCE."""
        return self.found.challenge

    def get_redirect_uri(self) -> str:
        """Where the browser was sent."""
        return self.found.redirect_uri if self.sent else ""

    def get_scope(self) -> str:
        """What was agreed to."""
        return " ".join(self.found.scopes)


@dataclass(frozen=True, slots=True)
class Agreed:
    """Somebody who has agreed, and to what."""

    caller: Caller
    scopes: frozenset[str]


class Challenge(CodeChallenge):  # type: ignore[misc]
    """PKCE as OAuth 2.1 wants it: always, and with S256 alone."""

    SUPPORTED_CODE_CHALLENGE_METHOD = ("S256",)

    def validate_code_challenge(self, grant: Any, redirect_uri: str) -> None:
        """Before anybody is asked."""
        data = grant.request.payload.data
        if not data.get("code_challenge"):
            raise InvalidRequestError("Missing 'code_challenge'")
        if data.get("code_challenge_method") != "S256":
            raise InvalidRequestError("Unsupported 'code_challenge_method'")
        super().validate_code_challenge(grant, redirect_uri)
        resource_of(grant.request)


class RefreshGrant(RefreshTokenGrant):  # type: ignore[misc]
    """Another pair of tokens; the refresh token is used up."""

    TOKEN_ENDPOINT_AUTH_METHODS = AUTH_METHODS
    INCLUDE_NEW_REFRESH_TOKEN = True

    def authenticate_refresh_token(self, refresh_token: str) -> Credential | None:
        """The session that it is of; None where it counts no more."""
        return _credential(refresh_token, REFRESH)

    def authenticate_user(self, refresh_token: Credential) -> Granted:
        """The session, with the next refresh token."""
        resource_of(self.request)
        try:
            granted = services().auth.refresh(refresh_token.claims)
        except Unauthorized:
            raise InvalidGrantError from None
        services().oauth.used(self.request.client.client_id)
        return granted

    def revoke_old_credential(self, refresh_token: Credential) -> None:
        """It was used up with the last step."""


class AgentGrant(BaseGrant, TokenEndpointMixin):  # type: ignore[misc]
    """`client_credentials` (RFC 6749, section 4.4): an agent's id and secret are a program's."""

    GRANT_TYPE = "client_credentials"

    def validate_token_request(self) -> None:
        """Log the agent in."""
        agent, secret = extract_basic_authorization(self.request.headers)
        form = self.request.form
        agent, secret = agent or form.get("client_id"), secret or form.get("client_secret")
        if not agent or not secret:
            raise InvalidClientError(status_code=401)
        count_login(agent)
        scope = self.request.payload.scope
        wanted = None if not scope else list(offered(scope.split()))
        if wanted == []:
            raise InvalidScopeError
        try:
            self._granted = services().auth.login(
                agent, secret, scopes=wanted, audience=resource_of(self.request), seconds=access_lifetime()
            )
        except Unauthorized:
            raise InvalidClientError(status_code=401) from None
        except Forbidden:
            raise InvalidScopeError from None

    def create_token_response(self) -> tuple[int, Mapping[str, Any], Any]:
        """Tokens without a refresh token: the secret is at hand (RFC 6749, section 4.4.3)."""
        return 200, _pair(self._granted, None, refreshed=False), self.TOKEN_RESPONSE_HEADER


class Revocation(RevocationEndpoint):  # type: ignore[misc]
    """Taking back a token ends its session (RFC 7009)."""

    CLIENT_AUTH_METHODS = AUTH_METHODS

    def query_token(self, token_string: str, token_type_hint: str | None) -> Credential | None:
        """The token; None for one that counts no more, which is as good as taken back."""
        return _credential(token_string, ACCESS, REFRESH)

    def revoke_token(self, token: Credential, _request: Any) -> None:
        """Refuse it, and end its session."""
        services().auth.revoke(token.claims)


class Issuer(IssuerParameter):  # type: ignore[misc]
    """Who answers stands in every address that a browser is sent back to."""

    def get_issuer(self) -> str:
        """This installation, as it was called."""
        return origin()


class Server(AuthorizationServer):  # type: ignore[misc]
    """Authlib's server for Flask."""

    def __init__(self) -> None:
        super().__init__(query_client=_client, save_token=lambda token, asked: None)
        self.register_token_generator("default", _generated)
        self.register_grant(CodeGrant, [Challenge(required=True)])
        self.register_grant(RefreshGrant)
        self.register_grant(AgentGrant)
        self.register_endpoint(Revocation)

    def answered(self, create: Callable[[], Response]) -> Response:
        """What Authlib answers; what it would stumble over is refused first.

        Those who fail count against the limit of logins, and those who do not never wait for them.
        """
        try:
            _check_readable()
            response = create()
        except OAuth2Error as error:
            response = self.handle_error_response(None, error)
        if response.status_code >= 400:
            count_login(None)
        return response

    def handle_response(self, status_code: int, payload: Any, headers: Any) -> Response:
        """Errors have the members of every error here beside those of OAuth."""
        if isinstance(payload, dict) and "error" in payload:
            told = payload.get("error_description") or payload["error"]
            payload = {**payload, "message": told, "details": {}, "request_id": request_id()}
        text = dump(payload) if isinstance(payload, dict) else payload
        response = Response(text, status_code, headers)
        Issuer().add_issuer_parameter(self, response)
        return response


def resource_of(asked: Any) -> str:
    """The address that tokens are to be for: the one asked for, else the endpoint's own name (RFC 8707)."""
    known = [origin() + path for path in RESOURCES]
    named = asked.payload.datalist.get("resource") or known[:1]
    if len(set(named)) > 1 or named[0].rstrip("/") not in known:
        raise InvalidTargetError
    return str(named[0].rstrip("/"))


def metadata_error(error: OrdinautError) -> tuple[dict[str, Any], int]:
    """A refusal to register, as RFC 7591, section 3.2.2, has it."""
    if not isinstance(error, InvalidInput):
        raise error
    first = error.problems[0]
    code = "invalid_redirect_uri" if first.field.startswith("redirect_uris") else "invalid_client_metadata"
    told = say(first.message)
    body = {
        "error": code,
        "error_description": first.message,
        "message": told,
        "details": {"field": first.field, "issue": told},
        "request_id": request_id(),
    }
    return body, 400


def _client(client_id: str) -> Client | None:
    """The program; a document that cannot be had is no program.

    It is read where a person is asked, and no oftener than people may log in: anybody can name any address.
    """
    asked = request.path.startswith("/authorize")
    try:
        found = services().oauth.client(client_id, before_reading=partial(count_login, None) if asked else None)
    except InvalidInput as error:
        raise InvalidClientError(description=str(error.problems[0].message)) from None
    return None if found is None else Client(found)


def _check_readable() -> None:
    """PostgreSQL knows no NUL in a text, and a header of Basic has to be one."""
    if any("\x00" in text for pair in request.form.items(multi=True) for text in pair):
        raise InvalidRequestError("The form has the character U+0000")
    try:
        extract_basic_authorization(request.headers)
    except ValueError:
        raise InvalidClientError(status_code=401) from None


def _credential(token: str, *kinds: str) -> Credential | None:
    try:
        claims = read(token, *kinds, of_program=True)
    except Unauthorized:
        return None
    session = services().oauth.session(claims)
    return None if session is None else Credential(claims, session)


def _generated(*, user: Granted, scope: str, include_refresh_token: bool, **_: Any) -> dict[str, Any]:
    return _pair(user, scope.split(), refreshed=include_refresh_token)


def _pair(granted: Granted, scopes: list[str] | None, *, refreshed: bool) -> dict[str, Any]:
    tokens = issue_for_program(granted, scopes)
    pair = {
        "access_token": tokens.access,
        "token_type": "Bearer",
        "expires_in": tokens.expires_in,
        "scope": " ".join(tokens.scopes),
    }
    return {**pair, "refresh_token": tokens.refresh} if refreshed else pair

"""Programs that act for agents: their registration, what somebody let them do, and the sessions that come of it."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from app.domain.access import Agent, Session, narrowed_to
from app.domain.clock import Clock
from app.domain.errors import Conflict, InvalidInput, NotFound, Unauthorized
from app.domain.ids import new_id
from app.domain.oauth import (
    AUTH_METHODS,
    CODE_LIFETIME,
    DOCUMENT_LIFETIME,
    GRANT_TYPES,
    LONGEST_URI,
    MOST_REDIRECTS,
    ClientDocuments,
    OAuthClient,
    OAuthCode,
    OAuthUnits,
    hashed,
    is_document,
    is_redirect,
    offered,
)
from app.domain.texts import t
from app.services.audit_trail import Difference, entry
from app.services.auth import AuthService, Granted, TokenClaims
from app.telemetry import emit
from ordinaut import Caller

MOST_CLIENTS = 10_000
"""Programs that are known at once: anybody may register one, and unused ones go after a month."""
MOST_READ = 200
"""Documents of programs that a process remembers, which nobody has let do anything yet."""
LONGEST_NAME = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a program asks a person for, as the person has agreed to it."""

    client: OAuthClient
    redirect_uri: str
    scopes: Sequence[str]
    audience: str
    challenge: str


class OAuthService:
    """The use cases of OAuth."""

    def __init__(self, *, units: OAuthUnits, clock: Clock, auth: AuthService, documents: ClientDocuments) -> None:
        self._units = units
        self._clock = clock
        self._auth = auth
        self._documents = documents
        self._read: dict[str, OAuthClient] = {}

    def client(self, client_id: str, *, before_reading: Callable[[], None] | None = None) -> OAuthClient | None:
        """The program of that id.

        Args:
            before_reading: Whose id is an address may be asked who it is, once an hour; this is called first. None
                for those that have been let do something before: they are taken as they were then.

        Raises:
            InvalidInput: What stands at that address is no description of a program, or nothing does, and it was never
                let do anything here.
        """
        with self._units(read_only=True) as unit:
            known = unit.oauth.client(client_id)
        if before_reading is None or not is_document(client_id):
            return known
        now = self._clock.now()
        fresh = known or self._read.get(client_id)
        if fresh is not None and fresh.fetched_at is not None and now - fresh.fetched_at < DOCUMENT_LIFETIME:
            return fresh
        before_reading()
        try:
            found = _described(client_id, self._documents.read(client_id), now)
        except InvalidInput:
            if known is None:
                raise
            return known  # its host is away; it was good enough for whoever let it do something
        if len(self._read) >= MOST_READ:
            self._read.clear()
        self._read[client_id] = found
        return found

    def register(self, metadata: Mapping[str, Any]) -> tuple[OAuthClient, str | None]:
        """A new program by what it says of itself (RFC 7591), and its secret where it takes one.

        Raises:
            InvalidInput: naming each member that will not do.
            Conflict: There are too many programs already, and somebody let each of them do something.
        """
        now = self._clock.now()
        method = metadata.get("token_endpoint_auth_method", "client_secret_basic")
        if method not in AUTH_METHODS:
            raise InvalidInput.at("/token_endpoint_auth_method", t("One of {known}", known=", ".join(AUTH_METHODS)))
        secret = None if method == "none" else secrets.token_urlsafe(32)
        client = OAuthClient(
            id=new_id(),
            name=_name(metadata, t("A program without a name")),
            redirect_uris=_redirects(metadata),
            auth_method=method,
            grant_types=_grants(metadata),
            created_at=now,
            secret_hash=hashed(secret) if secret else None,
            uri=_page(metadata),
        )
        with self._units() as unit:
            if unit.oauth.clients() >= MOST_CLIENTS:
                unit.oauth.evict()
            if unit.oauth.clients() >= MOST_CLIENTS:
                raise Conflict(t("Too many programs have registered; those that are not used are forgotten"))
            unit.oauth.put_client(client)
        return client, secret

    def allow(self, wish: Wish, caller: Caller) -> str:
        """A code for what somebody let a program do in their name: never more than they may themselves.

        Raises:
            Forbidden: Nothing is left of it.
        """
        scopes = narrowed_to(caller, offered(wish.scopes))
        code = secrets.token_urlsafe(32)
        now = self._clock.now()
        kept = OAuthCode(
            code_hash=hashed(code),
            client_id=wish.client.id,
            agent_id=caller.agent_id,
            redirect_uri=wish.redirect_uri,
            scopes=tuple(sorted(scopes)),
            audience=wish.audience,
            challenge=wish.challenge,
            expires_at=now + CODE_LIFETIME,
        )
        told = Difference(after={"client": wish.client.name, "client_id": wish.client.id, "scopes": list(kept.scopes)})
        with self._units() as unit:
            if wish.client.fetched_at is not None:
                unit.oauth.put_client(wish.client)
            unit.oauth.add_code(kept)
            unit.oauth.use_client(wish.client.id, now)
            unit.audit.add(entry(now, caller, "program.allowed", wish.client.id, told))
        return code

    def code(self, code: str, client: OAuthClient) -> OAuthCode | None:
        """What a code of that program stands for; None where there is no such code any more.

        A code that is shown twice was stolen: what it bought ends (RFC 6749, section 4.1.2).
        """
        with self._units(read_only=True) as unit:
            found = unit.oauth.code(hashed(code))
        if found is None or found.client_id != client.id:
            return None
        if found.session_id is not None:
            self._end_stolen(found)
            return None
        return found if found.expires_at > self._clock.now() else None

    def redeem(self, code: OAuthCode) -> Granted:
        """A session for it, once.

        Raises:
            Unauthorized: Somebody was faster, or the agent is gone.
        """
        now = self._clock.now()
        with self._units() as unit:
            held = unit.oauth.code(code.code_hash, lock=True)
            agent = _active(unit, code.agent_id)
            if agent is not None and held is not None and held.session_id is None:
                session = self._auth.session(agent, code.scopes, now)
                session = replace(session, client_id=code.client_id, audience=code.audience)
                unit.agents.add_session(session)
                unit.oauth.spend_code(code.code_hash, session.id)
                unit.audit.add(entry(now, Caller(agent.id, frozenset()), "session.started", session.id))
                return Granted(agent, session)
        if held is not None and held.session_id is not None:
            self._end_stolen(held)
        raise Unauthorized

    def used(self, client_id: str) -> None:
        """Note that a program has got tokens: it is not one to forget."""
        with self._units() as unit:
            unit.oauth.use_client(client_id, self._clock.now())

    def session(self, claims: TokenClaims) -> Session | None:
        """The session of a token, where a program holds it."""
        with self._units(read_only=True) as unit:
            found = unit.agents.session(claims.session_id)
        return found if found is not None and found.client_id is not None else None

    def _end_stolen(self, code: OAuthCode) -> None:
        now = self._clock.now()
        with self._units() as unit:
            session = unit.agents.session(code.session_id or "", lock=True)
            if session is not None and session.revoked_at is None:
                unit.agents.save_session(replace(session, revoked_at=now))
                owner = Caller(code.agent_id, frozenset())
                unit.audit.add(entry(now, owner, "session.revoked_by_reuse", session.id))
        emit("auth.code_reused", agent_id=code.agent_id, client_id=code.client_id)
        self._auth.forget()


def _active(unit: Any, agent_id: str) -> Agent | None:
    try:
        agent: Agent = unit.agents.get(agent_id)
    except NotFound:
        return None
    return agent if agent.status == "active" else None


def _described(address: str, document: object, now: datetime) -> OAuthClient:
    """A program as its own document has it; it is public, since a document can keep no secret."""
    if not isinstance(document, dict) or document.get("client_id") != address:
        raise InvalidInput.at("/client_id", t("The document at this address must name it as its 'client_id'"))
    if document.get("token_endpoint_auth_method", "none") != "none":
        raise InvalidInput.at("/token_endpoint_auth_method", t("One of {known}", known="none"))
    return OAuthClient(
        id=address,
        name=_name(document, urlsplit(address).hostname or address),
        redirect_uris=_redirects(document),
        auth_method="none",
        grant_types=_grants(document),
        created_at=now,
        uri=_page(document),
        fetched_at=now,
    )


def _name(metadata: Mapping[str, Any], default: str) -> str:
    name = metadata.get("client_name") or default
    if not isinstance(name, str) or len(name) > LONGEST_NAME or not name.isprintable():
        raise InvalidInput.at("/client_name", t("A text of at most {limit} characters", limit=LONGEST_NAME))
    return name


def _redirects(metadata: Mapping[str, Any]) -> tuple[str, ...]:
    given = metadata.get("redirect_uris")
    if not isinstance(given, list) or not 0 < len(given) <= MOST_REDIRECTS:
        raise InvalidInput.at("/redirect_uris", t("A list of 1 to {limit} addresses", limit=MOST_REDIRECTS))
    for place, uri in enumerate(given):
        if not isinstance(uri, str) or not is_redirect(uri):
            problem = t("https, http to this very machine, or a scheme of a program's own; no fragment")
            raise InvalidInput.at(f"/redirect_uris/{place}", problem)
    return tuple(given)


def _grants(metadata: Mapping[str, Any]) -> tuple[str, ...]:
    """Those of its grant types that are offered; the code is how it gets anything at all."""
    given = metadata.get("grant_types", ["authorization_code"])
    if not isinstance(given, list) or "authorization_code" not in given:
        raise InvalidInput.at("/grant_types", t("A list with 'authorization_code' in it"))
    responses = metadata.get("response_types", ["code"])
    if not isinstance(responses, list) or "code" not in responses:
        raise InvalidInput.at("/response_types", t("A list with 'code' in it"))
    return tuple(grant for grant in GRANT_TYPES if grant in given)


def _page(metadata: Mapping[str, Any]) -> str | None:
    uri = metadata.get("client_uri")
    good = isinstance(uri, str) and len(uri) <= LONGEST_URI and uri.startswith("https://") and is_redirect(uri)
    return uri if good else None

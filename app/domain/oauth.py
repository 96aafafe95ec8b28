"""Programs that people let act for them by OAuth 2.1: who they are, and what they were let do."""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from ipaddress import ip_address
from types import MappingProxyType
from typing import Final, Literal, Protocol
from urllib.parse import SplitResult, urlsplit

from app.domain.ports import UnitOfWork
from app.domain.scopes import DECIDE, SCOPES

AuthMethod = Literal["none", "client_secret_basic", "client_secret_post"]
AUTH_METHODS: Final[tuple[AuthMethod, ...]] = ("none", "client_secret_basic", "client_secret_post")
GRANT_TYPES: Final = ("authorization_code", "refresh_token")

CODE_LIFETIME: Final = timedelta(seconds=60)
UNUSED_LIFETIME: Final = timedelta(days=30)
"""How long a program that registered itself is remembered while nobody lets it do anything."""
USED_LIFETIME: Final = timedelta(days=365)
"""The same for one that somebody let do something, from when it last got tokens."""
DOCUMENT_LIFETIME: Final = timedelta(hours=1)
"""How long a program's own document is believed until it is read again."""
MOST_REDIRECTS: Final = 20
LONGEST_URI: Final = 2000

_KEPT_FROM_PROGRAMS = frozenset({"admin", "audit:read", "budgets:manage", "secrets:manage"})
OFFERED: Final[Mapping[str, str]] = MappingProxyType(
    {
        scope: meaning
        for scope, meaning in SCOPES.items()
        if scope not in _KEPT_FROM_PROGRAMS and not scope.startswith("agents:")
    }
)
"""What a program may be let do at all: nothing that would let it give rights to itself or to others."""
ASKED_FIRST: Final = frozenset(OFFERED) - {DECIDE, "webhooks:manage", "secrets:use", "tasks:read:all"}
"""What a program asks for that does not know what it will need: everything an assistant does every day."""

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]{1,60}")
_HOST = re.compile(r"[a-z0-9._-]+|[0-9a-f:.]+", re.IGNORECASE)
_DANGEROUS = frozenset(
    {
        *("about", "blob", "data", "file", "filesystem", "ftp", "javascript", "vbscript", "ws", "wss"),
        *("intent", "mailto", "search", "search-ms", "sms", "tel", "view-source"),
    }
)
"""What a browser or the system under it would carry out, or hand to a program that never asked for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuthClient:
    """A program that may ask people for rights.

    Attributes:
        id: Of its registration (RFC 7591), or the address of its own document (OAuth Client ID Metadata Document).
        secret_hash: SHA-256 of its secret; None for a public one.
        redirect_uris: Where browsers may be sent back to.
        fetched_at: When its document was read; None for one that registered.
    """

    id: str
    name: str
    redirect_uris: tuple[str, ...]
    auth_method: AuthMethod
    grant_types: tuple[str, ...]
    created_at: datetime
    used_at: datetime | None = None
    secret_hash: str | None = field(default=None, repr=False)
    uri: str | None = None
    fetched_at: datetime | None = None

    def takes(self, redirect_uri: str) -> bool:
        """Whether a browser may be sent there: word for word, but for the port of a program on this very machine.

        Source: OAuth 2.1, section 2.3.1; RFC 8252, section 7.3.
        """
        return redirect_uri in self.redirect_uris or any(
            _same_but_port(redirect_uri, own) for own in self.redirect_uris
        )

    def knows(self, secret: str) -> bool:
        """Whether that is its secret."""
        return self.secret_hash is not None and hmac.compare_digest(self.secret_hash, hashed(secret))


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuthCode:
    """A code that buys tokens once (RFC 6749, section 4.1.2), kept as a SHA-256.

    Attributes:
        challenge: Of PKCE, S256 (RFC 7636).
        audience: The address that its tokens are for (RFC 8707).
        session_id: What it bought; a second use ends that.
    """

    code_hash: str = field(repr=False)
    client_id: str
    agent_id: str
    redirect_uri: str
    scopes: tuple[str, ...]
    audience: str
    challenge: str
    expires_at: datetime
    session_id: str | None = None


class OAuthStore(Protocol):
    """Programs and codes, inside a unit of work."""

    def put_client(self, client: OAuthClient) -> None:
        """Store it, in place of an older one of that id."""

    def client(self, client_id: str) -> OAuthClient | None: ...

    def clients(self) -> int:
        """How many there are."""

    def use_client(self, client_id: str, now: datetime) -> None:
        """Note that somebody lets it do something."""

    def evict(self) -> None:
        """Forget the one that has waited longest for somebody to let it do anything."""

    def add_code(self, code: OAuthCode) -> None: ...

    def code(self, code_hash: str, *, lock: bool = False) -> OAuthCode | None: ...

    def spend_code(self, code_hash: str, session_id: str) -> None:
        """Note what it bought."""


class OAuthUnit(UnitOfWork, Protocol):
    """A unit of work with programs and codes."""

    @property
    def oauth(self) -> OAuthStore: ...


class OAuthUnits(Protocol):
    """Opens such units, see `app.domain.ports.UnitsOfWork`."""

    def __call__(self, *, read_only: bool = False) -> AbstractContextManager[OAuthUnit]: ...


class ClientDocuments(Protocol):
    """Reads what programs say of themselves on the web."""

    def read(self, address: str) -> object:
        """The JSON document at an https address; Unavailable or InvalidInput where there is none to be had."""


def hashed(secret: str) -> str:
    """As secrets and codes are kept: they are random and long, so no salt is needed."""
    return sha256(secret.encode()).hexdigest()


def is_document(client_id: str) -> bool:
    """Whether a client's id is the address of its document: https, with a path, and nothing that hides the host."""
    parts = _split(client_id)
    return (
        parts is not None
        and len(client_id) <= LONGEST_URI
        and (parts.scheme, bool(parts.hostname), parts.username, parts.fragment) == ("https", True, None, "")
        and len(parts.path) > 1
        and not any(segment in (".", "..") for segment in parts.path.split("/"))
    )


def is_redirect(uri: str) -> bool:
    """Whether browsers may be sent to such an address at all.

    https anywhere, http to the same machine (RFC 8252, section 7.3), and the schemes that programs on a desk or a
    phone have for themselves, but none that a browser would take for a page or a script.
    """
    parts = _split(uri)
    if parts is None or len(uri) > LONGEST_URI or parts.fragment or parts.username is not None or "#" in uri:
        return False
    if parts.scheme == "http":
        return is_loopback(parts.hostname or "")
    if parts.scheme == "https":
        return _HOST.fullmatch(parts.hostname or "") is not None
    own = _SCHEME.fullmatch(parts.scheme) is not None and not parts.scheme.startswith("ms-")
    return own and parts.scheme not in _DANGEROUS


def is_loopback(host: str) -> bool:
    """Whether a host is the machine itself."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def offered(scopes: Sequence[str]) -> tuple[str, ...]:
    """Those of the scopes asked for that programs may be let have, in order; of strange words nothing is said."""
    return tuple(sorted({scope for scope in scopes if scope in OFFERED or scope.startswith("ext:")}))


def _same_but_port(uri: str, own: str) -> bool:
    one, other = _split(uri), _split(own)
    if one is None or other is None or not is_loopback(one.hostname or "") or one.scheme != "http":
        return False
    same = (one.scheme, one.hostname, one.path, one.query) == (other.scheme, other.hostname, other.path, other.query)
    return same and one.username is None and not one.fragment


def _split(uri: str) -> SplitResult | None:
    if any(character <= " " or character in "\\\x7f" or character > "~" for character in uri):
        return None
    try:
        parts = urlsplit(uri)
        _ = parts.port
    except ValueError:
        return None
    return parts

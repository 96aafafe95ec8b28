"""The settings that say who may do what, and the keys that are refused."""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import ip_network
from typing import Protocol

from config import parsers
from config.parsers import Parser, Refused, SettingsError
from config.setting import Setting

LEAST_BYTES = 32
_MAKE_ONE = 'Make one with `python -c "import secrets; print(secrets.token_hex(32))"`.'
_KNOWN = re.compile(
    r"(change|replace)[-_ ]?(me|this|it|in)|default|example|placeholder|your[-_ ]|development|dev[-_]?secret"
    r"|password|insecure|(super[-_]?)?secret[-_]?key|^test",
    re.IGNORECASE,
)
_PEM = re.compile(r"-----BEGIN [A-Z ]+-----.+?-----END [A-Z ]+-----", re.DOTALL)
PUBLIC_ROUTES = (
    "/health",
    "/docs",
    "/ext/status",
    "/ext/observability/metrics",
    "/ext/mcp_http/meta",
    "/ext/webui/",
)
"""Open whatever the mode; `ORDINAUT_PROTECTED_ROUTES` names those that are not to be."""


def _keys(text: str) -> tuple[str, ...]:
    keys = tuple(_PEM.findall(text.replace("\\n", "\n"))) if "-----BEGIN" in text else _words(text)
    if not keys:
        raise ValueError
    for key in keys:
        if len(key.encode()) < LEAST_BYTES:
            raise Refused(f"each needs at least {LEAST_BYTES} bytes; {_MAKE_ONE}")
        if not key.startswith("-----") and (_KNOWN.search(key) or len(set(key)) < 10):
            raise Refused(f"one of them is easily guessed; {_MAKE_ONE}")
    return keys


def _words(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(word for part in text.split(",") if (word := part.strip())))


def _networks(text: str) -> tuple[str, ...]:
    return tuple(str(ip_network(word)) for word in _words(text))


def _routes(text: str) -> tuple[str, ...]:
    words = _words(text)
    if not set(words) <= set(PUBLIC_ROUTES):
        raise ValueError
    return words


KEYS = Parser("list of keys", _keys, "keys of at least 32 random bytes separated by commas, the newest first", True)
NETWORKS = Parser("list of networks", _networks, "addresses and CIDR networks separated by commas, such as `10.0.0.5`")
ROUTES = Parser("list of routes", _routes, "some of " + ", ".join(PUBLIC_ROUTES))

AUTH = Setting(
    "ORDINAUT_AUTH",
    parsers.choice("off", "jwt"),
    "off",
    "Who may call the API. `jwt` asks everybody for a token or an API key. `off` lets everybody in: it is the "
    "default only in development on a loopback address, and has to be set on purpose everywhere else.",
)
ACCESS = (
    Setting(
        "ORDINAUT_JWT_KEYS",
        KEYS,
        None,
        "The keys that sign and check tokens. The first signs, all check: put a new one in front, and take the old "
        "one away once the tokens it signed have run out. HS256 takes random text, ES256 private keys in PEM.",
        secret=True,
        shown_default="in development a random one, kept in ORDINAUT_HOME; in production none",
    ),
    Setting(
        "ORDINAUT_JWT_ALGORITHM",
        parsers.choice("HS256", "ES256"),
        "HS256",
        "The one algorithm of tokens; ES256 when others are to check them with the public key.",
    ),
    Setting(
        "ORDINAUT_ACCESS_TOKEN_SECONDS",
        parsers.integer(30, 86_400),
        "900",
        "How long an access token is good.",
    ),
    Setting(
        "ORDINAUT_REFRESH_TOKEN_SECONDS",
        parsers.integer(60, 31_536_000),
        "2592000",
        "How long a login can be refreshed.",
    ),
    Setting(
        "ORDINAUT_LOGIN_RATE_LIMIT",
        parsers.RATE_LIMIT,
        "10/minute",
        "Logins and refreshes for each address, and logins for each agent, beside `ORDINAUT_RATE_LIMIT`.",
    ),
    Setting(
        "ORDINAUT_MCP_RATE_LIMIT",
        parsers.RATE_LIMIT,
        "120/minute",
        "Calls of one tool by one assistant, as the header `Mcp-Name` names it, beside `ORDINAUT_RATE_LIMIT`.",
    ),
    Setting(
        "ORDINAUT_OAUTH",
        parsers.FLAG,
        "1",
        "Assistants may ask people for rights by OAuth 2.1, where `ORDINAUT_AUTH=jwt`. They register themselves; none "
        "gets anything before an agent has signed in and agreed.",
    ),
    Setting(
        "ORDINAUT_REQUIRE_SCOPES",
        parsers.FLAG,
        "0",
        "Routes of extensions take the scope `ext:<id>:routes`, and the header `X-Scopes` counts.",
    ),
    Setting(
        "ORDINAUT_TRUSTED_PROXIES",
        NETWORKS,
        "127.0.0.0/8,::1/128",
        "Who may say in `X-Scopes` what a caller holds while ORDINAUT_AUTH=off: the machines at the other end of the "
        "connection itself. Never name a router that passes on headers of clients, such as Heroku's.",
    ),
    Setting(
        "ORDINAUT_PROTECTED_ROUTES",
        ROUTES,
        "",
        "Routes that are open to all unless they are named here.",
    ),
    Setting(
        "ORDINAUT_SECRET_KEYS",
        KEYS,
        None,
        "The keys that encrypt stored secrets and seal the audit log. The first encrypts, all decrypt; "
        "`ordinaut secrets rotate` encrypts everything anew with the first.",
        secret=True,
        shown_default="in development a random one, kept in ORDINAUT_HOME; in production none",
    ),
)


class Checked(Protocol):
    """The settings that `refuse_weak_access` looks at."""

    @property
    def production(self) -> bool: ...
    @property
    def auth(self) -> str: ...
    @property
    def jwt_keys(self) -> tuple[str, ...] | None: ...
    @property
    def jwt_algorithm(self) -> str: ...
    @property
    def require_scopes(self) -> bool: ...
    @property
    def sources(self) -> Mapping[str, str]: ...


def refuse_weak_access(settings: Checked) -> None:
    """Raise SettingsError where tokens could be forged or scopes be claimed by anybody."""
    if settings.auth == "off":
        if settings.production and settings.require_scopes and _by_default(settings, "ORDINAUT_TRUSTED_PROXIES"):
            raise SettingsError(
                "ORDINAUT_REQUIRE_SCOPES with ORDINAUT_AUTH=off believes what a proxy says of its clients. In "
                "production set ORDINAUT_TRUSTED_PROXIES on purpose, or ORDINAUT_AUTH=jwt."
            )
        return
    if settings.production and not settings.jwt_keys:
        raise SettingsError(f"In production ORDINAUT_AUTH=jwt needs ORDINAUT_JWT_KEYS. {_MAKE_ONE}")
    if settings.jwt_algorithm == "ES256" and not settings.jwt_keys:
        raise SettingsError("ORDINAUT_JWT_ALGORITHM=ES256 needs ORDINAUT_JWT_KEYS: a private key in PEM.")
    written = [key.startswith("-----BEGIN") for key in settings.jwt_keys or ()]
    if any(one is not (settings.jwt_algorithm == "ES256") for one in written):
        raise SettingsError(f"ORDINAUT_JWT_KEYS has to hold keys for ORDINAUT_JWT_ALGORITHM={settings.jwt_algorithm}.")


def _by_default(settings: Checked, name: str) -> bool:
    return settings.sources[name] == "default"

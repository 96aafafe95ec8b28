"""The settings of commands that talk to a server over HTTP."""

from __future__ import annotations

from urllib.parse import urlsplit

from config.parsers import TEXT, Parser, Refused
from config.setting import Setting


def _server_url(text: str) -> str:
    """The address without a slash at its end."""
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError
    if parts.username is not None or parts.password is not None:
        raise Refused("a token belongs into ORDINAUT_TOKEN, not into the address")
    if parts.port == 0:
        raise ValueError
    return text.rstrip("/")


SERVER_URL = Parser(
    "server URL", _server_url, "an address such as http://127.0.0.1:8080 or https://ordinaut.example.com"
)

CLIENT = (
    Setting(
        "ORDINAUT_URL",
        SERVER_URL,
        None,
        "The server that `ordinaut task list` and the other commands of a client talk to; wins over `ordinaut login`.",
        shown_default="that of the context in use, else http://127.0.0.1:8080",
    ),
    Setting(
        "ORDINAUT_TOKEN",
        TEXT,
        None,
        "The API key or access token that those commands show; wins over `ordinaut login`.",
        secret=True,
        shown_default="that of the context in use, unless ORDINAUT_URL names another server",
    ),
)

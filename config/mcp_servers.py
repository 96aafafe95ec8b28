"""Reading `ORDINAUT_MCP_SERVERS`: the servers of the Model Context Protocol whose tools pipelines may use.

The form is the one that other clients of the protocol read, so a file can be shared with them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from config.parsers import Parser, Refused
from config.setting import Setting, Values

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,62}")
MOST_SERVERS = 100
_MEMBERS = {
    *("command", "args", "env", "cwd", "url", "headers", "auth", "tools"),
    *("timeout_seconds", "connect_timeout_seconds", "type"),
}
_AUTH = {"client_id", "client_secret", "scope", "issuer"}


@dataclass(frozen=True, slots=True, kw_only=True)
class McpServer:
    """One server: a `command` that is started and talked to over its pipes, or a `url` with Streamable HTTP.

    Attributes:
        env: Beside HOME, PATH and their likes; nothing else of our own environment reaches the command.
        headers: Sent with every request; `${secret:NAME}` in them and in `env` stands for a stored secret.
        auth: `{client_id, client_secret, scope?, issuer?}` of OAuth 2.1 client credentials.
        tools: Names that may be called, with `*` for any rest; all where it is empty.
        timeout_seconds: Of one call, where its step says no less.
    """

    name: str
    command: str | None = None
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: str | None = None
    url: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    auth: Mapping[str, str] = field(default_factory=dict)
    tools: tuple[str, ...] = ()
    timeout_seconds: float = 60.0
    connect_timeout_seconds: float = 10.0

    @property
    def where(self) -> str:
        """How it is reached, without arguments, headers and whatever else may be secret."""
        if self.url is None:
            return str(self.command)
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.hostname}{f':{parts.port}' if parts.port else ''}{parts.path}"


@dataclass(frozen=True, slots=True)
class McpServers:
    """All of them by name, and the file they stand in; None where they were set as JSON."""

    servers: Mapping[str, McpServer]
    file: Path | None = None

    def __str__(self) -> str:
        """Their names, which is all that may be shown."""
        return ", ".join(self.servers)


def mcp_servers(text: str) -> McpServers:
    """The servers of a JSON object, or of the file that the text names; none where there is no such file.

    Raises:
        ValueError: It is neither, or a server's description cannot be used.
    """
    if text.startswith("{"):
        return McpServers(_servers(text))
    path = Path(text).expanduser()
    try:
        return McpServers(_servers(path.read_text(encoding="utf-8")), path)
    except FileNotFoundError:
        return McpServers(MappingProxyType({}), path)
    except (OSError, UnicodeDecodeError):
        raise Refused("the file cannot be read") from None


def _servers(text: str) -> Mapping[str, McpServer]:
    try:
        given = json.loads(text or "{}")
    except json.JSONDecodeError as error:
        raise Refused(f"it is not JSON: {error.msg} at line {error.lineno}, column {error.colno}") from None
    except RecursionError:
        raise Refused("it is nested too deeply") from None
    if isinstance(given, dict) and set(given) <= {"mcpServers", "servers"}:
        given = given.get("mcpServers", given.get("servers", {}))
    if not isinstance(given, dict) or len(given) > MOST_SERVERS:
        raise Refused(f"it is not an object of at most {MOST_SERVERS} servers")
    return MappingProxyType({name: server_of(name, wanted) for name, wanted in given.items()})


def server_of(name: str, wanted: Any) -> McpServer:
    """One server as its description says; ValueError where that cannot be used."""
    if not NAME.fullmatch(name):
        raise Refused(f"{name[:40]!r} is no name of a server: letters, digits, `_` and `-`, a letter first")
    if not isinstance(wanted, dict) or not set(wanted) <= _MEMBERS:
        known = ", ".join(sorted(_MEMBERS))
        raise Refused(f"{name} needs an object with no other members than {known}")
    if ("command" in wanted) == ("url" in wanted):
        raise Refused(f"{name} needs `command` or `url`, and not both")
    url = _text(name, wanted, "url")
    if url is not None and (urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname):
        raise Refused(f"the url of {name} has to begin with http:// or https://")
    return McpServer(
        name=name,
        command=_text(name, wanted, "command"),
        args=_texts(name, wanted, "args"),
        env=_pairs(name, wanted, "env"),
        cwd=_text(name, wanted, "cwd"),
        url=url,
        headers=_pairs(name, wanted, "headers"),
        auth=_auth(name, wanted),
        tools=_texts(name, wanted, "tools"),
        timeout_seconds=_seconds(name, wanted, "timeout_seconds", 60.0),
        connect_timeout_seconds=_seconds(name, wanted, "connect_timeout_seconds", 10.0),
    )


def _text(name: str, wanted: Mapping[str, Any], member: str) -> str | None:
    value = wanted.get(member)
    if value is not None and (not isinstance(value, str) or not value or "\x00" in value):
        raise Refused(f"`{member}` of {name} has to be a text")
    return value


def _texts(name: str, wanted: Mapping[str, Any], member: str) -> tuple[str, ...]:
    value = wanted.get(member, [])
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise Refused(f"`{member}` of {name} has to be a list of texts")
    return tuple(value)


def _pairs(name: str, wanted: Mapping[str, Any], member: str) -> Mapping[str, str]:
    value = wanted.get(member, {})
    if not isinstance(value, dict) or not all(isinstance(one, str) for one in value.values()):
        raise Refused(f"`{member}` of {name} has to be an object of texts")
    return MappingProxyType(dict(value))


def _auth(name: str, wanted: Mapping[str, Any]) -> Mapping[str, str]:
    found = _pairs(name, wanted, "auth")
    if found and not ({"client_id", "client_secret"} <= set(found) <= _AUTH and "url" in wanted):
        raise Refused(f"`auth` of {name} has to have client_id and client_secret, and may have scope and issuer")
    return found


def _seconds(name: str, wanted: Mapping[str, Any], member: str, default: float) -> float:
    value = wanted.get(member, default)
    if type(value) not in (int, float) or not 0.1 <= value <= 86_400:
        raise Refused(f"`{member}` of {name} has to be a number from 0.1 to 86400")
    return float(value)


def _in_home(values: Values) -> str:
    return str(values["home"] / "mcp.json")


MCP_SERVERS = Setting(
    "ORDINAUT_MCP_SERVERS",
    Parser(
        "JSON, or a file with it",
        mcp_servers,
        'an object such as `{"time": {"command": "mcp-server-time"}}`, or a file that holds one',
        secret=True,
    ),
    _in_home,
    "Servers of the Model Context Protocol whose tools pipelines may use; `ordinaut mcp add` writes the file.",
    secret=True,
    shown_default="<ORDINAUT_HOME>/mcp.json",
)
"""The row of the table."""

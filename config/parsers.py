"""Readers of setting values: text in, a checked value out, or a sentence that says the cure."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, quote, unquote, urlsplit


class SettingsError(Exception):
    """A setting cannot be used; the message names the variable and the cure."""


@dataclass(frozen=True, slots=True)
class Parser:
    """How a kind of value is read; `kind` is its name in the documentation."""

    kind: str
    convert: Callable[[str], Any]
    cure: str
    secret: bool = False

    def read(self, name: str, text: str) -> Any:
        """The value of the variable `name`; raises SettingsError, which repeats a text that holds no secret."""
        try:
            return self.convert(text.strip())
        except ValueError as error:
            # A URL may hold a password, so a refused one is described, not repeated.
            got = "" if self.secret or "URL" in self.kind else f", not {text[:80]!r}"
            said = f" ({error})" if isinstance(error, Refused) else ""
            raise SettingsError(f"{name} has to be {self.cure}{got}{said}.") from None


class Refused(ValueError):
    """A value that reads well and still cannot be used; the message says why."""


def choice(*allowed: str) -> Parser:
    """One of a few words, in any case."""
    by_lower = {word.lower(): word for word in allowed}

    def convert(text: str) -> str:
        if text.lower() not in by_lower:
            raise ValueError
        return by_lower[text.lower()]

    words = " or ".join(allowed) if len(allowed) < 3 else ", ".join(allowed[:-1]) + f" or {allowed[-1]}"
    return Parser(words, convert, words)


def integer(least: int, most: int) -> Parser:
    """A whole number between two bounds, both allowed."""

    def convert(text: str) -> int:
        if not re.fullmatch(r"[+-]?\d{1,18}", text, re.ASCII) or not least <= int(text) <= most:
            raise ValueError
        return int(text)

    return Parser("integer", convert, f"a whole number from {least} to {most}")


def number(least: float, most: float) -> Parser:
    """A decimal number between two bounds, both allowed."""

    def convert(text: str) -> float:
        if not re.fullmatch(r"[+-]?\d{1,9}(\.\d{1,9})?", text, re.ASCII) or not least <= float(text) <= most:
            raise ValueError
        return float(text)

    return Parser("number", convert, f"a number from {least:g} to {most:g}")


def _flag(text: str) -> bool:
    words = {
        "1": True,
        "true": True,
        "yes": True,
        "on": True,
        "0": False,
        "false": False,
        "no": False,
        "off": False,
    }
    if text.lower() not in words:
        raise ValueError
    return words[text.lower()]


def _host(text: str) -> str:
    inside = text.removeprefix("[").removesuffix("]")
    if not re.fullmatch(r"[A-Za-z0-9_.:%-]{1,253}", inside):
        raise ValueError
    if ":" in inside:
        ip_address(inside)
    return inside


def _allowed_host(text: str) -> str:
    """A network in canonical form, or a host in lower case, either with a port if there is one."""
    body, colon, port = text.rpartition(":")
    if colon and port.isdecimal() and (":" not in body or body.endswith("]")):
        if not 1 <= int(port) <= 65535:
            raise ValueError
        return f"{_allowed_host(body)}:{int(port)}"
    if "/" in text:
        return str(ip_network(text))
    if text.startswith("[") and text.endswith("]"):
        return f"[{_host(text[1:-1]).lower()}]"
    return _host(text).lower()


def _hosts(text: str) -> tuple[str, ...]:
    parts = (part.strip() for part in text.split(","))
    return tuple(dict.fromkeys(_allowed_host(part) for part in parts if part))


_ONE_LIMIT = re.compile(r"\d{1,9}\s*(/|\bper\b)\s*(\d{1,9}\s*)?(second|minute|hour|day|month|year)s?", re.IGNORECASE)


def _rate_limit(text: str) -> str:
    if not all(_ONE_LIMIT.fullmatch(part.strip()) for part in re.split(r"[;,|]", text)):
        raise ValueError
    return text


def _database_url(text: str) -> str:
    scheme, separator, rest = text.partition("://")
    if not separator:
        raise ValueError
    if scheme == "sqlite":
        return _sqlite_url(text, rest)
    if scheme not in ("postgres", "postgresql", "postgresql+psycopg"):
        raise Refused("SQLite and PostgreSQL are supported")
    _split(text)
    return f"postgresql+psycopg://{rest}"


def _sqlite_url(text: str, rest: str) -> str:
    path = rest.partition("?")[0].removeprefix("/")
    if not path or ":memory:" in rest or "mode=memory" in rest:
        raise Refused("a database in memory cannot be shared by web, worker and beat")
    if not rest.startswith("/"):
        raise Refused("a path follows three slashes, an absolute one four")
    # Absolute at once: the processes of one installation need not share a working directory.
    tail = rest[len(path) + 1 :]
    return f"sqlite:///{quote(str(Path(unquote(path)).absolute()))}{tail}"


def _redis_url(text: str) -> str:
    split = _split(text)
    if split.scheme not in ("redis", "rediss", "unix"):
        raise ValueError
    if not (split.path if split.scheme == "unix" else split.hostname):
        raise Refused("it names no server")
    return text


def _split(text: str) -> SplitResult:
    """The parts of a URL; a bad port or bracket raises ValueError."""
    split = urlsplit(text)
    _ = split.port
    return split


_URL_WITH_SECRETS = re.compile(
    r"[a-z][a-z0-9+.-]*://[^\s\"'<>]*@[^\s\"'<>]+|[a-z][a-z0-9+.-]*://\S+\?\S+", re.IGNORECASE
)

TEXT = Parser("text", str, "text")
FLAG = Parser("1 or 0", _flag, "1 or 0")
FOLDER = Parser("folder", lambda text: Path(text).expanduser().absolute(), "a folder")
HOST = Parser("host", _host, "a host name or an IP address")
HOSTS = Parser("list of hosts", _hosts, "host names and CIDR networks separated by commas, such as `db.lan,10.0.0.0/8`")
RATE_LIMIT = Parser("rate limit", _rate_limit, "a limit such as `600/minute` or `10/second;1000/hour`")
DATABASE_URL = Parser("database URL", _database_url, "sqlite:///path or postgresql://user:password@host/name")
REDIS_URL = Parser("Redis URL", _redis_url, "redis://host:6379/0, rediss://host:6379/0 or unix:///path")


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches `host`."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def scrub(text: str) -> str:
    """The text with every URL in it masked."""
    return _URL_WITH_SECRETS.sub(lambda match: mask_url(match.group()), text)


def mask_url(url: str) -> str:
    """The URL with its password, and secrets among its parameters, replaced by `***`.

    A password may hold any character unquoted, so the last `@` ends it: hiding too much beats showing a part.
    """
    scheme, separator, rest = url.partition("://")
    if not separator:
        return url
    credentials, at, server = rest.rpartition("@")
    user, colon, _ = credentials.partition(":")
    hidden = f"{user}{colon}{'***' if colon else ''}{at}{server}"
    return f"{scheme}://" + re.sub(r"(?i)([?&]\w*(?:pass|secret|token|key)\w*=)[^&#]*", r"\1***", hidden)

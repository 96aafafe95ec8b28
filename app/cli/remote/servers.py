"""The servers that somebody has logged in to, in a file only they can read, and which of them is meant."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import click

from app.cli.exits import INVALID, NOT_FOUND
from app.cli.remote.refusals import Stopped
from config.client import CLIENT, SERVER_URL
from config.settings import SettingsError, environment, text_of

DEFAULT_URL = "http://127.0.0.1:8080"
"""Where `ordinaut up` listens."""


@dataclass(frozen=True, slots=True)
class Server:
    """An address, and what to show there."""

    url: str
    token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Contexts:
    """Servers by the names that people gave them, and the one in use."""

    current: str | None = None
    servers: Mapping[str, Server] = field(default_factory=dict)

    def named(self, name: str) -> Server:
        """Stopped (3) where there is none."""
        if name not in self.servers:
            raise Stopped(f"There is no context named {name}; `ordinaut context list` shows them.", NOT_FOUND)
        return self.servers[name]

    def plus(self, name: str, server: Server) -> Contexts:
        """With one more, or another one under this name; in use if it is the first."""
        return Contexts(self.current or name, {**self.servers, name: server})

    def minus(self, name: str) -> Contexts:
        """Without this one."""
        self.named(name)
        kept = {other: server for other, server in self.servers.items() if other != name}
        return Contexts(None if self.current == name else self.current, kept)

    def using(self, name: str) -> Contexts:
        """With this one in use."""
        self.named(name)
        return Contexts(name, self.servers)


def contexts_file() -> Path:
    """Where they are kept: in the user's own folder of settings."""
    return Path(click.get_app_dir("ordinaut")) / "contexts.json"


def load_contexts() -> Contexts:
    """Those in the file; none without one. Stopped (6) where it cannot be read."""
    file = contexts_file()
    try:
        kept = json.loads(file.read_text(encoding="utf-8"))
        servers = {str(name): Server(one["url"], one["token"]) for name, one in kept["contexts"].items()}
        return Contexts(kept["current"], servers)
    except FileNotFoundError:
        return Contexts()
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise Stopped(f"{file} cannot be read ({type(error).__name__}); mend or delete it.", INVALID) from error


def save_contexts(contexts: Contexts) -> None:
    """Write them for their owner alone, all or nothing."""
    file = contexts_file()
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = file.with_name(f".{file.name}.{os.getpid()}")
    kept = {"current": contexts.current, "contexts": {name: asdict(one) for name, one in contexts.servers.items()}}
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as target:
        json.dump(kept, target, ensure_ascii=False, indent=2)
    new.replace(file)


def chosen(name: str | None = None) -> Server:
    """The server to talk to: the context of this name, else what the environment says, else the context in use.

    A token that was given for one server is never shown to another.

    Raises:
        Stopped: 3 where there is no such context; 6 where the file cannot be read.
        SettingsError: ORDINAUT_URL is no address.
    """
    contexts = load_contexts()
    if name is not None:
        return contexts.named(name)
    given = _environment()
    used = contexts.servers.get(contexts.current or "", Server(DEFAULT_URL))
    url = given["url"] or used.url
    return Server(url, given["token"] or (used.token if url == used.url else None))


def checked_url(text: str) -> str:
    """The address as it is kept; a usage error where it is none."""
    try:
        return str(SERVER_URL.read("URL", text))
    except SettingsError as error:
        raise click.UsageError(str(error)) from error


def _environment() -> dict[str, Any]:
    source = environment()
    found = {one: text_of(one, source)[0] for one in CLIENT}
    return {one.attribute: None if text is None else one.parser.read(one.name, text) for one, text in found.items()}

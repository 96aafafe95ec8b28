"""The conformance kit: an extension tried against the whole platform, on a database that is thrown away."""

from __future__ import annotations

import ast
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from flask import Flask

from app.bootstrap.web import build
from app.cli.db import MIGRATIONS
from app.extension_host.discovery import Sources, discover
from app.extension_host.host import ExtensionHost
from app.extension_host.registry import Record, State
from app.factory import create_app
from app.languages.catalogue import LANGUAGES, read
from config import logging
from config.settings import Settings, load
from ordinaut import Capability

OURS = {"app", "config", "workers", "migrations"}
SLOW_MS = 1000
SHAPE = {"error", "message", "details", "request_id"}


@dataclass(frozen=True, slots=True)
class Finding:
    """What one look found; `word` is `ok`, `warn` or `FAIL`."""

    word: str
    name: str
    text: str = ""

    @property
    def failed(self) -> bool:
        """Whether a promise is broken."""
        return self.word == "FAIL"


def checked(path: Path) -> list[Finding]:
    """Everything the kit has to say of the extension at `path`, a folder or a single file."""
    records = discover(Sources(paths=[path.absolute()], entry_points=tuple))
    if len(records) != 1:
        return [Finding("FAIL", "discovery", f"There is not one extension here, but {len(records)}")]
    (record,) = records
    if record.failure is not None:
        return [Finding("FAIL", "discovery", record.failure.message)]
    findings = [Finding("ok", "discovery", f"{record.id} {record.info.version}"), *_sources(record), *_words(record)]
    with _platform(path) as (app, host):
        findings += _loading(host, record)
        loaded = host.record(record.id)
        if loaded is not None and loaded.state is State.LOADED:
            findings += [*_grants(host, loaded), *_health(app, loaded)]
            findings += [*_errors(app, loaded), *_tools(app, host, loaded)]
    if any(one.failed and one.name == "load" for one in findings):
        return findings  # with less it cannot but fail as well
    with _platform(path, ORDINAUT_EXT_GRANTS=f"{record.id}=") as (_, host):
        findings += _without_grants(host, record)
    return findings


@contextmanager
def _platform(path: Path, **environ: str) -> Iterator[tuple[Flask, ExtensionHost]]:
    """The whole application with this extension beside the built-in ones; nothing is logged."""
    with tempfile.TemporaryDirectory(prefix="ordinaut-check-", ignore_cleanup_errors=True) as home:
        settings = load(
            {
                "PATH": os.defpath,
                "ORDINAUT_HOME": home,
                "DATABASE_URL": f"sqlite:///{home}/check.db",
                "ORDINAUT_AUTH": "off",
                "ORDINAUT_EXT_PATHS": str(path.absolute()),
                "LOG_LEVEL": "CRITICAL",
                **environ,
            }
        )
        logging.configure(settings)
        container = build(migrated(settings))
        yield create_app(container), container.extensions


def migrated(settings: Settings) -> Settings:
    """The same settings, their database made."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("sqlalchemy.url", settings.database_url.replace("%", "%%"))
    command.upgrade(config, "head")
    return settings


def _sources(record: Record) -> Iterator[Finding]:
    """Its files import nothing of the platform's own."""
    files = sorted(record.place.folder.rglob("*.py")) if record.place.folder else [record.place.file or Path()]
    guilty = [file.name for file in files if OURS & _imported(file)]
    if guilty:
        yield Finding("FAIL", "imports", f"{', '.join(guilty)}: an extension imports `ordinaut`, not the platform")
    else:
        yield Finding("ok", "imports")


def _imported(file: Path) -> set[str]:
    try:
        tree = ast.parse(file.read_bytes())
    except SyntaxError:
        return set()  # loading it tells what is wrong
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.add((node.module or "").split(".")[0])
    return names


def _words(record: Record) -> Iterator[Finding]:
    """Its catalogues can be read."""
    for language in LANGUAGES:
        file = (record.place.folder or Path()) / "locale" / f"{language}.po"
        if record.place.folder is None or not file.is_file():
            continue
        try:
            read(file, language)
            yield Finding("ok", f"locale/{language}.po")
        except (OSError, ValueError) as error:
            yield Finding("FAIL", f"locale/{language}.po", str(error))


def _loading(host: ExtensionHost, record: Record) -> Iterator[Finding]:
    with _listening() as calls:
        loaded = host.load(record.id)
    assert loaded is not None
    if loaded.failure is not None:
        yield Finding("FAIL", "load", f"{loaded.failure.error_type}: {loaded.failure.message}")
        return
    took = f"{loaded.loaded_ms} ms"
    yield Finding("warn" if (loaded.loaded_ms or 0) > SLOW_MS else "ok", "load", took)
    if calls:
        yield Finding("FAIL", "network", f"Importing it and setup() must not connect anywhere: {', '.join(calls)}")
    else:
        yield Finding("ok", "network")
    if loaded.info != record.info:
        yield Finding("warn", "info", "info() and extension.json do not say the same of name, version or description")


@contextmanager
def _listening() -> Iterator[list[str]]:
    """The network calls of this process while the block lasts; an audit hook sees those of C code as well."""
    calls: list[str] = []
    listening = [True]

    def hear(event: str, arguments: tuple[Any, ...]) -> None:
        if listening[0] and event in ("socket.connect", "socket.getaddrinfo", "socket.sendto"):
            calls.append(f"{event}{arguments[1:2] if event == 'socket.connect' else arguments[:2]}")

    sys.addaudithook(hear)
    try:
        yield calls
    finally:
        listening[0] = False


def _grants(host: ExtensionHost, record: Record) -> Iterator[Finding]:
    missing = sorted(set(record.allowed) - set(record.grants))
    granted = ", ".join(one.value for one in Capability if one in record.grants) or "none"
    yield Finding("ok", "grants", granted)
    if missing:
        yield Finding("warn", "grants", f"The manifest allows what is not asked for: {', '.join(missing)}")
    live = host.live(record.id)
    asked = {Capability(str(one)) for one in live.extension.requested_capabilities()} if live else set()
    if refused := sorted(asked - set(record.allowed)):
        yield Finding("warn", "grants", f"It asks for what the manifest does not allow: {', '.join(refused)}")


def _without_grants(host: ExtensionHost, record: Record) -> Iterator[Finding]:
    """With nothing granted it loads, or says which capability it lacks."""
    loaded = host.load(record.id)
    if loaded is None or loaded.failure is None or loaded.failure.denied is not None:
        yield Finding("ok", "no grants")
    else:
        text = f"Without any capability it fails with {loaded.failure.error_type}, not with CapabilityDenied"
        yield Finding("FAIL", "no grants", text)


def _health(app: Flask, record: Record) -> Iterator[Finding]:
    answer = app.test_client().get(f"/ext/{record.id}/health")
    body = answer.get_json(silent=True) or {}
    if answer.status_code == 200:
        yield Finding("ok", "health", ", ".join(body.get("checks", {})))
    elif answer.status_code == 503 and "checks" in body:
        yield Finding("warn", "health", f"It is unhealthy here: {body['checks']}")
    else:
        yield Finding("FAIL", "health", f"GET /ext/{record.id}/health answers {answer.status_code}")


def _errors(app: Flask, record: Record) -> Iterator[Finding]:
    """Refusals have the shape that all of the API's have."""
    client = app.test_client()
    for path in ("no/such/address-a1b2c3", "static/../extension.json", "static/..%2fextension.py"):
        with client.get(f"/ext/{record.id}/{path}") as answer:
            body = answer.get_json(silent=True)
            if answer.status_code < 400:
                yield Finding("warn", "errors", f"/ext/{record.id}/{path} answers {answer.status_code}")
            elif not isinstance(body, dict) or not body.keys() >= SHAPE:
                yield Finding("FAIL", "errors", f"/ext/{record.id}/{path} is not refused in the API's one shape")
                return
    yield Finding("ok", "errors")


def _tools(app: Flask, host: ExtensionHost, record: Record) -> Iterator[Finding]:
    tools = host.tools_of(record.id)
    for tool in tools:
        if tool.description == tool.name:
            yield Finding("warn", tool.name, "It has no description: give it one, or a docstring")
        if tool.schema.get("required"):
            answer = app.test_client().post(f"/tools/{tool.name}/invoke", json={"arguments": {}})
            if answer.status_code != 400:
                yield Finding("FAIL", tool.name, f"Called without its arguments it answers {answer.status_code}")
                continue
        yield Finding("ok", tool.name)

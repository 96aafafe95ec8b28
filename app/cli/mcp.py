"""`ordinaut mcp`: the servers of the Model Context Protocol whose tools this installation uses."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from app.cli.access import Refused
from app.cli.exits import FAILED
from config.settings import load

if TYPE_CHECKING:
    from app.services.mcp import McpService


@contextmanager
def opened() -> Iterator[McpService]:
    """The use cases over this installation's database."""
    from app.bootstrap.mcp import connections, make_mcp
    from app.bootstrap.parts import make_events, make_queue, open_database, secret_values
    from app.domain.errors import OrdinautError
    from config import logging

    settings = load()
    logging.configure(settings)
    database = open_database(settings)
    try:
        events = make_events(settings, database, make_queue(settings))
        yield make_mcp(settings, database, events.service, events.herald, secret_values(settings, database))
    except OrdinautError as error:
        raise Refused(error.message, error.code) from error
    finally:
        connections.close()
        database.close()


@click.group()
def mcp() -> None:
    """Use servers of the Model Context Protocol: their tools become <server>.<tool>."""


@mcp.command(context_settings={"ignore_unknown_options": True})
@click.argument("name")
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
@click.option("--url", help="Of a server with Streamable HTTP, in place of a command.")
@click.option("--header", "headers", multiple=True, help="`Name: value`; ${secret:NAME} stands for a stored secret.")
@click.option("--env", "variables", multiple=True, help="NAME=value for the command, beside HOME and PATH.")
@click.option("--tool", "tools", multiple=True, help="A tool that may be called, with * for any rest. Default: all.")
def add(name: str, command: tuple[str, ...], url: str | None, **more: tuple[str, ...]) -> int:
    """Add the server NAME: its COMMAND after --, or --url; running processes take it in within seconds."""
    described: dict[str, Any] = {"url": url} if url else {}
    if command:
        # As it is found from here: the processes that will start it have a folder and a PATH of their own.
        found = shutil.which(command[0]) or command[0]
        described |= {"command": found, "args": list(command[1:]), "cwd": str(Path.cwd())}
    described |= {"headers": _pairs(more["headers"], ":")} if more["headers"] else {}
    described |= {"env": _pairs(more["variables"], "=")} if more["variables"] else {}
    described |= {"tools": list(more["tools"])} if more["tools"] else {}
    _checked(name, described)
    with _file() as servers:
        servers[name] = described
    click.echo(f"{name} is added. Try it: ordinaut mcp test {name}")
    return 0


@mcp.command()
@click.argument("name")
def remove(name: str) -> int:
    """Remove the server NAME; pipelines that use it fail from then on."""
    with _file() as servers:
        if servers.pop(name, None) is None:
            raise Refused(f"There is no MCP server named {name}", "not_found")
    click.echo(f"{name} is removed.")
    return 0


@mcp.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def list_servers(as_json: bool) -> int:
    """List the servers and how many tools each has, as they were when they were last asked."""
    with opened() as service:
        found = [_shown(*pair) for pair in service.all()]
    if as_json:
        click.echo(json.dumps({"items": found}, ensure_ascii=False, indent=2))
        return 0
    for one in found:
        told = one["error"] or (f"{len(one['tools'])} tools" if one["checked_at"] else "not asked yet")
        click.echo(f"{one['name']:<20} {one['where']:<40} {told}")
    return 0


@mcp.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def test(name: str, as_json: bool) -> int:
    """Connect to the server NAME and list its tools: exit 1 where it cannot be asked."""
    with opened() as service:
        server, known = service.check(name)
    shown = _shown(server, known)
    if as_json:
        click.echo(json.dumps(shown, ensure_ascii=False, indent=2))
    elif known.error:
        click.echo(f"{name}: {known.error}", err=True)
    else:
        click.echo(f"{name} speaks {known.protocol} and has {len(shown['tools'])} tools:")
        for tool in known.tools:
            click.echo(f"  {name}.{tool.name:<30} {' '.join(tool.description.split())[:80]}")
    return FAILED if known.error else 0


def _shown(server: Any, known: Any) -> dict[str, Any]:
    from app.schemas.mcp import mcp_server_out

    shown: dict[str, Any] = mcp_server_out(server, known).model_dump(mode="json")
    return shown


def _pairs(given: tuple[str, ...], mark: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for one in given:
        name, found_mark, value = one.partition(mark)
        if not found_mark or not name.strip():
            raise click.UsageError(f"{one.partition('=')[0]!r} is no NAME{mark}value.")
        found[name.strip()] = value.strip()
    return found


def _checked(name: str, described: dict[str, Any]) -> None:
    from config.mcp_servers import server_of

    try:
        server_of(name, described)
    except ValueError as error:
        raise click.UsageError(f"{error}.") from error


@contextmanager
def _file() -> Iterator[dict[str, Any]]:
    """The servers in the file of the settings, which is written when the block has ended."""
    path = load().mcp_servers.file
    if path is None:
        raise click.UsageError("ORDINAUT_MCP_SERVERS holds the servers themselves: change them there, or name a file.")
    given = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    inside = given.get("mcpServers", given.get("servers", given))
    yield inside
    path.parent.mkdir(parents=True, exist_ok=True)
    _written(path, json.dumps(given, ensure_ascii=False, indent=2) + "\n")


def _written(path: Path, text: str) -> None:
    """For the owner alone, since headers may hold keys; all of it or nothing."""
    made = path.with_suffix(".new")
    made.unlink(missing_ok=True)
    made.touch(mode=0o600)
    made.write_text(text, encoding="utf-8")
    made.replace(path)

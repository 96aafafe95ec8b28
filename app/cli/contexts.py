"""`ordinaut login` and `ordinaut context`: the servers that this user talks to."""

from __future__ import annotations

import json
import sys

import click

from app.cli.remote.output import Output
from app.cli.remote.plain import one_line
from app.cli.remote.servers import (
    DEFAULT_URL,
    Server,
    checked_url,
    contexts_file,
    load_contexts,
    save_contexts,
)

COLUMNS = (("NAME", "name"), ("URL", "url"), ("IN USE", "current"), ("TOKEN", "has_token"))
token_option = click.option(
    "--no-token", "without", is_flag=True, help="Show none: for a server with ORDINAUT_AUTH=off."
)


@click.command()
@click.argument("url", default=DEFAULT_URL)
@click.option("--name", default="default", show_default=True, help="What the context is called.")
@token_option
def login(url: str, name: str, without: bool) -> int:
    """Try an API key or access token at the server URL, keep it, and use it from now on.

    The key is asked for, or read from standard input where that is no terminal; never written on the command line.
    """
    from app.cli.remote.connection import Call, Connection

    server = Server(checked_url(url), None if without else _token())
    me = Connection(server).ask(Call(path="/agents/me")).body
    save_contexts(load_contexts().plus(name, server).using(name))
    click.echo(one_line(f"You are {me['name']} ({me['agent_id']}) at {server.url}; kept in {contexts_file()}."))
    return 0


@click.group()
def context() -> None:
    """Keep the addresses of several servers, and say which one is meant."""


@context.command()
@click.argument("name")
@click.argument("url")
@token_option
def add(name: str, url: str, without: bool) -> int:
    """Keep the server URL under NAME, without trying it; the first one is in use at once."""
    server = Server(checked_url(url), None if without else _token())
    save_contexts(load_contexts().plus(name, server))
    return 0


@context.command()
@click.argument("name")
def use(name: str) -> int:
    """Talk to the server NAME from now on."""
    save_contexts(load_contexts().using(name))
    return 0


@context.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def list_contexts(as_json: bool) -> int:
    """List the servers; tokens are not shown."""
    contexts = load_contexts()
    rows = [
        {"name": name, "url": server.url, "current": name == contexts.current, "has_token": server.token is not None}
        for name, server in sorted(contexts.servers.items())
    ]
    if as_json:
        click.echo(json.dumps({"items": rows}, ensure_ascii=False, indent=2))
    else:
        Output().many(rows, COLUMNS)
    return 0


@context.command()
@click.argument("name")
def remove(name: str) -> int:
    """Forget the server NAME and its token."""
    save_contexts(load_contexts().minus(name))
    return 0


def _token() -> str:
    text = click.prompt("API key", hide_input=True) if sys.stdin.isatty() else sys.stdin.readline()
    token = str(text).strip()
    if not token or not token.isascii() or not token.isprintable():
        raise click.UsageError("No API key was given. Make one with `ordinaut token create AGENT`, or use --no-token.")
    return token

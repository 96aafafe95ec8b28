"""`ordinaut tool`: the tools of a server, over HTTP."""

from __future__ import annotations

import json
from typing import Any

import click

from app.cli.exits import FAILED
from app.cli.remote.plain import one_line, plain
from app.cli.remote.session import Session, limited, remote

COLUMNS = (("NAME", "name"), ("SCOPE", "scope"), ("DESCRIPTION", "description"))
_FAILED = 422
"""What a tool that fails is answered with."""


@click.group()
def tool() -> None:
    """Look at tools, and call them."""


@tool.command("list")
@remote
@limited
def list_tools(session: Session, limit: int) -> int:
    """List tools by name."""
    found, total = session.pages("/tools", {}, limit)
    session.output.many(found, COLUMNS, total=total)
    return 0


@tool.command()
@remote
@click.argument("name")
def get(session: Session, name: str) -> int:
    """Show the tool NAME with the schema of its arguments."""
    from app.cli.remote.connection import segment

    session.output.one(session.get(f"/tools/{segment(name)}"), key="name")
    return 0


@tool.command()
@remote
@click.argument("name")
@click.option("-d", "--data", help="The arguments, a JSON object.")
@click.option("-f", "--file", help="The arguments, a YAML or JSON file; - is standard input.")
@click.option("--timeout", type=click.FloatRange(0, 25, min_open=True), default=25, show_default=True, help="Seconds.")
def call(session: Session, name: str, data: str | None, file: str | None, timeout: float) -> int:
    """Call the tool NAME and print its output: exit 1 where it fails, 6 where the arguments are wrong."""
    from app.cli.remote.connection import segment
    from app.cli.remote.refusals import Refused

    body = {"arguments": _arguments(data, file), "timeout_seconds": timeout}
    try:
        answer = session.post(f"/tools/{segment(name)}/invoke", body, seconds=timeout + 30, again=False)
    except Refused as error:
        if error.status == _FAILED:
            error.exit_code = FAILED  # type: ignore[misc]
        raise
    for line in answer["logs"]:
        click.echo(one_line(f"{line['level']}: {line['message']}"), err=True)
    if not session.output.quiet:
        _print(session, answer["output"])
    return 0


def _arguments(data: str | None, file: str | None) -> dict[str, Any]:
    from app.cli.remote.documents import json_object, read_object

    if data is not None and file is not None:
        raise click.UsageError("Give one of --data and --file.")
    if file is not None:
        return read_object(file)
    return {} if data is None else json_object(data)


def _print(session: Session, output: Any) -> None:
    if session.output.form != "table":
        session.output.data(output)
    else:
        click.echo(plain(output if isinstance(output, str) else json.dumps(output, ensure_ascii=False, indent=2)))

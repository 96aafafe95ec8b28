"""`ordinaut agent`, `token`, `audit`, `secrets`: access from the machine itself, where whoever may run it is admin."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from app.cli.exits import FAILED
from config.settings import load

if TYPE_CHECKING:
    from app.domain.access import Agent
    from app.services.access import AccessServices

CONFLICT, MISSING, INVALID = 5, 3, 6
_CODES = {"not_found": MISSING, "conflict": CONFLICT, "bad_request": INVALID}


class Refused(click.ClickException):
    """What the services refused, with the exit code of its kind."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.exit_code = _CODES.get(code, FAILED)  # type: ignore[misc]


@contextmanager
def opened() -> Iterator[AccessServices]:
    """The services over this installation's database."""
    from app.bootstrap.parts import open_access, open_database
    from app.domain.errors import InvalidInput, OrdinautError
    from config import logging

    settings = load()
    logging.configure(settings)
    database = open_database(settings)
    try:
        yield open_access(settings, database)
    except InvalidInput as error:
        raise Refused("; ".join(problem.message for problem in error.problems), error.code) from error
    except OrdinautError as error:
        raise Refused(error.message, error.code) from error
    finally:
        database.close()


@click.group()
def agent() -> None:
    """Create, list, change and delete agents: those who may call the API."""


@agent.command()
@click.argument("name")
@click.option("--scope", "scopes", multiple=True, help="A scope to hold; may be repeated. Default: admin.")
@click.option("--description", default="", help="What it is for.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def create(name: str, scopes: tuple[str, ...], description: str, as_json: bool) -> int:
    """Create the agent NAME and print its secret, this once."""
    with opened() as access:
        made, secret = access.agents.create(name, scopes=scopes or ("admin",), description=description, caller=_me())
    told = {"agent_id": made.id, "name": made.name, "scopes": list(made.scopes), "agent_secret": secret}
    _print(told, as_json=as_json)
    return 0


@agent.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def list_agents(as_json: bool) -> int:
    """List agents by name."""
    with opened() as access:
        found = [_shown(one) for one in access.agents.page(limit=1_000_000, offset=0).items]
    if as_json:
        click.echo(json.dumps({"items": found}, ensure_ascii=False, indent=2))
        return 0
    for one in found:
        click.echo(f"{one['agent_id']}  {one['status']:8}  {one['name']}  {','.join(one['scopes'])}")
    return 0


@agent.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def renew(name: str, as_json: bool) -> int:
    """Give the agent NAME (or id) a new secret and print it, this once; its tokens end."""
    with opened() as access:
        made, secret = access.agents.renew_secret(access.agents.named(name).id, caller=_me())
    _print({"agent_id": made.id, "name": made.name, "agent_secret": secret}, as_json=as_json)
    return 0


@agent.command()
@click.argument("name")
@click.option("--scope", "scopes", multiple=True, required=True, help="A scope to hold; may be repeated.")
def scopes(name: str, scopes: tuple[str, ...]) -> int:
    """Give the agent NAME (or id) exactly these scopes."""
    with opened() as access:
        access.agents.change(access.agents.named(name).id, {"scopes": scopes}, caller=_me())
    return 0


@agent.command()
@click.argument("name")
def disable(name: str) -> int:
    """Lock the agent NAME (or id) out; `enable` lets it in again."""
    return _set_status(name, "disabled")


@agent.command()
@click.argument("name")
def enable(name: str) -> int:
    """Let the agent NAME (or id) in again."""
    return _set_status(name, "active")


@agent.command()
@click.argument("name")
def delete(name: str) -> int:
    """Delete the agent NAME (or id) with its keys; its tasks stay."""
    with opened() as access:
        access.agents.delete(access.agents.named(name).id, caller=_me())
    return 0


@click.group()
def token() -> None:
    """Create API keys."""


@token.command("create")
@click.argument("agent_name")
@click.option("--name", default="command line", show_default=True, help="What the key is called.")
@click.option("--scope", "scopes", multiple=True, help="A scope to hold; may be repeated. Default: the agent's.")
@click.option("--days", type=click.IntRange(1, 36_500), help="Days until it runs out. Default: never.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def create_token(agent_name: str, name: str, scopes: tuple[str, ...], days: int | None, as_json: bool) -> int:
    """Create an API key for the agent AGENT_NAME (or id) and print it, this once."""
    until = None if days is None else datetime.now(UTC) + timedelta(days=days)
    with opened() as access:
        owner = access.agents.named(agent_name)
        key, raw = access.agents.create_key(owner.id, name, scopes=scopes or None, expires_at=until, caller=_me())
    told = {"key_id": key.id, "agent_id": owner.id, "scopes": list(key.scopes), "key": raw}
    _print(told, as_json=as_json)
    return 0


@click.group()
def audit() -> None:
    """Look after the audit log."""


@audit.command()
@click.option("--head", help="A hash noted down earlier: fails when no row has it any more.")
@click.option(
    "--unsealed",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="How many rows are from before ORDINAUT_SECRET_KEYS was set: any other without a seal fails.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def verify(head: str | None, unsealed: int, as_json: bool) -> int:
    """Prove that no row was changed or removed; exit 1 at the first that was."""
    with opened() as access:
        verdict = access.audit.verify(expected_head=head, unsealed=unsealed)
    broken = verdict.broken
    told = {
        "intact": broken is None,
        "rows": verdict.rows,
        "head": verdict.head,
        "broken_at": None if broken is None else broken.number,
        "reason": None if broken is None else broken.reason,
    }
    _print(told, as_json=as_json)
    return 0 if broken is None else FAILED


@click.group()
def secrets() -> None:
    """Look after stored secrets."""


@secrets.command()
def rotate() -> int:
    """Encrypt every secret anew with the first of ORDINAUT_SECRET_KEYS."""
    with opened() as access:
        changed = access.secrets.rotate()
    click.echo(f"{changed} encrypted anew")
    return 0


def _set_status(name: str, status: str) -> int:
    with opened() as access:
        access.agents.change(access.agents.named(name).id, {"status": status}, caller=_me())
    return 0


def _me() -> Any:
    from app.domain.access import COMMAND_LINE

    return COMMAND_LINE


def _shown(one: Agent) -> dict[str, Any]:
    return {"agent_id": one.id, "name": one.name, "status": one.status, "scopes": list(one.scopes)}


def _print(facts: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(facts, ensure_ascii=False, indent=2))
        return
    width = max(map(len, facts))
    for name, value in facts.items():
        shown = ",".join(value) if isinstance(value, list) else value
        click.echo(f"{name:{width}}  {'' if shown is None else shown}")

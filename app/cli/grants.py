"""`ordinaut grant`: what the tasks of agents may do, on a server, over HTTP."""

from __future__ import annotations

import json
from typing import Any

import click

from app.cli.remote.session import Session, limited, remote

COLUMNS = (("ID", "id"), ("STATUS", "status"), ("TASK", "task_title"), ("ASKED BY", "asked_by"), ("MAY", "may"))
_SAID = click.option("--comment", help="What the others should know.")


@click.group()
def grant() -> None:
    """Accept or refuse what the tasks of agents may do."""


@grant.command("list")
@remote
@click.option("--status", multiple=True, default=("pending",), show_default=True, help="May be repeated.")
@click.option("--task", "task_id", help="Those of this task.")
@limited
def list_grants(session: Session, limit: int, **where: Any) -> int:
    """List grants, newest first."""
    found, total = session.pages("/grants", where, limit)
    shown = [{**one, "may": _words(one)} for one in found] if session.output.form == "table" else found
    session.output.many(shown, COLUMNS, total=total)
    return 0


@grant.command()
@remote
@click.argument("grant_id")
def get(session: Session, grant_id: str) -> int:
    """Show the grant GRANT_ID."""
    found = session.get(_path(grant_id))
    session.output.one({**found, "permissions": _words(found)} if session.output.form == "table" else found)
    return 0


@grant.command()
@remote
@click.argument("grant_id")
@click.option("--until", help="When it ends, such as 2027-01-01T00:00:00Z; `never` for no end.")
@click.option("--calls", type=click.IntRange(1), help="How many calls it allows in a day.")
@click.option("--outside", type=click.Choice(["fail", "ask"]), help="What a step that goes beyond it does.")
@_SAID
def accept(session: Session, grant_id: str, until: str | None, calls: int | None, **said: str | None) -> int:
    """Let the task of the grant GRANT_ID do what it asks for."""
    terms: dict[str, Any] = {"until": None if until == "never" else until} if until else {}
    terms |= {"calls_per_day": calls} if calls else {}
    terms |= {name: value for name, value in said.items() if value}
    answer = session.post(f"{_path(grant_id)}/accept", terms)
    session.output.done(answer, f"{answer['task_title']}: accepted until {answer['until'] or 'somebody takes it back'}")
    return 0


@grant.command()
@remote
@click.argument("grant_id")
@_SAID
def refuse(session: Session, grant_id: str, comment: str | None) -> int:
    """Keep the task of the grant GRANT_ID from it, also where that was accepted before."""
    answer = session.post(f"{_path(grant_id)}/refuse", {"comment": comment} if comment else {})
    session.output.done(answer, f"{answer['task_title']}: refused")
    return 0


def _words(found: dict[str, Any]) -> list[str]:
    """Each permission, with all that it is about where its sentence is cut."""
    return [
        f"{one['text']}: {json.dumps(one['where'], ensure_ascii=False)}" if one["cut"] else one["text"]
        for one in found["permissions"]
    ]


def _path(grant_id: str) -> str:
    from app.cli.remote.connection import segment

    return f"/grants/{segment(grant_id)}"

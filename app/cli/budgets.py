"""`ordinaut budget`: how much agents, tasks and tools may use, on a server, over HTTP."""

from __future__ import annotations

from typing import Any

import click

from app.cli.remote.session import Session, remote

COLUMNS = (
    *(("NAME", "name"), ("STATE", "state"), ("USED", "used"), ("SOFT", "soft"), ("HARD", "hard"), ("UNIT", "unit")),
    *(("WINDOW", "window"), ("AGENT", "agent_id"), ("TASK", "task_id"), ("TOOL", "tool"), ("ENDS", "ends_at")),
)


@click.group()
def budget() -> None:
    """Set how much may be called, asked of language models and spent."""


@budget.command("list")
@remote
def list_budgets(session: Session) -> int:
    """List budgets by name, with what has been used of each."""
    session.output.many(session.get("/budgets")["items"], COLUMNS)
    return 0


@budget.command()
@remote
@click.argument("name")
def get(session: Session, name: str) -> int:
    """Show the budget NAME."""
    session.output.one(session.get(_path(name)), key="name")
    return 0


@budget.command("set")
@remote
@click.argument("name")
@click.option("--hard", type=float, help="No call begins that would go beyond.")
@click.option("--soft", type=float, help="From here on the platform tells of it.")
@click.option("--unit", type=click.Choice(["calls", "tokens", "money"]), default="calls", show_default=True)
@click.option("--window", type=click.Choice(["day", "month"]), default="day", show_default=True)
@click.option("--then", type=click.Choice(["fail", "wait"]), default="fail", show_default=True, help="Of a step.")
@click.option("--agent", "agent_id", help="Whose calls count. Default: everybody's.")
@click.option("--task", "task_id", help="Calls of which task's runs. Default: any.")
@click.option("--tool", help="Calls of which tool; * at its end means any rest. Default: all.")
def set_budget(session: Session, name: str, **given: Any) -> int:
    """Set the budget NAME, in place of any of that name; what was used stays."""
    answer = session.send("PUT", _path(name), body=given).body
    used = f"{answer['used']:g} of {_most(answer)} {answer['unit']}"
    session.output.done(answer, f"{name}: {used} used this {answer['window']}")
    return 0


@budget.command()
@remote
@click.argument("name")
def delete(session: Session, name: str) -> int:
    """Delete the budget NAME."""
    session.send("DELETE", _path(name))
    session.output.done({"name": name}, f"{name}: deleted")
    return 0


def _most(answer: dict[str, Any]) -> str:
    """What there is: as far as it holds, else as far as nobody is told."""
    return f"{answer['soft'] if answer['hard'] is None else answer['hard']:g}"


def _path(name: str) -> str:
    from app.cli.remote.connection import segment

    return f"/budgets/{segment(name)}"

"""The commands of `ordinaut`, a file each; what a command needs is imported when it runs."""

from __future__ import annotations

from typing import Any

import click

from app.cli.access import agent, audit, secrets, token
from app.cli.apply import apply
from app.cli.beat import beat
from app.cli.budgets import budget
from app.cli.contexts import context, login
from app.cli.db import db
from app.cli.doctor import doctor
from app.cli.events import event
from app.cli.exits import INTERRUPTED, USAGE
from app.cli.export import export
from app.cli.ext import ext
from app.cli.grants import grant
from app.cli.mcp import mcp
from app.cli.runs import run
from app.cli.schedules import schedule
from app.cli.tasks import task
from app.cli.tools import tool
from app.cli.web import web
from app.cli.worker import worker
from ordinaut import __version__


class Commands(click.Group):
    """A group that returns the exit code also when the command line is wrong."""

    def main(self, *arguments: Any, **options: Any) -> Any:
        """As click's, with usage errors shown and turned into their exit code."""
        try:
            return super().main(*arguments, **options)
        except click.ClickException as error:
            error.show()
            return USAGE if isinstance(error, click.UsageError) else error.exit_code
        except click.Abort:
            return INTERRUPTED


@click.group(cls=Commands)
@click.version_option(__version__, package_name="ordinaut")
def ordinaut() -> None:
    """Ordinaut: schedules, pipelines of tools, runs you can watch."""


@ordinaut.command()
def up() -> int:
    """Start everything on this machine: database, Valkey, web, worker and beat."""
    from app.cli.up import up as start

    return start()


SERVER: tuple[click.Command, ...] = (web, worker, beat, db, doctor, agent, token, audit, secrets, ext, mcp)
"""They work on this machine's installation."""
CLIENT: tuple[click.Command, ...] = (login, context, task, run, event, tool, schedule, grant, budget, export, apply)
"""They talk to a server over HTTP, and work anywhere; so does `ext status`."""

for command in (*SERVER, *CLIENT):
    ordinaut.add_command(command)

"""`ordinaut apply`: making a server's tasks what files say they are, over HTTP."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from app.cli.exits import FAILED, OK, USAGE
from app.cli.remote.output import coloured
from app.cli.remote.plain import plain
from app.cli.remote.session import Session, remote

if TYPE_CHECKING:
    from app.cli.manifests import Manifest
    from app.cli.plans import Change

_DONE = {"create": "created", "update": "updated", "keep": "unchanged", "delete": "deleted"}
_WOULD = {"create": "would be created", "update": "would be updated", "keep": "unchanged", "delete": "would be deleted"}
_COLOURS = {"+": "green", "-": "red", "@": "cyan"}


@click.command()
@remote
@click.option("-f", "--file", "files", multiple=True, required=True, help="A file or a folder; - is standard input.")
@click.option("--set", "set_name", metavar="NAME", help="The set of the tasks that name none.")
@click.option("--prune", is_flag=True, help="Delete tasks of the same sets that no file describes any more.")
@click.option("--dry-run", is_flag=True, help="Change nothing: exit 1 where something would change, else 0.")
@click.option("--yes", is_flag=True, help="Delete without asking.")
def apply(session: Session, files: tuple[str, ...], **wish: Any) -> int:
    """Make the tasks that files describe, and change those that differ.

    Every document is tried first; nothing is written where the server refuses one.
    """
    from app.cli.manifests import read_manifests
    from app.cli.plans import ground, planned, pruned

    _check_set(wish["set_name"])
    manifests = read_manifests(files, wish["set_name"])
    sets = _sets(manifests, wish["set_name"])
    if wish["prune"] and not sets:
        raise click.UsageError("--prune deletes tasks of a set: give --set NAME, or managed_by in the documents.")
    on = ground(session)
    changes = planned(session, manifests, on) + (pruned(session, manifests, sets, on) if wish["prune"] else [])
    _show(session, changes, dry_run=wish["dry_run"])
    if wish["dry_run"]:
        return FAILED if any(change.action != "keep" for change in changes) else OK
    return _write(session, changes, asks=not wish["yes"])


def _check_set(name: str | None) -> None:
    from app.cli.manifests import SET_NAME

    if name is not None and not SET_NAME.fullmatch(name):
        raise click.UsageError("A set has a name of letters, digits, '.', '_' and '-', at most 39.")


def _sets(manifests: Sequence[Manifest], name: str | None) -> list[str]:
    return sorted({one for one in (*(manifest.managed_by for manifest in manifests), name) if one is not None})


def _show(session: Session, changes: Sequence[Change], *, dry_run: bool) -> None:
    if session.output.form != "table" and dry_run:
        session.output.data({"dry_run": True, "changes": [_told(change) for change in changes]})
    elif session.output.form == "table" and not session.output.quiet:
        for change in changes:
            for line in change.diff:
                click.echo(coloured(plain(line), _COLOURS.get(line[0]) if line else None))
            if dry_run:
                click.echo(f"{plain(change.name)}: {_WOULD[change.action]}")


def _write(session: Session, changes: Sequence[Change], *, asks: bool) -> int:
    doomed = [change for change in changes if change.action == "delete"]
    if doomed and asks and not _agreed(len(doomed)):
        return FAILED
    for number, change in enumerate(changes):
        try:
            _do(session, change)
        except click.ClickException:
            click.echo(f"{number} of {len(changes)} are done; the rest is not.", err=True)
            raise
        if session.output.form == "table" and not session.output.quiet:
            click.echo(f"{plain(change.name)}: {_DONE[change.action]}")
    if session.output.form != "table":
        session.output.data({"dry_run": False, "changes": [_told(change) for change in changes]})
    return OK


def _agreed(count: int) -> bool:
    from app.cli.remote.refusals import Stopped

    if not _terminal():
        raise Stopped(
            f"{count} tasks would be deleted, and nobody can be asked: give --yes. Nothing was changed.", USAGE
        )
    return click.confirm(f"Delete {count} task{'s' if count > 1 else ''} with their runs?", err=True)


def _terminal() -> bool:
    return sys.stdin.isatty()


def _do(session: Session, change: Change) -> None:
    from app.cli.remote.refusals import Refused

    seen = {"If-None-Match": "*"} if change.version is None else {"If-Match": f'"{change.version}"'}
    if change.action == "delete":
        session.send("DELETE", change.path, headers=seen)
    elif change.action != "keep" and change.manifest is not None:
        try:
            session.send("PUT", change.path, body=change.manifest.body(), headers=seen)
        except Refused as error:
            raise change.manifest.document.refused(error) from error


def _told(change: Change) -> dict[str, Any]:
    return {"name": change.name, "action": change.action, "diff": "\n".join(change.diff)}

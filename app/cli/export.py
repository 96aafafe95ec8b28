"""`ordinaut export`: a server's tasks as documents, over HTTP."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from app.cli.remote.output import Output
from app.cli.remote.session import Session


@click.command()
@click.option("--tag", "tags", multiple=True, help="Tasks that carry it; may be repeated: those that carry any.")
@click.option("-o", "--output", "file", help="Write into this file. Default: standard output.")
@click.option("--context", help="The server to talk to, see `ordinaut context`.")
def export(tags: tuple[str, ...], file: str | None, context: str | None) -> int:
    """Write the active and paused tasks as YAML documents, which `ordinaut apply` takes."""
    from app.cli.manifests import exported
    from app.cli.plans import ground

    session = Session(Output(), context)
    on = ground(session)
    documents = [exported(task, on.defaults, by_id=task["created_by"] != on.me) for task in _tasks(session, tags)]
    _write(documents, file)
    by_id = sum("id" in document for document in documents)
    if by_id:
        click.echo(f"{by_id} of {len(documents)} have no external_id of yours: they fit this server alone.", err=True)
    return 0


def _tasks(session: Session, tags: tuple[str, ...]) -> list[dict[str, Any]]:
    """By external id, then by id: the same each time."""
    found = {
        task["id"]: task
        for tag in tags or (None,)
        for task in session.pages("/tasks", {"tag": tag, "status": ("active", "paused")}, None)[0]
    }
    return sorted(
        found.values(), key=lambda task: (not task.get("external_id"), task.get("external_id") or "", task["id"])
    )


def _write(documents: list[dict[str, Any]], file: str | None) -> None:
    from app.cli.remote.yaml_text import dump

    text = "".join(f"---\n{dump(document)}" for document in documents)
    if file is None or file == "-":
        click.echo(text, nl=False)
        return
    path = Path(file)
    new = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        new.write_text(text, encoding="utf-8")
        new.replace(path)
    except OSError as error:
        raise click.UsageError(f"{file} cannot be written: {error.strerror}.") from error

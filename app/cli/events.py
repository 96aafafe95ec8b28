"""`ordinaut event`: events on a server, over HTTP."""

from __future__ import annotations

import json
from typing import Any

import click

from app.cli.remote.plain import one_line
from app.cli.remote.session import Session, limited, remote

COLUMNS = (("TOPIC", "topic"), ("EVENTS", "events"), ("LAST", "last_published_at"), ("LAST ID", "last_event_id"))


@click.group()
def event() -> None:
    """Publish events, and listen to them."""


@event.command()
@remote
@click.argument("topic")
@click.option("-d", "--data", help="The payload, a JSON object.")
@click.option("-f", "--file", help="The payload, a YAML or JSON file; - is standard input.")
@click.option("--key", help="Publishing twice under one key gives one event.")
def publish(session: Session, topic: str, data: str | None, file: str | None, key: str | None) -> int:
    """Publish an event on TOPIC."""
    body = {"topic": topic, "payload": _payload(data, file)}
    answer = session.post("/events", body, headers={"Idempotency-Key": key} if key else {})
    details = answer["details"]
    if session.output.quiet:
        click.echo(details["event_id"])
    session.output.done(answer, f"event {details['event_id']}: {_started(details['triggered_tasks'])}")
    return 0


@event.command()
@remote
@click.argument("pattern", default="**")
@click.option("--since", metavar="ID", default="", help="Begin after the event with this id. Default: from now on.")
@click.option("--count", type=click.IntRange(1), help="End after so many. Default: never.")
def tail(session: Session, pattern: str, since: str, count: int | None) -> int:
    """Print the events that PATTERN fits, as they come.

    In patterns `*` is one segment and `**` the rest. A lost connection is made again, and nothing is missed.
    """
    from app.cli.remote.follow import follow

    seen = 0
    for message in follow(session.connection, "/events/stream", {"topic": pattern}, since):
        if message.event == "gap":
            click.echo(f"events are missing here: {message.data}", err=True)
            continue
        found = json.loads(message.data)
        session.output.piece(found, _line(found))
        seen += 1
        if seen == count:
            break
    return 0


@event.command()
@remote
@limited
def topics(session: Session, limit: int) -> int:
    """List the topics that have stored events."""
    found, total = session.pages("/events/topics", {}, limit)
    session.output.many(found, COLUMNS, total=total)
    return 0


def _payload(data: str | None, file: str | None) -> dict[str, Any]:
    from app.cli.remote.documents import json_object, read_object

    if data is not None and file is not None:
        raise click.UsageError("Give one of --data and --file.")
    if file is not None:
        return read_object(file)
    return {} if data is None else json_object(data)


def _started(tasks: list[str]) -> str:
    return "it started no task" if not tasks else f"it started {len(tasks)} task{'s' if len(tasks) > 1 else ''}"


def _line(found: dict[str, Any]) -> str:
    payload = json.dumps(found["payload"], ensure_ascii=False)
    return one_line(f"{found['published_at']}  {found['id'] or '-'}  {found['topic']}  {payload}")

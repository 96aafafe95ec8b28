"""`ordinaut task`: tasks on a server, over HTTP."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from app.cli.apply import apply
from app.cli.exits import INVALID
from app.cli.remote.plain import one_line
from app.cli.remote.session import Session, limited, patient, remote

if TYPE_CHECKING:
    from app.cli.remote.documents import Document

COLUMNS = (
    ("ID", "id"),
    ("STATUS", "status"),
    ("SCHEDULE", "description_text"),
    ("NEXT RUN", "next_run_effective"),
    ("TITLE", "title"),
)
OCCURRENCES = (("WHEN", "nominal"), ("LOCAL TIME", "local"), ("NOTE", "note"))
_DURATION = re.compile(r"(?:(\d{1,6})d)?(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,6})s)?", re.ASCII)
file_option = click.option("-f", "--file", required=True, help="A YAML or JSON file; - is standard input.")


@click.group()
def task() -> None:
    """Look at tasks, make them, run them."""


task.add_command(apply)


@task.command("list")
@remote
@click.option("--status", multiple=True, help="active, paused, canceled or completed; may be repeated.")
@click.option("--tag", help="Those that carry it.")
@click.option("--kind", "schedule_kind", help="cron, rrule, once, event, condition or manual.")
@click.option("--created-by", help="Those of this agent.")
@click.option("--search", "q", help="Part of the title or the description.")
@limited
def list_tasks(session: Session, limit: int, **where: Any) -> int:
    """List tasks, newest first."""
    found, total = session.pages("/tasks", where, limit)
    session.output.many(found, COLUMNS, total=total)
    return 0


@task.command()
@remote
@click.argument("task_id")
def get(session: Session, task_id: str) -> int:
    """Show the task TASK_ID."""
    session.output.one(session.get(_path(task_id)))
    return 0


@task.command()
@remote
@file_option
def create(session: Session, file: str) -> int:
    """Make the task that a file describes."""
    document = _described(file)
    made = _sent(session, document, preview=False)
    session.output.one(made)
    return 0


@task.command()
@remote
@file_option
def validate(session: Session, file: str) -> int:
    """Check the task that a file describes: 0 when the server would take it, 6 when not."""
    answer = _sent(session, _described(file), preview=True)
    session.output.done({"valid": True, "warnings": answer["warnings"]}, "It is valid.")
    _warn(answer)
    return 0


@task.command()
@remote
@file_option
def preview(session: Session, file: str) -> int:
    """Show when the task that a file describes would run."""
    answer = _sent(session, _described(file), preview=True)
    if session.output.form == "table":
        click.echo(one_line(str(answer["description_text"])))
        session.output.many(answer["next_occurrences"], OCCURRENCES)
    else:
        session.output.data(answer)
    _warn(answer)
    return 0


@task.command()
@remote
@click.argument("task_id")
@click.option("-p", "--param", "params", multiple=True, metavar="NAME=VALUE", help="A param; JSON, or else text.")
@click.option("--key", help="Asking twice under one key gives one run.")
@click.option("--wait", "waits", is_flag=True, help="Wait until it has ended: exit 1 unless it succeeded.")
@patient
def run(session: Session, task_id: str, **wish: Any) -> int:
    """Run the task TASK_ID now."""
    from app.cli.waiting import wait

    given = dict(_param(one) for one in wish["params"])
    body = {**({"params": given} if given else {}), **({"idempotency_key": wish["key"]} if wish["key"] else {})}
    headers = {"Idempotency-Key": wish["key"]} if wish["key"] else {}
    queued = session.post(f"{_path(task_id)}/run_now", body, headers=headers)
    if wish["waits"]:
        return wait(session, queued["run_id"], wish["timeout"])
    if session.output.quiet:
        click.echo(queued["run_id"])
    session.output.done(queued, f"run {queued['run_id']}: {queued['message']}")
    return 0


@task.command()
@remote
@click.argument("task_id")
def pause(session: Session, task_id: str) -> int:
    """Pause the task TASK_ID until it is resumed."""
    return _act(session, task_id, "pause")


@task.command()
@remote
@click.argument("task_id")
def resume(session: Session, task_id: str) -> int:
    """Take the task TASK_ID up again."""
    return _act(session, task_id, "resume")


@task.command()
@remote
@click.argument("task_id")
@click.option("--for", "duration", metavar="DURATION", help="Such as 90s, 45m, 1h30m or 2d; a week at most.")
@click.option("--until", metavar="TIME", help="Such as 2026-11-24T08:30:00Z.")
@click.option("--reason", help="Why, for those who look later.")
def snooze(session: Session, task_id: str, duration: str | None, until: str | None, reason: str | None) -> int:
    """Skip what the task TASK_ID would do before a moment."""
    if (duration is None) == (until is None):
        raise click.UsageError("Give one of --for and --until.")
    given = {"until": until} if duration is None else {"delay_seconds": seconds(duration)}
    return _act(session, task_id, "snooze", {**given, **({"reason": reason} if reason else {})})


@task.command()
@remote
@click.argument("task_id")
def cancel(session: Session, task_id: str) -> int:
    """End the task TASK_ID for good; its runs go on."""
    return _act(session, task_id, "cancel")


@task.command()
@remote
@click.argument("task_id")
def delete(session: Session, task_id: str) -> int:
    """Delete the task TASK_ID with its runs."""
    session.send("DELETE", _path(task_id))
    session.output.done({"success": True, "task_id": task_id}, "Task deleted")
    return 0


@task.command()
@remote
@click.argument("task_id")
@click.option("--at", metavar="TIME", help="Such as 2026-11-24T08:30:00Z. Default: now.")
def why(session: Session, task_id: str, at: str | None) -> int:
    """Say why the task TASK_ID did or did not run at a moment."""
    answer = session.get(f"{_path(task_id)}/why", {"at": at or datetime.now(UTC).isoformat(timespec="seconds")})
    session.output.done(answer, answer["answer"])
    return 0


def seconds(text: str) -> int:
    """Of a duration such as 90s, 1h30m or 2d; a usage error where it is none."""
    form = _DURATION.fullmatch(text)
    if form is None or not text:
        raise click.UsageError(f"{text!r} is no duration such as 90s, 45m, 1h30m or 2d.")
    days, hours, minutes, rest = (int(part or 0) for part in form.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + rest


def _described(file: str) -> Document:
    """The task in a file: its members, or those under `spec` of a document as `ordinaut export` writes it."""
    from app.cli.remote.documents import read_one
    from app.cli.remote.refusals import Stopped

    document = read_one(file)
    if not isinstance(document.value, dict):
        raise Stopped(document.mistake("", "it has to be a mapping"), INVALID)
    return document.part("spec") if "apiVersion" in document.value and "spec" in document.value else document


def _sent(session: Session, document: Document, *, preview: bool) -> dict[str, Any]:
    from app.cli.remote.refusals import Refused

    try:
        query = {"preview": True} if preview else {}
        answer: dict[str, Any] = session.post("/tasks", document.value, query=query, again=preview)
    except Refused as error:
        raise document.refused(error) from error
    return answer


def _warn(answer: dict[str, Any]) -> None:
    from app.cli.remote.refusals import problem_line

    for warning in answer["warnings"]:
        click.echo(f"warning: {problem_line(warning)}", err=True)


def _act(session: Session, task_id: str, action: str, body: dict[str, Any] | None = None) -> int:
    answer = session.post(f"{_path(task_id)}/{action}", body)
    session.output.done(answer, str(answer["message"]))
    return 0


def _path(task_id: str) -> str:
    from app.cli.remote.connection import segment

    return f"/tasks/{segment(task_id)}"


def _param(text: str) -> tuple[str, Any]:
    import json

    name, equals, value = text.partition("=")
    if not equals or not name:
        raise click.UsageError(f"{text!r} is not NAME=VALUE.")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value

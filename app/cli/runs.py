"""`ordinaut run`: runs on a server, over HTTP."""

from __future__ import annotations

import json
from typing import Any

import click

from app.cli.remote.plain import one_line
from app.cli.remote.session import Session, limited, patient, remote

COLUMNS = (
    ("ID", "id"),
    ("STATUS", "status"),
    ("TRIGGER", "trigger"),
    ("FOR", "scheduled_for"),
    ("FINISHED", "finished_at"),
    ("TASK", "task_title"),
)


@click.group()
def run() -> None:
    """Look at runs, stop them, repeat them."""


@run.command("list")
@remote
@click.option("--task", "task_id", help="Those of this task.")
@click.option("--status", multiple=True, help="queued, running, succeeded, failed …; may be repeated.")
@click.option("--trigger", help="schedule, manual, event …")
@limited
def list_runs(session: Session, limit: int, **where: Any) -> int:
    """List runs, newest first."""
    found, total = session.pages("/runs", where, limit)
    session.output.many(found, COLUMNS, total=total)
    return 0


@run.command()
@remote
@click.argument("run_id")
def get(session: Session, run_id: str) -> int:
    """Show the run RUN_ID with its steps."""
    found = session.get(_path(run_id))
    if session.output.form != "table" or session.output.quiet:
        session.output.one(found)
        return 0
    steps, held = found.pop("steps"), found.get("held_by")
    # The whole of it is in the forms for programs.
    found["held_by"] = held["message"] if held else None
    session.output.one(found)
    if steps:
        click.echo()
        session.output.many(steps, (("STEP", "id"), ("STATUS", "status"), ("ATTEMPT", "attempt"), ("USES", "uses")))
    return 0


@run.command()
@remote
@click.argument("run_id")
@click.option("-f", "--follow", "follows", is_flag=True, help="Go on until the run has ended.")
def logs(session: Session, run_id: str, follows: bool) -> int:
    """Print the log lines of the run RUN_ID."""
    if follows:
        return _follow(session, run_id)
    found, _ = session.pages(f"{_path(run_id)}/logs", {}, None)
    for line in found:
        session.output.piece(line, _line(line))
    return 0


@run.command()
@remote
@click.argument("run_id")
def cancel(session: Session, run_id: str) -> int:
    """Cancel the run RUN_ID."""
    answer = session.post(f"{_path(run_id)}/cancel")
    session.output.done(answer, str(answer["message"]))
    return 0


@run.command()
@remote
@click.argument("run_id")
@click.option("--from", "start", default="failed", show_default=True, help="failed, start, or the id of a step.")
@click.option("--latest", is_flag=True, help="With the pipeline that the task has now.")
@click.option("--wait", "waits", is_flag=True, help="Wait until it has ended: exit 1 unless it succeeded.")
@patient
def retry(session: Session, run_id: str, **wish: Any) -> int:
    """Repeat the run RUN_ID from the step that failed."""
    from app.cli.waiting import wait

    body = {"from": wish["start"], "definition": "latest" if wish["latest"] else "original"}
    queued = session.post(f"{_path(run_id)}/rerun", body, again=False)
    if wish["waits"]:
        return wait(session, queued["run_id"], wish["timeout"])
    if session.output.quiet:
        click.echo(queued["run_id"])
    session.output.done(queued, f"run {queued['run_id']}: {queued['message']}")
    return 0


@run.command("wait")
@remote
@click.argument("run_id")
@patient
def wait_for(session: Session, run_id: str, timeout: float | None) -> int:
    """Wait until the run RUN_ID has ended: 0 where it succeeded, 1 where not."""
    from app.cli.waiting import wait

    return wait(session, run_id, timeout)


def _follow(session: Session, run_id: str) -> int:
    from app.cli.remote.follow import follow

    for message in follow(session.connection, f"{_path(run_id)}/stream", {}):
        if message.event == "end":
            return 0
        if message.event == "log":
            line = json.loads(message.data)
            session.output.piece(line, _line(line))
    return 0


def _line(line: dict[str, Any]) -> str:
    step = f"  {_place(line)}" if line.get("step_id") else ""
    return one_line(f"{line['at']}  {line.get('level', 'info'):<7}{step}  {line.get('message', '')}")


def _place(line: dict[str, Any]) -> str:
    """The step, with the items that it is done for: `shop[3]/look[0]`."""
    item = "" if line.get("item") is None else f"[{line['item']}]"
    within = f"{line['within']}/" if line.get("within") else ""
    return f"{within}{line['step_id']}{item}"


def _path(run_id: str) -> str:
    from app.cli.remote.connection import segment

    return f"/runs/{segment(run_id)}"

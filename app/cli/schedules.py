"""`ordinaut schedule`: looking at a schedule before it is used, over HTTP."""

from __future__ import annotations

import re
from typing import Any

import click

from app.cli.remote.plain import one_line
from app.cli.remote.session import Session, remote

COLUMNS = (("WHEN", "nominal"), ("LOCAL TIME", "local"), ("NOTE", "note"))
COMING = (("WHEN", "nominal_at"), ("LOCAL TIME", "local"), ("TASK", "title"), ("ID", "task_id"))
KINDS = ("cron", "rrule", "once")


@click.group()
def schedule() -> None:
    """Understand schedules."""


@schedule.command()
@remote
@click.argument("expression")
@click.option("--timezone", default="UTC", show_default=True, help="An IANA name, such as Europe/Chisinau.")
@click.option("--kind", type=click.Choice(KINDS), help="Default: what the expression looks like.")
@click.option("--count", type=click.IntRange(1, 100), default=5, show_default=True, help="How many times to show.")
def explain(session: Session, expression: str, timezone: str, kind: str | None, count: int) -> int:
    """Say in words when EXPRESSION fires, and show the next times."""
    body: dict[str, Any] = {
        "schedule_kind": kind or kind_of(expression),
        "schedule_expr": expression,
        "timezone": timezone,
        "count": count,
    }
    answer = session.post("/schedules/preview", body)
    if session.output.form != "table" or session.output.quiet:
        session.output.done(answer, "")
        return 0
    click.echo(one_line(answer["description"]))
    session.output.many(answer["occurrences"], COLUMNS)
    return 0


@schedule.command()
@remote
@click.option("--hours", type=click.IntRange(1, 744), default=24, show_default=True, help="How far to look ahead.")
@click.option("--limit", type=click.IntRange(1, 500), default=20, show_default=True, help="How many times to show.")
def upcoming(session: Session, hours: int, limit: int) -> int:
    """Show what is to come, over all tasks, soonest first."""
    answer = session.get("/schedules/upcoming", {"hours": hours, "limit": limit})
    session.output.many(answer["items"], COMING)
    return 0


def kind_of(expression: str) -> str:
    """What a schedule looks like: a moment, a rule of RFC 5545, or else cron."""
    text = expression.strip().upper()
    if re.match(r"\d{4}-\d\d-\d\d", text):
        return "once"
    return "rrule" if "FREQ=" in text or text.startswith(("RRULE", "DTSTART")) else "cron"

"""Waiting until a run has ended."""

from __future__ import annotations

import time
from typing import Any

import click

from app.cli.exits import FAILED, OK, TIMED_OUT
from app.cli.remote.connection import segment
from app.cli.remote.plain import one_line
from app.cli.remote.session import Session

POLL_SECONDS = 30.0
"""The server is asked again after so long; it answers at once when the run ends."""


def wait(session: Session, run_id: str, timeout: float | None) -> int:
    """Print the run when it has ended: 0 where it succeeded, 1 where not, 8 when the time was up before."""
    until = None if timeout is None else time.monotonic() + timeout
    while True:
        left = POLL_SECONDS if until is None else min(POLL_SECONDS, max(0.0, until - time.monotonic()))
        run = session.get(f"/runs/{segment(run_id)}/wait", {"timeout": left}, seconds=left + 30)
        over = until is not None and time.monotonic() >= until
        if not run["timed_out"] or over:
            return _told(session, run)


def _told(session: Session, run: dict[str, Any]) -> int:
    if session.output.form == "table" and not session.output.quiet:
        click.echo(f"run {run['id']}: {run['status']}{_why(run)}")
    elif not session.output.quiet:
        session.output.data({name: value for name, value in run.items() if name != "timed_out"})
    if run["timed_out"]:
        return TIMED_OUT
    return OK if run["status"] == "succeeded" else FAILED


def _why(run: dict[str, Any]) -> str:
    error = run.get("error") or {}
    step = f" in step {error['step_id']}" if error.get("step_id") else ""
    return one_line(f"{step}: {error['message']}") if error.get("message") else ""

"""Processes on the wire."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from app.domain.clock import rfc3339
from app.schemas.fields import Moment
from app.services.processes import ProcessView, Workforce


class HeldRunOut(BaseModel):
    """The run that a process has in hand."""

    id: str
    task_id: str
    task_title: str
    attempt: int
    started_at: Moment | None


class ProcessOut(BaseModel):
    """One process that has spoken within the last seconds."""

    role: str = Field(description="`web`, `beat`, `worker`, or `pool`: one of a worker's processes that do the work")
    host: str
    pid: int
    worker: str | None = Field(description="Name of the worker that it is, or is of")
    memory_bytes: int = Field(description="Resident memory")
    open_files: int
    run: HeldRunOut | None = Field(description="What it works on; null also where you may not see it")


class WorkforceOut(BaseModel):
    """The platform's processes, on all machines."""

    items: list[ProcessOut]
    ready: int = Field(description="Runs that could start now and have not")
    last_tick_at: Moment | None = Field(description="When beat last looked at the schedules")


def workforce_out(workforce: Workforce) -> dict[str, Any]:
    """The workforce as `WorkforceOut` describes it."""
    return {
        "items": [_process_out(one) for one in workforce.processes],
        "ready": workforce.ready,
        "last_tick_at": None if workforce.last_tick is None else rfc3339(workforce.last_tick),
    }


def _process_out(process: ProcessView) -> dict[str, Any]:
    run = process.run
    held = run and {
        "id": run.id,
        "task_id": run.task_id,
        "task_title": run.task_title,
        "attempt": run.attempt,
        "started_at": None if run.started_at is None else rfc3339(run.started_at),
    }
    return {
        "role": process.role,
        "host": process.host,
        "pid": process.pid,
        "worker": process.worker,
        "memory_bytes": process.memory_bytes,
        "open_files": process.open_files,
        "run": held,
    }

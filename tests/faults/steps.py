"""Steps that call the target, and runs that wait at its door."""

from __future__ import annotations

from typing import Any

from tests.faults.stack import PATIENCE, Stack
from tests.faults.target import Target
from tests.servers import wait_for


def step(target: Target, name: str, path: str, **fields: Any) -> dict[str, Any]:
    """A step that calls the target."""
    return {"id": name, "uses": "http.request", "with": {"method": "POST", "url": target.url(path)}, **fields}


def held_run(stack: Stack, target: Target) -> str:
    """A run whose first effect is done and whose second waits at a door."""
    pipeline = [step(target, "first", "/ok"), step(target, "second", "/hold")]
    run_id = stack.start_run(pipeline)
    wait_for(lambda: target.calls(run_id, ":second"), seconds=PATIENCE, what="the second step to begin")
    return run_id


def second_call(target: Target, run_id: str) -> float:
    """When the second step was called again."""
    wait_for(lambda: len(target.calls(run_id, ":second")) > 1, seconds=PATIENCE, what="the step to begin again")
    return target.calls(run_id, ":second")[1].at

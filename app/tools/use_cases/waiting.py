"""Waiting for a run inside a call: never longer than the caller waits, and never after it was told to stop."""

from __future__ import annotations

import time

from app.tools.use_cases.answers import seconds_left
from app.tools.use_cases.ports import RunUses, Waited
from ordinaut import ToolCall

WAIT_SECONDS = 240
GLANCE_SECONDS = 1.0
"""How often a wait looks whether it should stop."""


def waited(runs: RunUses, run_id: str, call: ToolCall, seconds: float) -> Waited:
    """The run once it has ended, or as it stands when the time is up."""
    end = time.monotonic() + seconds_left(call, seconds)
    while True:
        began = time.monotonic()
        glance = max(0.0, min(GLANCE_SECONDS, end - began))
        seen = runs.wait(run_id, caller=call.caller, timeout=glance)
        now = time.monotonic()
        # A wait that comes back early with nothing is one whose process is about to stop.
        if not seen.timed_out or now >= end or now - began < glance / 2 or call.should_stop():
            return seen

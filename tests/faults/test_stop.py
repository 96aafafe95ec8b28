"""The platform's stop: SIGTERM to every process at once, and again while they are stopping."""

from __future__ import annotations

import signal
import time

from tests.faults.stack import DRAIN, PATIENCE, Stack
from tests.faults.steps import second_call, step
from tests.faults.target import Target
from tests.servers import wait_for

STOP_SECONDS = 25
"""Five less than Heroku gives."""


def signal_all(stack: Stack) -> None:
    """SIGTERM to every process of every program."""
    for program in stack.programs.values():
        program.signal(signal.SIGTERM)


def test_short_steps_finish_and_a_long_one_is_handed_back_without_losing_its_attempt(
    stack: Stack, target: Target
) -> None:
    long = stack.start_run([step(target, "second", "/hold")])
    short = stack.start_run([step(target, "only", f"/slow/{DRAIN / 2:g}")])
    wait_for(lambda: target.calls(long) and target.calls(short), seconds=PATIENCE, what="both steps to begin")
    told = time.monotonic()
    signal_all(stack)
    wait_for(lambda: time.monotonic() > told + 0.5, what="half a second to pass")
    signal_all(stack)
    codes = {name: program.wait(STOP_SECONDS) for name, program in stack.programs.items()}
    assert codes == {"web": 0, "worker": 0, "beat": 0}
    assert time.monotonic() - told < STOP_SECONDS
    states = {one[0]: one[1:] for one in stack.query("SELECT id, status, attempt FROM runs")}
    assert states[short] == ("succeeded", 1)
    assert states[long] == ("queued", 0)
    stack.start("worker").ready()
    pool_ready = time.monotonic()
    assert second_call(target, long) < pool_ready + 3
    target.door(long).set()
    stack.start("web", "beat").ready()
    run = stack.ended(long)
    assert (run["status"], run["attempt"]) == ("succeeded", 1)
    assert len(target.calls(short)) == 1

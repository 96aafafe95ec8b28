"""A worker is killed in a call that must not be made twice: the run asks, and goes on with the answer."""

from __future__ import annotations

import os
import signal

from tests.faults.stack import PATIENCE, Stack
from tests.faults.steps import step
from tests.faults.target import Target
from tests.servers import wait_for


def test_a_run_asks_what_came_of_the_call_in_which_its_worker_was_killed(stack: Stack, target: Target) -> None:
    last = {"id": "last", "uses": "log.write", "with": {"message": "Order ${steps.second.order}"}}
    run_id = stack.start_run([step(target, "first", "/ok"), step(target, "second", "/hold", on_unknown="ask"), last])
    wait_for(lambda: target.calls(run_id, ":second"), seconds=PATIENCE, what="the second step to begin")
    os.kill(stack.holder(run_id)[1], signal.SIGKILL)
    asks = "SELECT id FROM waits WHERE run_id = ? AND kind = 'answer'"
    wait_for(lambda: stack.query(asks, run_id), seconds=PATIENCE, what="the run to ask")
    target.door(run_id).set()
    answer = {"status": "succeeded", "output": {"order": 4711}, "note": "It is in their list"}
    assert stack.request("POST", f"/runs/{run_id}/steps/second/mark", json=answer).status_code == 202
    run = stack.ended(run_id)
    assert (run["status"], run["output"]["message"]) == ("succeeded", "Order 4711")
    assert [len(target.calls(run_id, name)) for name in (":first", ":second")] == [1, 1]

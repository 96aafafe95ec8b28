"""Workers that are killed, frozen or poisoned: the run goes on, and what it has done is not done again."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Mapping
from typing import Any

from tests.faults.stack import LEASE, PATIENCE, Stack
from tests.faults.steps import held_run, second_call, step
from tests.faults.target import Target
from tests.servers import wait_for


def finished_once(run: Mapping[str, Any], target: Target) -> bool:
    """Whether the run has succeeded at its second attempt, without a second first step."""
    assert run["status"] == "succeeded", run
    assert run["attempt"] == 2, run
    assert len(target.calls(run["id"], ":first")) == 1
    assert len(target.calls(run["id"], ":second")) == 2
    return True


def test_a_killed_pool_process_costs_one_attempt_and_no_time(stack: Stack, target: Target) -> None:
    run_id = held_run(stack, target)
    name, pid = stack.holder(run_id)
    lost = stack.programs[name].text().count("worker.child_lost")
    os.kill(pid, signal.SIGKILL)
    second_call(target, run_id)
    # Not because its lease ran out, but because its parent saw it die.
    log = stack.programs[name].text
    wait_for(lambda: log().count("worker.child_lost") > lost, seconds=PATIENCE, what="the worker to say so")
    target.door(run_id).set()
    assert finished_once(stack.ended(run_id), target)


def test_a_killed_worker_s_run_goes_on_elsewhere_when_its_lease_is_over(stack: Stack, target: Target) -> None:
    stack.start("worker-2").ready()
    run_id = held_run(stack, target)
    name, _ = stack.holder(run_id)
    killed = time.monotonic()
    stack.kill(name)
    assert second_call(target, run_id) - killed < LEASE + 5
    target.door(run_id).set()
    assert finished_once(stack.ended(run_id), target)


def test_a_step_that_kills_its_process_fails_after_its_attempts_and_harms_nobody(stack: Stack, target: Target) -> None:
    poison = stack.start_run([step(target, "kill", "/kill")], max_retries=2)
    others = [stack.start_run([step(target, "work", "/slow/0.2")]) for _ in range(5)]
    run = stack.ended(poison)
    assert (run["status"], run["error"]["type"], run["attempt"]) == ("failed", "worker_lost", 3)
    assert len(target.calls(poison)) == 3
    assert [stack.ended(other)["status"] for other in others] == ["succeeded"] * 5


def test_a_worker_that_wakes_after_its_lease_changes_nothing(stack: Stack, target: Target) -> None:
    run_id = held_run(stack, target)
    frozen, _ = stack.holder(run_id)
    stack.freeze(frozen)
    stack.start("worker-2")
    second_call(target, run_id)
    target.door(run_id).set()
    run = stack.ended(run_id)
    stack.thaw(frozen)
    words = ("run.fenced", "run.lost", "worker.lease_unrenewed", "worker.abandoned")
    wait_for(
        lambda: any(word in stack.programs[frozen].text() for word in words),
        seconds=PATIENCE,
        what="the frozen worker to notice",
    )
    assert finished_once(run, target)
    assert stack.get(f"/runs/{run_id}") == run
    assert journal_ends(stack, run_id) == ["succeeded"]
    stack.remove("worker-2")
    assert stack.ended(stack.start_run([step(target, "after", "/ok")]))["status"] == "succeeded"


def journal_ends(stack: Stack, run_id: str) -> list[str]:
    """Every end that the journal of a run tells of."""
    rows = stack.query("SELECT records FROM run_journal WHERE run_id = ? ORDER BY first", run_id)
    states = [body["status"] for (text,) in rows for _, kind, body in json.loads(text) if kind == "state"]
    return [state for state in states if state in ("succeeded", "failed", "canceled")]


def test_a_running_run_is_canceled_within_ten_seconds(stack: Stack, target: Target) -> None:
    run_id = held_run(stack, target)
    assert stack.request("POST", f"/runs/{run_id}/cancel").status_code == 202
    run = stack.ended(run_id, seconds=10)
    target.door(run_id).set()
    assert run["status"] == "canceled"
    assert len(target.calls(run_id, ":second")) == 1

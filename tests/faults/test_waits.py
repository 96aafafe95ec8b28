"""Runs that wait, branch and go through lists while everything around them dies."""

from __future__ import annotations

from collections import Counter
from typing import Any

from tests.faults.stack import PATIENCE, Stack
from tests.faults.steps import step
from tests.faults.target import Target
from tests.servers import ValkeyServer, wait_for


def waiting(stack: Stack, run_id: str) -> None:
    """Wait until the run waits."""
    wait_for(lambda: stack.get(f"/runs/{run_id}")["status"] == "waiting", seconds=PATIENCE, what="the run to wait")


def wait_event(topic: str) -> dict[str, Any]:
    """A step that waits for an event."""
    return {"id": "wait", "uses": "flow.wait_event", "with": {"topic": topic}}


def test_runs_wait_through_the_death_of_everything(stack: Stack, broker: ValkeyServer, target: Target) -> None:
    child = stack.task([step(target, "inner", "/ok"), wait_event("deaths.child")])
    pipelines = [
        [{"id": "wait", "uses": "flow.sleep", "with": {"seconds": 3}}],
        [wait_event("deaths.parent")],
        [{"id": "wait", "uses": "tasks.run", "with": {"task_id": child}}],
    ]
    runs = [stack.start_run([step(target, "first", "/ok"), *one, step(target, "last", "/ok")]) for one in pipelines]
    for run_id in runs:
        waiting(stack, run_id)
    # The run that the third waits for is there since that one waits; it may still be on its way to waiting itself.
    waiting(stack, stack.get(f"/runs/task/{child}/latest")["id"])
    for name in ("web", "worker", "beat"):
        stack.kill(name)
    broker.kill()
    broker.start()
    stack.start("web", "worker", "beat").ready()
    for topic in ("deaths.parent", "deaths.child"):
        assert stack.request("POST", "/events", json={"topic": topic, "payload": {}}).status_code == 202
    ended = [stack.ended(run_id) for run_id in runs]
    assert [(run["status"], run["attempt"]) for run in ended] == [("succeeded", 1)] * 3
    assert {call.key: 1 for run_id in runs for call in target.calls(run_id)} == Counter(
        call.key for run_id in runs for call in target.calls(run_id)
    )


def test_a_list_survives_killed_workers_without_repeating_finished_items(stack: Stack, target: Target) -> None:
    count = 60
    each = step(target, "each", "/slow/0.05", foreach=list(range(count)), max_parallel=4)
    stack.start("worker-2").ready()
    run_id = stack.start_run([each, step(target, "last", "/ok")], max_retries=10)
    for kills in range(1, 4):
        wait_for(lambda n=kills * 8: len(target.calls(run_id)) >= n, seconds=PATIENCE, what="items to be done")  # type: ignore[misc]
        name = "worker" if kills % 2 else "worker-2"
        stack.kill(name)
        stack.restart(name)
    run = stack.ended(run_id, seconds=2 * PATIENCE)
    assert (run["status"], len(run["steps"][0]["output"])) == ("succeeded", count)
    items = Counter(call.key for call in target.calls(run_id) if ":each[" in call.key)
    assert len(items) == count
    # A worker holds one item at a time: each of its processes may have been cut off in the middle of one.
    assert sum(items.values()) - count <= 3 * 2


def test_branches_for_each_item_survive_killed_workers(stack: Stack, target: Target) -> None:
    count = 12
    branches = [[step(target, f"slow_{n}", "/slow/0.05"), step(target, f"end_{n}", "/ok")] for n in range(2)]
    ways = {"id": "ways", "foreach": list(range(count)), "max_parallel": 2, "parallel": branches}
    stack.start("worker-2").ready()
    run_id = stack.start_run([ways, step(target, "last", "/ok")], max_retries=10)
    for kills in range(1, 4):
        wait_for(lambda n=kills * 8: len(target.calls(run_id)) >= n, seconds=PATIENCE, what="branches to be run")  # type: ignore[misc]
        name = "worker" if kills % 2 else "worker-2"
        stack.kill(name)
        stack.restart(name)
    run = stack.ended(run_id, seconds=2 * PATIENCE)
    assert (run["status"], [len(one) for one in run["steps"][0]["output"]]) == ("succeeded", [2] * count)
    calls = Counter(call.key for call in target.calls(run_id) if ":ways[" in call.key)
    assert len(calls) == count * 4
    assert sum(calls.values()) - count * 4 <= 3 * 2


def test_branches_go_on_elsewhere_when_their_worker_dies(stack: Stack, target: Target) -> None:
    stack.start("worker-2").ready()
    branches = [[step(target, f"hold_{n}", "/hold"), step(target, f"end_{n}", "/ok")] for n in range(2)]
    run_id = stack.start_run([{"id": "both", "parallel": branches}, step(target, "last", "/ok")])
    wait_for(lambda: len(target.calls(run_id)) == 2, seconds=PATIENCE, what="both branches to be at work")
    stack.kill("worker")
    stack.restart("worker")
    target.open_all()
    assert stack.ended(run_id)["status"] == "succeeded"
    assert len(target.calls(run_id, ":last")) == 1


def test_an_event_is_never_between_the_chairs(stack: Stack, target: Target) -> None:
    """Published while runs are just about to wait for it: each gets it, or the timer would have to say so."""
    task = stack.task([wait_event("chairs.ready"), step(target, "done", "/ok")])
    runs = [stack.run_now(task) for _ in range(10)]
    published = 0

    def all_done() -> bool:
        nonlocal published
        published += stack.request("POST", "/events", json={"topic": "chairs.ready"}).status_code == 202
        return all(stack.get(f"/runs/{run_id}")["finished_at"] for run_id in runs)

    wait_for(all_done, seconds=PATIENCE, what="all runs to have heard")
    assert published and {stack.get(f"/runs/{run_id}")["status"] for run_id in runs} == {"succeeded"}

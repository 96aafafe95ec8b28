"""PostgreSQL killed in the middle of everything: a clear no while it is away, and nothing half written after."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import partial

import pytest

from tests.faults.stack import PATIENCE, Stack
from tests.faults.steps import held_run, step
from tests.faults.target import Target
from tests.faults.test_beats import EACH_SECOND, NOTHING, complete, moments
from tests.servers import PostgresServer, wait_for

ERROR = {"error", "message", "details", "request_id", "type", "title", "status", "instance"}


@pytest.fixture
def on_postgresql(stack: Stack, request: pytest.FixtureRequest) -> Iterator[PostgresServer]:
    """The server, running again after the test. A stack on SQLite has nothing to do with it."""
    server: PostgresServer = request.getfixturevalue("postgres")
    yield server
    server.restart()


@pytest.mark.parametrize("programs", ["postgresql"], indirect=True)
def test_a_killed_postgresql_gives_503_and_everything_goes_on_when_it_is_back(
    stack: Stack, on_postgresql: PostgresServer, target: Target
) -> None:
    ticking = stack.task(NOTHING, **EACH_SECOND)
    wait_for(lambda: moments(stack, ticking), seconds=PATIENCE, what="the task to fire")
    quick = stack.task([step(target, "work", "/slow/0.1")])
    run_id = held_run(stack, target)
    on_postgresql.kill()
    body = {"title": "never", "schedule_kind": "manual"}
    refused = [
        stack.request("GET", "/tasks"),
        stack.request("POST", "/tasks", json=body),
        stack.request("POST", f"/tasks/{quick}/run_now", json={}),
    ]
    for answer in refused:
        assert (answer.status_code, answer.json()["error"]) == (503, "unavailable")
        assert set(answer.json()) == ERROR
    health = stack.request("GET", "/health")
    assert (health.status_code, health.json()["status"]) == (503, "unhealthy")
    assert stack.request("GET", "/health/live").status_code == 200
    on_postgresql.restart()
    wait_for(stack.answers, seconds=PATIENCE, what="the API to answer again")
    target.door(run_id).set()
    assert stack.ended(run_id)["status"] == "succeeded"
    assert stack.ended(stack.run_now(quick))["status"] == "succeeded"
    assert stack.query("SELECT count(*) FROM tasks WHERE title = 'never'") == [(0,)]
    last = moments(stack, ticking)[-1]
    wait_for(lambda: moments(stack, ticking)[-1] > last, seconds=PATIENCE, what="the schedule to go on")
    complete(stack, ticking)


@pytest.mark.parametrize("programs", ["postgresql"], indirect=True)
def test_a_postgresql_that_crashes_again_and_again_loses_nothing(
    stack: Stack, on_postgresql: PostgresServer, target: Target
) -> None:
    task_id = stack.task([step(target, "first", "/ok"), step(target, "last", "/slow/0.3")])
    runs = [stack.run_now(task_id) for _ in range(24)]
    for share in (4, 10, 16):
        wait_for(partial(come_far, target, runs, share), seconds=PATIENCE, what=f"{share} of the last steps")
        on_postgresql.kill()
        on_postgresql.restart()
    assert [stack.ended(run_id)["status"] for run_id in runs] == ["succeeded"] * len(runs)
    # An attempt cut short may call again; an effect whose end is in the journal never happens again.
    for run_id in runs:
        steps = {one["id"]: len(one["attempts"]) for one in stack.get(f"/runs/{run_id}")["steps"]}
        assert all(len(target.calls(run_id, f":{name}")) <= attempts for name, attempts in steps.items())


def come_far(target: Target, runs: Collection[str], share: int) -> bool:
    """Whether more than so many of the runs have come to their last step."""
    begun = {call.key.partition(":")[0] for call in target.calls(step=":last")}
    return len(begun.intersection(runs)) > share

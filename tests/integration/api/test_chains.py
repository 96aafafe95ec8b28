"""Chains of runs, tasks and events that would have no end, and come to one by themselves."""

from __future__ import annotations

from typing import Any

import pytest

from app.domain.events import MAX_CHAIN, MAX_DEPTH
from tests.integration.api.conftest import Api
from tests.servers import wait_for

AGAIN: dict[str, Any] = {"id": "again", "uses": "run_task_now", "with": {"task_id": "${task.id}"}}


def a_task(api: Api, *steps: dict[str, Any], **fields: Any) -> Any:
    """A task of these steps, which does not try twice."""
    return api.task(payload={"pipeline": list(steps)}, max_retries=0, overlap="allow", **fields)


def work_off(api: Api) -> None:
    """Let a worker do all there is, and all that comes of it."""

    def idle() -> bool:
        return not api.work() and not api.get("/runs?status=queued,running,waiting")["total"]

    wait_for(idle, seconds=60, what="the end of the chain")


def ends(api: Api, task: Any) -> list[tuple[str, str | None]]:
    """Status and type of error of the task's runs, newest first."""
    runs = api.get(f"/runs?task_id={task['id']}&limit=200")["items"]
    return [(run["status"], (run["error"] or {}).get("type")) for run in runs]


def test_a_task_that_runs_itself_comes_to_an_end(api: Api) -> None:
    task = a_task(api, AGAIN)
    api.run(task)
    work_off(api)
    assert ends(api, task) == [("failed", "loop_detected"), *[("succeeded", None)] * MAX_CHAIN]


@pytest.mark.parametrize("wait", [False, True])
def test_so_does_one_that_has_itself_run_as_a_child(api: Api, wait: bool) -> None:
    task = a_task(api, {**AGAIN, "uses": "tasks.run", "with": {"task_id": "${task.id}", "wait": wait}})
    api.run(task)
    work_off(api)
    first = ("failed", "loop_detected")
    others = ("failed", "child_failed") if wait else ("succeeded", None)
    assert ends(api, task) == [first, *[others] * MAX_CHAIN]


def test_a_task_that_an_event_of_its_own_starts_ends_in_loop_detected(api: Api) -> None:
    say = {"uses": "events.publish", "with": {"topic": "echo", "payload": {}}}
    task = a_task(api, say, schedule_kind="event", schedule_expr="echo")
    api.post("/events", {"topic": "echo", "payload": {}}, expect=202)
    work_off(api)
    assert ends(api, task) == [("succeeded", None)] * MAX_DEPTH
    newest = api.get(f"/tasks/{task['id']}/occurrences")["items"][0]
    assert newest["outcome"] == "dropped_limit" and newest["reason"].startswith("loop_detected")


def test_events_and_runs_count_in_one_chain(api: Api) -> None:
    say = a_task(api, {"uses": "events.publish", "with": {"topic": "echo", "payload": {}}})
    run = {"uses": "run_task_now", "with": {"task_id": say["id"]}}
    heard = a_task(api, run, schedule_kind="event", schedule_expr="echo")
    api.run(say)
    work_off(api)
    assert ends(api, heard) == [("succeeded", None)] * (MAX_DEPTH // 2)


def test_tasks_that_create_one_another_come_to_an_end(api: Api) -> None:
    payload = "${steps.me.task.payload}"
    task = a_task(
        api,
        {"id": "me", "uses": "get_task", "with": {"task_id": "${task.id}"}},
        {"id": "made", "uses": "create_task", "with": {"title": "Child", "schedule": "manual", "payload": payload}},
        {"uses": "run_task_now", "with": {"task_id": "${steps.made.task_id}"}},
    )
    api.run(task)
    work_off(api)
    runs = api.get("/runs?limit=200")
    assert runs["total"] == api.get("/tasks")["total"] == MAX_CHAIN + 1
    assert runs["items"][0]["error"]["type"] == "loop_detected"


def test_nobody_is_held_back_by_what_others_have_led_to(api: Api) -> None:
    task = a_task(api, AGAIN)
    for _ in range(2):
        api.run(task)
        work_off(api)
    assert [end for end in ends(api, task) if end[0] == "failed"] == [("failed", "loop_detected")] * 2

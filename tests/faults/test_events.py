"""Events while their carriers die: each starts its task once, and Redis has them all in order in the end."""

from __future__ import annotations

from typing import Any

from redis import Redis

from tests.faults.stack import PATIENCE, Stack
from tests.faults.steps import step
from tests.faults.target import Target
from tests.servers import ValkeyServer, wait_for


def publish(stack: Stack, number: int) -> str:
    """Publish an event; its id."""
    answer = stack.request("POST", "/events", json={"topic": "shop.order", "payload": {"order": number}})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["details"]["event_id"])


def runs_of(stack: Stack, task_id: str) -> list[dict[str, Any]]:
    """The task's runs, oldest first."""
    found: list[dict[str, Any]] = stack.get(f"/runs?task_id={task_id}&limit=200")["items"]
    return found[::-1]


def all_ended(stack: Stack, task_id: str, count: int) -> bool:
    """Whether the task has had so many runs, and all have ended."""
    runs = runs_of(stack, task_id)
    return len(runs) >= count and all(run["finished_at"] for run in runs)


def test_each_event_starts_its_task_once_whatever_dies(stack: Stack, broker: ValkeyServer, target: Target) -> None:
    fields = {"schedule_kind": "event", "schedule_expr": "shop.order", "overlap": "allow"}
    task_id = stack.task([step(target, "work", "/slow/0.05")], **fields)
    ids = [publish(stack, number) for number in range(8)]
    broker.kill()
    ids += [publish(stack, number) for number in range(8, 16)]
    stack.kill("worker")
    ids += [publish(stack, number) for number in range(16, 24)]
    broker.start()
    stack.restart("worker")
    stack.restart("beat")
    wait_for(lambda: all_ended(stack, task_id, len(ids)), seconds=PATIENCE, what="all runs to end")
    runs = runs_of(stack, task_id)
    assert sorted(run["event"]["id"] for run in runs) == ids
    assert {run["status"] for run in runs} == {"succeeded"}
    wait_for(lambda: copied(broker)[-16:] == ids[-16:], seconds=PATIENCE, what="the events to be copied")


def copied(broker: ValkeyServer) -> list[str]:
    """Ids in the Redis stream."""
    with Redis.from_url(broker.url) as redis:
        found: Any = redis.xrange("ordinaut:events")
    return [identity.decode() for identity, _ in found]

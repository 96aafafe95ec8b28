"""Valkey killed, frozen, emptied and fed with junk: slower at most, and the health says so."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
import redis

from tests.faults.stack import PATIENCE, Stack
from tests.faults.steps import held_run, step
from tests.faults.target import Target
from tests.faults.test_beats import EACH_SECOND, NOTHING, complete, moments
from tests.servers import ValkeyServer, wait_for

QUEUE = "ordinaut:ordinaut"
API_SECONDS = 3


@pytest.fixture
def away(stack: Stack, request: pytest.FixtureRequest, broker: ValkeyServer) -> Iterator[None]:
    """A Valkey that does not answer, one way or the other, until the test ends."""
    if request.param == "killed":
        broker.kill()
        yield
        broker.start()
    else:
        broker.pause()
        yield
        broker.resume()
    wait_for(broker.answers, seconds=PATIENCE, what="Valkey to be back")


@pytest.mark.parametrize("away", ["killed", "frozen"], indirect=True)
@pytest.mark.usefixtures("away")
def test_without_valkey_the_api_answers_and_runs_go_on(stack: Stack) -> None:
    stack.slowest = 0.0
    health = stack.get("/health")
    assert (health["status"], health["checks"]["redis"]["status"]) == ("degraded", "unhealthy")
    runs = [stack.start_run(NOTHING) for _ in range(5)]
    assert stack.slowest < API_SECONDS
    assert [stack.ended(run_id)["status"] for run_id in runs] == ["succeeded"] * 5
    assert stack.slowest < API_SECONDS


@pytest.mark.parametrize("away", ["killed", "frozen"], indirect=True)
@pytest.mark.usefixtures("away")
def test_without_valkey_schedules_fire_and_miss_nothing(stack: Stack) -> None:
    task_id = stack.task(NOTHING, **EACH_SECOND)
    wait_for(lambda: len(moments(stack, task_id)) > 4, seconds=PATIENCE, what="five occurrences")
    complete(stack, task_id)


def test_an_emptied_valkey_loses_no_run(stack: Stack, broker: ValkeyServer, target: Target) -> None:
    task_id = stack.task([step(target, "work", "/slow/0.1")])
    with redis.Redis.from_url(broker.url) as client:
        runs = []
        for _ in range(12):
            runs.append(stack.run_now(task_id))
            client.flushall()
    assert [stack.ended(run_id)["status"] for run_id in runs] == ["succeeded"] * 12
    assert [len(target.calls(run_id)) for run_id in runs] == [1] * 12


STRANGER = {
    "body": "W10=",
    "content-encoding": "utf-8",
    "content-type": "application/json",
    "headers": {"task": "os.system", "id": "1"},
    "properties": {"delivery_info": {}, "body_encoding": "base64", "delivery_tag": "1"},
}
JUNK = [
    # no JSON; JSON that is no message; an object without headers; no UTF-8; a message for a task that is not there
    b"garbage",
    b"[1,2]",
    b"{}",
    b"\xff\xfe\x00",
    json.dumps(STRANGER).encode(),
]


@pytest.fixture
def client(broker: ValkeyServer) -> Iterator[redis.Redis]:
    """Somebody with access to the Valkey; the queue is empty again when he has gone."""
    with redis.Redis.from_url(broker.url) as connected:
        yield connected
        connected.delete(QUEUE)


def test_junk_in_the_queue_stops_nothing(stack: Stack, client: redis.Redis, target: Target) -> None:
    run_id = held_run(stack, target)
    worker = stack.programs["worker"].process
    for junk in JUNK:
        client.lpush(QUEUE, junk)
    wait_for(lambda: not client.exists(QUEUE), seconds=PATIENCE, what="the junk to be read")
    others = [stack.start_run(NOTHING) for _ in range(3)]
    assert [stack.ended(other)["status"] for other in others] == ["succeeded"] * 3
    target.door(run_id).set()
    assert stack.ended(run_id)["status"] == "succeeded"
    assert stack.programs["worker"].process is worker and stack.programs["worker"].running


def test_another_type_under_the_queue_s_name_is_taken_away(stack: Stack, client: redis.Redis) -> None:
    client.set(QUEUE, "not a list")
    others = [stack.start_run(NOTHING) for _ in range(3)]
    wait_for(lambda: client.type(QUEUE) != b"string", seconds=PATIENCE, what="whoever rings or listens to take it away")
    assert [stack.ended(other)["status"] for other in others] == ["succeeded"] * 3

"""Runs wait without a worker, and go on when what they wait for has come, on both databases."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import Engine, text

from app.domain.clock import SystemClock
from app.domain.ids import new_id
from app.domain.runs import Run
from app.domain.waits import EventWait, Resolution, heads_of
from app.services.child_runs import ChildRuns
from app.services.events import EventService
from app.services.lifecycle import Herald, RunWitness
from app.services.run_ends import cancel_run
from app.services.waking import Waker
from app.storage import kin, waits
from app.storage.ledger import SqlRunLedger
from app.storage.unit_of_work import SqlUnitsOfWork
from app.tools.flow import flow_sleep_tool, flow_wait_event_tool
from app.tools.task_runs import tasks_run_tool
from tests.contract.test_events import service
from tests.fakes.hands import Bell, Hands
from tests.fakes.pipelines import get, pipeline, refuse, step, steps_of
from tests.fakes.rows import queued, stored


@dataclass(frozen=True, slots=True)
class World:
    """A database with everything that ends waits."""

    units: SqlUnitsOfWork
    hands: Hands
    waker: Waker
    events: EventService
    herald: Herald

    def run(self, *steps: dict[str, Any], **fields: Any) -> str:
        """Queue a run of these steps and let the worker have it; its id."""
        (run_id,) = queued(self.units, stored(self.units, pipeline(*steps, **fields)))
        self.hands.executor.drain()
        return run_id

    def on(self, run_id: str) -> Run:
        """Let the worker go on; the run."""
        self.hands.executor.drain()
        return get(self.units, run_id)

    def cancel(self, run_id: str) -> None:
        """As the API does."""
        clock = SystemClock()
        with self.units() as unit:
            telling = self.herald.opened(unit, "run.canceled")
            cancel_run(unit, unit.runs.get(run_id), clock.now(), telling)


@pytest.fixture
def world(units: SqlUnitsOfWork, ledger: SqlRunLedger) -> World:
    """An empty one."""
    clock, bell = SystemClock(), Bell()
    children = ChildRuns(units=units, clock=clock, queue=bell)
    tools: dict[str, Callable[..., Any]] = {
        "pure.echo": lambda call: dict(call.arguments),
        "pure.sleep": flow_sleep_tool().run,
        "pure.event": flow_wait_event_tool().run,
        "fx.child": tasks_run_tool(children).run,
        "fx.do": lambda call: dict(call.arguments),
        "fx.no": refuse(retryable=False),
    }
    herald = Herald.silent(clock)
    waker = Waker(units=units, queue=bell, clock=clock, herald=herald)
    return World(units, Hands(ledger, tools), waker, service(units), herald)


def due(engine: Engine) -> None:
    """All waits have come to their end."""
    with engine.begin() as connection:
        connection.execute(text("UPDATE waits SET due_at = 1 WHERE due_at IS NOT NULL"))


def test_a_run_that_sleeps_holds_no_worker_and_goes_on(world: World, engine: Engine) -> None:
    run_id = world.run(step("nap", "pure.sleep", **{"with": {"seconds": 600}}), step("after", "pure.echo"))
    run = get(world.units, run_id)
    assert (run.status, run.lease_owner, run.finished_at) == ("waiting", None, None)
    assert world.waker.look() > 0
    due(engine)
    assert world.waker.look() == 0.0
    run = world.on(run_id)
    assert (run.status, run.attempt) == ("succeeded", 1)
    assert steps_of(world.units, run_id) == [
        ("nap", "waiting", 1), ("nap", "resumed", 1), ("nap", "succeeded", 1), ("after", "succeeded", 1),
    ]  # fmt: skip


def test_a_sleep_that_is_over_already_waits_for_nothing(world: World) -> None:
    run_id = world.run(step("nap", "pure.sleep", **{"with": {"until": "2026-01-01T00:00:00Z"}}))
    assert get(world.units, run_id).status == "succeeded"


@pytest.mark.parametrize(
    ("wanted", "payload", "comes"),
    [
        ({"match": {"order": 7}}, {"order": 7, "paid": True}, True),
        ({"match": {"order": 7}}, {"order": 8}, False),
        ({"match": "payload.total > `10`"}, {"total": 11}, True),
        ({"match": "payload.total > `10`"}, {"other": 1}, False),  # no such member: does not hold
        ({}, {}, True),
    ],
)
def test_an_event_is_waited_for(world: World, wanted: dict[str, Any], payload: dict[str, Any], comes: bool) -> None:
    run_id = world.run(step("wait", "pure.event", **{"with": {"topic": "shop.*", **wanted}}))
    assert world.events.publish("other.topic", payload, source="t").woken == 0
    assert world.events.publish("shop.order", payload, source="t").woken == comes
    run = world.on(run_id)
    assert run.status == ("succeeded" if comes else "waiting")
    assert not comes or run.output["payload"] == payload


def test_an_event_just_before_counts_with_a_lookback_and_else_does_not(world: World) -> None:
    world.events.publish("shop.order", {"n": 1}, source="t")
    back = step("wait", "pure.event", **{"with": {"topic": "shop.order", "lookback_seconds": 60}})
    assert world.on(world.run(back)).status == "succeeded"
    assert world.on(world.run(step("wait", "pure.event", **{"with": {"topic": "shop.order"}}))).status == "waiting"


TWENTY = f"`[{', '.join('1' for _ in range(20))}]`"
COSTLY = f"{TWENTY}[*].[{TWENTY}[*].[{TWENTY}[*].[{TWENTY}[*].[`1`]]]]"
"""Takes a second, whatever the event."""


@pytest.mark.parametrize("lookback", [0, 60])
def test_an_expression_that_takes_too_much_ends_its_wait_and_holds_nobody_up(world: World, lookback: int) -> None:
    world.events.publish("shop.order", {}, source="t")
    wanted = {"topic": "shop.order", "match": COSTLY, "lookback_seconds": lookback}
    costly = world.run(step("wait", "pure.event", **{"with": wanted}), max_retries=0)
    cheap = world.run(step("wait", "pure.event", **{"with": {"topic": "shop.order", "match": "payload.n == `1`"}}))
    woken = world.events.publish("shop.order", {"n": 1}, source="t").woken
    assert woken == (1 if lookback else 2), "the one that looked back has ended before"
    failed = world.on(costly)
    assert failed.error is not None and failed.error["type"] == "match_too_costly"
    assert "cannot be evaluated" in failed.error["message"]
    assert get(world.units, cheap).status == "succeeded"


def test_when_much_was_spent_cheap_expressions_are_still_heard(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waits, "PUBLICATION_VISITS", 0)
    match = {"topic": "shop.order", "match": "payload.n == `1`"}
    runs = [world.run(step("wait", "pure.event", **{"with": match})) for _ in range(2)]
    world.events.publish("shop.order", {"n": 1}, source="t")
    assert [world.on(run_id).status for run_id in runs] == ["succeeded"] * 2


def test_a_look_back_at_too_much_is_refused(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kin, "LOOK_BACK_EVENTS", 2)
    for _ in range(3):
        world.events.publish("shop.order", {"n": 1}, source="t")
    wanted = {"topic": "shop.*", "match": {"n": 2}, "lookback_seconds": 60}
    run = world.on(world.run(step("wait", "pure.event", **{"with": wanted}), max_retries=0))
    assert run.error is not None and run.error["type"] == "lookback_too_long"


def test_an_event_between_the_step_and_its_commit_is_not_missed(world: World) -> None:
    """The race: published after the step began to wait, before anybody can see that it does."""
    tool = flow_wait_event_tool().run

    def late(call: Any) -> Any:
        try:
            return tool(call)
        finally:
            threading.Thread(target=lambda: world.events.publish("shop.order", {}, source="t")).start()
            wait_for_event()

    def wait_for_event() -> None:
        while not world.events.since(None).events:
            pass

    hands = Hands(world.hands.executor.ledger, {"pure.event": late})  # type: ignore[arg-type]
    task = stored(world.units, pipeline(step("wait", "pure.event", **{"with": {"topic": "shop.order"}})))
    (run_id,) = queued(world.units, task)
    hands.executor.drain()
    assert world.on(run_id).status == "succeeded"


@pytest.mark.parametrize(("policy", "status"), [("fail", "failed"), ("continue", "succeeded")])
def test_what_does_not_come_in_time(world: World, engine: Engine, policy: str, status: str) -> None:
    arguments = {"topic": "shop.order", "timeout_seconds": 60, "on_timeout": policy}
    run_id = world.run(step("wait", "pure.event", **{"with": arguments}), max_retries=0)
    due(engine)
    world.waker.look()
    assert world.on(run_id).status == status


def test_one_event_wakes_everybody_who_waits_for_it_once(world: World) -> None:
    runs = [world.run(step("wait", "pure.event", **{"with": {"topic": "shop.order"}})) for _ in range(3)]
    assert world.events.publish("shop.order", {}, source="t").woken == 3
    assert world.events.publish("shop.order", {}, source="t").woken == 0
    assert [world.on(run_id).status for run_id in runs] == ["succeeded"] * 3


@pytest.mark.parametrize(
    ("uses", "status", "error"), [("pure.echo", "succeeded", None), ("fx.no", "failed", "child_failed")]
)
def test_a_child_brings_back_what_it_came_to(world: World, uses: str, status: str, error: str | None) -> None:
    child = stored(world.units, pipeline(step("c", uses, **{"with": {"v": "${params.x}"}}), max_retries=0))
    asked = {"task_id": child.id, "params": {"x": 5}}
    run_id = world.run(step("call", "fx.child", **{"with": asked}), max_retries=0)
    run = world.on(run_id)
    assert (run.status, run.error and run.error["type"]) == (status, error)
    assert error or run.output["output"] == {"v": 5}
    with world.units(read_only=True) as unit:
        made = unit.runs.latest(child.id)
    assert made is not None and (made.trigger, made.parent_run_id) == ("child", run_id)


def test_a_child_goes_on_when_the_wait_for_it_is_over(world: World, engine: Engine) -> None:
    child = stored(world.units, pipeline(step("c", "pure.event", **{"with": {"topic": "shop.*"}})))
    asked = {"task_id": child.id, "timeout_seconds": 60}
    parent = world.run(step("call", "fx.child", **{"with": asked}, on_error="continue"))
    world.hands.executor.drain()
    due(engine)
    world.waker.look()
    assert world.on(parent).status == "succeeded"
    world.waker.tidy()
    with world.units(read_only=True) as unit:
        made = unit.runs.latest(child.id)
    assert made is not None and (made.status, made.cancel_requested_at) == ("waiting", None)
    world.events.publish("shop.paid", {}, source="t")
    assert world.on(made.id).status == "succeeded"


def test_a_child_nobody_waits_for(world: World) -> None:
    child = stored(world.units, pipeline(step("c", "pure.echo")))
    run = world.on(world.run(step("call", "fx.child", **{"with": {"task_id": child.id, "wait": False}})))
    assert (run.status, run.output["status"]) == ("succeeded", "queued")


def test_a_cancelled_child_fails_the_step_that_waits(world: World) -> None:
    child = stored(world.units, pipeline(step("nap", "pure.sleep", **{"with": NEVER_SOON})))
    run_id = world.run(step("call", "fx.child", **{"with": {"task_id": child.id}}), max_retries=0)
    with world.units(read_only=True) as unit:
        made = unit.runs.latest(child.id)
    assert made is not None
    world.cancel(made.id)
    run = world.on(run_id)
    assert (run.status, run.error and run.error["details"]["status"]) == ("failed", "canceled")


def test_a_cancelled_parent_takes_its_children_along(world: World) -> None:
    child = stored(world.units, pipeline(step("nap", "pure.sleep", **{"with": NEVER_SOON})))
    run_id = world.run(step("call", "fx.child", **{"with": {"task_id": child.id}}))
    world.cancel(run_id)
    world.waker.tidy()
    with world.units(read_only=True) as unit:
        made = unit.runs.latest(child.id)
        assert unit.waits.of_run(run_id) is None
    assert made is not None and made.status == "canceled"


def test_a_child_that_is_deleted_is_missed(world: World, units: SqlUnitsOfWork) -> None:
    child = stored(units, pipeline(step("nap", "pure.sleep", **{"with": NEVER_SOON})))
    run_id = world.run(step("call", "fx.child", **{"with": {"task_id": child.id}}), max_retries=0)
    with units() as unit:
        unit.tasks.delete(child.id)
    world.waker.tidy()
    assert world.on(run_id).status == "failed"


NEVER_SOON = {"seconds": 86_400}


def test_a_wait_ends_once_whoever_ends_it(world: World, engine: Engine) -> None:
    """Ten who see the end at once: one of them ends it."""
    world.run(step("nap", "pure.sleep", **{"with": NEVER_SOON}))
    with world.units(read_only=True) as unit:
        due_at = unit.waits.next_due_at()
        assert due_at is not None
    due(engine)
    with world.units(read_only=True) as unit:
        (wait,) = unit.waits.due(10)
    ended: list[bool] = []

    def end() -> None:
        with world.units() as unit:
            ended.append(unit.waits.resolve(wait.id, Resolution()))

    threads = [threading.Thread(target=end) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(ended) == [False] * 9 + [True]


def test_a_run_that_is_to_be_cancelled_does_not_begin_to_wait(world: World) -> None:
    def cancelled(call: Any) -> Any:
        world.cancel(call.idempotency_key.partition(":")[0])
        return flow_sleep_tool().run(call)

    hands = Hands(world.hands.executor.ledger, {"pure.sleep": cancelled})  # type: ignore[arg-type]
    (run_id,) = queued(world.units, stored(world.units, pipeline(step("nap", "pure.sleep", **{"with": NEVER_SOON}))))
    hands.executor.drain()
    assert world.on(run_id).status == "canceled"
    with world.units(read_only=True) as unit:
        assert unit.waits.of_run(run_id) is None


def test_waiting_does_not_count_against_the_time_limit(world: World, engine: Engine) -> None:
    run_id = world.run(step("nap", "pure.sleep", **{"with": {"seconds": 600}}), timeout_seconds=30)
    with engine.begin() as connection:
        connection.execute(text("UPDATE runs SET started_at = started_at - 3600000000"))
    due(engine)
    world.waker.look()
    assert world.on(run_id).status == "succeeded"


def test_unknown_waits(world: World) -> None:
    with world.units() as unit:
        assert unit.waits.resolve(new_id(), Resolution()) is False
        assert unit.waits.get(new_id()) is None


def test_what_the_platform_tells_can_be_waited_for(world: World) -> None:
    other = stored(world.units, pipeline(step("a", "pure.echo")))
    match = {"task_id": other.id}
    run_id = world.run(step("wait", "pure.event", **{"with": {"topic": "run.succeeded", "match": match}}))
    hands = world.hands.executor
    hands.ledger.witness = RunWitness(units=world.units, herald=world.herald)  # type: ignore[attr-defined]
    queued(world.units, other)
    assert world.on(run_id).status == "queued"  # by the end of the other, which has rung
    assert world.on(run_id).status == "succeeded"


@pytest.mark.parametrize(
    ("pattern", "topics"),
    [
        ("shop.order.paid", ["shop.order.paid"]),
        ("shop.*", ["shop.a"]),
        ("shop.**, !shop.x", ["shop.a.b"]),
        ("*.paid", ["shop.paid"]),
        ("a.b, c.d", ["a.b", "c.d"]),
        ("**", ["x"]),
    ],
)
def test_every_pattern_is_found_by_its_head(pattern: str, topics: list[str]) -> None:
    wait = EventWait(topic=pattern, match=None, asked_at=0.0)
    assert all(wait.head in heads_of(topic) for topic in topics)

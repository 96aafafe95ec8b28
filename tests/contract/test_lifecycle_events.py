"""What the platform tells of itself is stored with the change where somebody durable listens, and nowhere else."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import Engine

from app.domain.access import LOCAL
from app.domain.clock import SystemClock
from app.domain.execution import Checkpoint, Settlement
from app.domain.ids import new_id
from app.domain.runs import RunFilter
from app.domain.tasks import Task
from app.services.lifecycle import Herald, RunWitness
from app.services.publishing import Publisher, Triggers
from app.services.tasks import TaskService
from app.storage.ledger import SqlRunLedger
from app.storage.unit_of_work import SqlUnitsOfWork
from app.tools.forms import SchemaForms
from ordinaut import Event
from tests.contract.conftest import make_ledger
from tests.contract.test_events import on_event, service
from tests.fakes.rows import a_task, queued, stored
from tests.fakes.stores import CountingQueue
from tests.fakes.task_world import some_tools

STEP = (1, "step", {"id": "a", "uses": "data.set", "status": "succeeded", "attempt": 1, "output": 1})


class Wire:
    """Gathers what is announced live."""

    wanted = True

    def __init__(self) -> None:
        self.heard: list[Event] = []

    def put(self, events: list[Event]) -> None:
        self.heard += events


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def witness(units: SqlUnitsOfWork, wire: Wire) -> RunWitness:
    announcer: Any = wire
    queue = CountingQueue()
    herald = Herald(publisher=Publisher(Triggers()), clock=SystemClock(), queue=queue, announcer=announcer)
    return RunWitness(units=units, herald=herald)


@pytest.fixture
def watched(engine: Engine, witness: RunWitness) -> SqlRunLedger:
    """A ledger with a witness."""
    ledger = make_ledger(engine)
    ledger.witness = witness
    return ledger


def topics(units: SqlUnitsOfWork) -> list[str]:
    """Topics of the stored events, in order."""
    with units(read_only=True) as unit:
        return [one.event.topic for one in unit.events.after(0, None, 100)]


def started(units: SqlUnitsOfWork, task: Task) -> list[Any]:
    """Runs that events started, oldest first."""
    with units(read_only=True) as unit:
        found = unit.runs.page(RunFilter(task_id=task.id, trigger="event"), limit=100, offset=0).items
    return list(found)[::-1]


def worked(ledger: SqlRunLedger, witness: RunWitness, status: Any = "succeeded", **more: Any) -> None:
    """Claim one run, keep a step of it, and settle it, as a worker does."""
    answer = ledger.exchange("w/1", want=1)
    witness.committed((), None, answer)
    (run,) = answer.claimed
    kept = Checkpoint(run, [STEP])
    witness.committed((), kept, ledger.exchange("w/1", checkpoint=kept))
    settled = [Settlement(run=run, status=status, lines=[(2, "state", {"status": status})], **more)]
    witness.committed(settled, None, ledger.exchange("w/1", settle=settled))


def test_without_a_durable_reader_everything_is_told_live_and_nothing_is_stored(
    units: SqlUnitsOfWork, watched: SqlRunLedger, witness: RunWitness, wire: Wire
) -> None:
    on_event(units, "**")  # means what agents publish, not the platform's own
    task = stored(units, a_task())
    (run_id,) = queued(units, task)
    worked(watched, witness)
    assert topics(units) == []
    assert [event.topic for event in wire.heard] == ["run.started", "step.finished", "run.succeeded"]
    assert {event.data["run_id"] for event in wire.heard} == {run_id} and {event.id for event in wire.heard} == {""}
    assert wire.heard[1].data["step_id"] == "a"


@pytest.mark.parametrize(
    ("kind", "expr", "wanted"),
    [
        ("event", "run.succeeded", ["run.succeeded"]),
        ("event", "run.*, !run.succeeded", ["run.started"]),
        ("event", "step.**", ["step.finished"]),
        ("event", "run.failed", []),
        ("condition", "topic == 'run.succeeded' && payload.attempt == 1", ["run.succeeded"]),
        ("condition", "topic == 'run.succeeded' && payload.attempt == 2", []),
        # a condition that names none of the platform's topics is not asked about them
        ("condition", "payload.attempt == 1", []),
    ],
)
def test_what_a_task_is_for_is_stored_and_starts_it_once(
    units: SqlUnitsOfWork, watched: SqlRunLedger, witness: RunWitness, kind: str, expr: str, wanted: list[str]
) -> None:
    triggered = on_event(units, expr, schedule_kind=kind, overlap="allow", priority=9)
    queued(units, stored(units, a_task(priority=1)))
    worked(watched, witness)
    assert topics(units) == wanted
    runs = started(units, triggered)
    assert [run.event["topic"] for run in runs] == wanted and all(run.event["depth"] == 0 for run in runs)


def test_told_live_is_what_was_not_stored(
    units: SqlUnitsOfWork, watched: SqlRunLedger, witness: RunWitness, wire: Wire
) -> None:
    on_event(units, "run.succeeded", priority=9)
    queued(units, stored(units, a_task(priority=1)))
    worked(watched, witness)
    assert [event.topic for event in wire.heard] == ["run.started", "step.finished"]


def test_a_task_is_not_started_by_its_own_runs(
    units: SqlUnitsOfWork, watched: SqlRunLedger, witness: RunWitness
) -> None:
    task = on_event(units, "run.**", overlap="allow")
    queued(units, task)
    worked(watched, witness)
    assert started(units, task) == []


def test_a_settlement_that_came_too_late_tells_nothing(
    units: SqlUnitsOfWork, watched: SqlRunLedger, witness: RunWitness
) -> None:
    triggered = on_event(units, "run.*", overlap="allow", priority=9)
    queued(units, stored(units, a_task(priority=1)))
    (run,) = watched.exchange("w/1", want=1).claimed
    assert watched.rescue(["w/1"]) == 1
    watched.exchange("w/1", settle=[Settlement(run=run, status="succeeded")])
    assert topics(units) == ["run.started"] and len(started(units, triggered)) == 1


def test_a_run_that_is_lost_for_good_is_told_of(
    units: SqlUnitsOfWork, watched: SqlRunLedger, witness: RunWitness
) -> None:
    triggered = on_event(units, "run.failed", priority=9)
    queued(units, stored(units, a_task(priority=1, max_retries=0)))
    for _ in range(4):
        watched.exchange("w/1", want=1)
        watched.rescue(["w/1"])
    (run,) = started(units, triggered)
    assert run.event["payload"]["error"]["type"] == "worker_lost"


def test_a_failed_run_is_told_with_its_error_and_its_depth(
    units: SqlUnitsOfWork, watched: SqlRunLedger, witness: RunWitness
) -> None:
    triggered = on_event(units, "run.failed", priority=9)
    queued(units, stored(units, a_task(priority=1)), event={"depth": 3})
    worked(watched, witness, "failed", error='{"type": "timeout"}')
    (run,) = started(units, triggered)
    assert run.event["payload"]["error"] == {"type": "timeout"} and run.event["depth"] == 4


def test_nobody_waits_in_a_circle(engine: Engine, units: SqlUnitsOfWork) -> None:
    """Publishers, changes of tasks, deletions and workers at once, while a task is for all that they tell."""
    watcher = on_event(units, "task.*, run.*, step.*, shop.*", overlap="allow", priority=9)
    over = threading.Event()

    def again(work: Callable[[], object]) -> None:
        while not over.is_set():
            work()

    tasks = TaskService(
        units=units, tools=some_tools(), queue=CountingQueue(), clock=SystemClock(), forms=SchemaForms()
    )
    herald = Herald(publisher=Publisher(Triggers()), clock=SystemClock())
    witness = RunWitness(units=units, herald=herald)
    ledger = make_ledger(engine)
    ledger.witness = witness
    publisher = service(units)

    def make_and_delete() -> None:
        task = tasks.create({"title": "x", "schedule_kind": "event", "schedule_expr": "shop.a"}, caller=LOCAL)
        tasks.patch(task.id, {"title": "y"}, caller=LOCAL)
        tasks.delete(task.id, caller=LOCAL)

    work = [
        lambda: publisher.publish("shop.a", {}, source="t"),
        lambda: tasks.patch(watcher.id, {"title": new_id()}, caller=LOCAL),
        make_and_delete,
        make_and_delete,
        lambda: worked(ledger, witness) if queued(units, watcher) else None,
    ]
    with ThreadPoolExecutor(len(work)) as pool:
        loops = [pool.submit(again, one) for one in work]
        over.wait(2)
        over.set()
    assert [loop.exception() for loop in loops] == [None] * len(work)

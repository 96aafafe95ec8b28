"""Two who act on a run in the same moment, on both databases: one is the later, and nobody waits for ever."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, text

from app.domain.access import LOCAL
from app.domain.bulk import BulkRequest
from app.domain.clock import SystemClock
from app.domain.errors import Conflict
from app.domain.execution import Settlement
from app.domain.reruns import Mark
from app.domain.runs import RunFilter
from app.domain.tasks import Task
from app.domain.waits import Parking, Resolution, Sleep, Until
from app.domain.webhooks import Attempt, Webhook, judged
from app.services import webhook_sending
from app.services.bulk import BulkService
from app.services.lifecycle import Herald
from app.services.reruns import RerunService
from app.storage.ledger import SqlRunLedger
from app.storage.unit_of_work import SqlUnitsOfWork
from tests.contract.test_webhooks import World
from tests.fakes.access import ANA
from tests.fakes.hands import Bell
from tests.fakes.pipelines import get
from tests.fakes.rows import a_task, queued, stored
from tests.servers import wait_for

LINE = (1, "state", {"status": "waiting"})


class Meanwhile:
    """Somebody who acts in a thread of their own, and what came of it."""

    def __init__(self, engine: Engine, act: Callable[[], Any]) -> None:
        self._engine = engine
        self._act = act
        self.result: Any = None
        self._thread = threading.Thread(target=self._run)

    def start(self) -> None:
        """Begin; returns once they wait for a row, where the database lets two write at once."""
        self._thread.start()
        if self._engine.dialect.name == "postgresql":
            wait_for(self._blocked, what="the other one to wait for a row")

    def _blocked(self) -> bool:
        with self._engine.connect() as connection:
            return bool(connection.execute(text("SELECT COUNT(*) FROM pg_locks WHERE NOT granted")).scalar_one())

    def _run(self) -> None:
        try:
            self.result = self._act()
        except Exception as error:  # noqa: BLE001 - what it is, is what the test asks
            self.result = error

    def joined(self) -> Any:
        """What it came to."""
        self._thread.join(20)
        assert not self._thread.is_alive()
        return self.result


@pytest.fixture
def sleepers(units: SqlUnitsOfWork, ledger: SqlRunLedger) -> tuple[Task, list[str]]:
    """A task, and two runs of it whose sleep is over though nobody has woken them."""
    task = stored(units, a_task(created_by=ANA.agent_id))
    runs = list(queued(units, task, 2))
    naps = [
        Settlement(
            run=run,
            status="waiting",
            lines=[LINE],
            parking=Parking(
                wait=Sleep(until=Until(delay_us=0, then=Resolution())), step_id="nap", uses="flow.sleep", attempt=1
            ),
        )
        for run in ledger.exchange("w/1", want=2).claimed
    ]
    ledger.exchange("w/1", settle=naps)
    assert {get(units, run_id).status for run_id in runs} == {"waiting"}
    return task, runs


def test_a_run_that_goes_on_is_not_canceled_by_a_mark_that_came_too_late(
    engine: Engine, units: SqlUnitsOfWork, sleepers: tuple[Task, list[str]]
) -> None:
    task, (run_id, _) = sleepers
    clock = SystemClock()
    service = RerunService(units=units, queue=Bell(), clock=clock, herald=Herald.silent(clock))
    mark = Mark(step_id="nap", status="succeeded", output=None, note="done", by="ana")
    late = Meanwhile(engine, lambda: service.mark(run_id, mark, caller=ANA, request_id=""))
    with units() as unit:
        unit.tasks.get(task.id, lock=True)
        late.start()
        wait = unit.waits.of_run(run_id)
        assert wait is not None and unit.waits.resolve(wait.id, Resolution())
    assert isinstance(late.joined(), Conflict)
    assert get(units, run_id).status == "queued"


def test_many_are_canceled_while_beat_wakes_some_of_them(
    engine: Engine, units: SqlUnitsOfWork, sleepers: tuple[Task, list[str]]
) -> None:
    _, runs = sleepers
    clock, bell = SystemClock(), Bell()
    service = BulkService(units=units, queue=bell, clock=clock, herald=Herald.silent(clock, bell))
    wish = BulkRequest(
        action="cancel",
        where=RunFilter(status=("queued", "waiting")),
        dry_run=False,
        start="failed",
        definition="original",
    )
    bulk = Meanwhile(engine, lambda: service.act(wish, caller=ANA, request_id=""))
    with units() as unit:
        due = unit.waits.due(10)
        assert {one.run_id for one in due} == set(runs)
        bulk.start()
        assert all(unit.waits.resolve(one.id, Resolution()) for one in due)
    assert bulk.joined().done == 2
    assert {get(units, run_id).status for run_id in runs} == {"canceled"}


def test_what_its_owner_changes_while_a_delivery_is_settled_stands(
    engine: Engine, units: SqlUnitsOfWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(units)
    one = world.webhook()
    world.status = 500
    world.publish("shop.first")
    world.plan()
    world.send()
    assert world.state(one).failures == 1
    world.status = 200
    world.clock.turn(days=1)
    withdrawn = Meanwhile(engine, lambda: world.service.change(one.id, {"enabled": False}, caller=LOCAL))

    def judged_slowly(webhook: Webhook, attempt: Attempt, patience: timedelta) -> Webhook:
        withdrawn.start()
        return judged(webhook, attempt, patience)

    monkeypatch.setattr(webhook_sending, "judged", judged_slowly)
    assert world.send() == 1
    assert not isinstance(withdrawn.joined(), Exception)
    assert (world.state(one).enabled, world.state(one).failures) == (False, 0)

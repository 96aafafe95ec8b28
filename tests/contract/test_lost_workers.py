"""What follows when a death ends a run: whoever can see to it does, and a task that keeps failing is paused."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine

from app.domain.clock import SystemClock
from app.domain.runs import Run
from app.services.maintenance import Housekeeper, TaskPauser
from app.services.tasks import TaskService
from app.storage.ledger import INNOCENT_LOSSES
from app.storage.unit_of_work import SqlUnitsOfWork
from app.tools.forms import SchemaForms
from app.tools.registry import ToolRegistry
from tests.contract.conftest import make_ledger
from tests.fakes.hands import Bell
from tests.fakes.rows import a_task, queued, stored


def run_of(units: SqlUnitsOfWork, run_id: str) -> Run:
    """The run as it stands."""
    with units(read_only=True) as unit:
        return unit.runs.get(run_id)


def sweep(engine: Engine, units: SqlUnitsOfWork) -> None:
    """What beat does every second."""
    ledger, bell, clock = make_ledger(engine), Bell(), SystemClock()
    tasks = TaskService(units=units, tools=ToolRegistry(), queue=bell, clock=clock, forms=SchemaForms())
    ledger.on_lost = TaskPauser(units=units, pause=tasks.pause_by_failures).lost
    Housekeeper(ledger=ledger, units=units, queue=bell, clock=clock, retention_days=1).sweep()


@pytest.mark.parametrize(
    ("pause_after", "status"),
    [
        (1, "paused"),
        (2, "active"),  # one failure is not two
        (None, "active"),
    ],
)
def test_deaths_of_workers_count_as_failures(
    engine: Engine, units: SqlUnitsOfWork, pause_after: int | None, status: str
) -> None:
    task = stored(units, a_task(max_retries=0, pause_after_failures=pause_after))
    (run_id,) = queued(units, task)
    parents = make_ledger(engine)  # it has no witness
    for _ in range(INNOCENT_LOSSES):
        parents.exchange("node/1", want=1)
        assert parents.rescue(["node/1"]) == 1
        assert run_of(units, run_id).status == "queued"
    parents.exchange("node/1", want=1)
    assert parents.rescue(["node/1"]) == 1
    assert run_of(units, run_id).status == "running"  # its end is left to beat, which can see to what follows
    assert parents.rescue(["node/1"]) == 0
    sweep(engine, units)
    run = run_of(units, run_id)
    assert run.status == "failed" and run.error is not None and run.error["type"] == "worker_lost"
    with units(read_only=True) as unit:
        assert unit.tasks.get(task.id).status == status


def test_a_task_that_is_gone_is_nobodys_concern(units: SqlUnitsOfWork) -> None:
    paused: list[str] = []
    TaskPauser(units=units, pause=lambda task_id, reason: paused.append(task_id)).lost("gone")
    assert paused == []

"""A queued run says what holds it back, on both databases."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.domain.clock import SystemClock
from app.domain.execution import Settlement
from app.domain.holds import Held
from app.domain.metrics import WORKERS, Report
from app.domain.runs import RunFilter
from app.domain.tasks import Task
from app.services.holds import HoldService
from app.storage.ledger import SqlRunLedger
from app.storage.statements import ConnectionStatements
from app.storage.unit_of_work import SqlUnitsOfWork
from ordinaut import Caller
from tests.fakes.rows import a_task, queued, stored

EVERYBODY = Caller("root", frozenset({"admin"}))
ANA = Caller("ana", frozenset({"runs:read"}))


@pytest.fixture
def task(units: SqlUnitsOfWork) -> Task:
    """A task to make runs of."""
    return stored(units, a_task())


@pytest.fixture
def alive(units: SqlUnitsOfWork) -> None:
    """A worker that has just said so."""
    with units() as unit:
        unit.metrics.report(Report(process="w/1", gauges={(WORKERS.name, (("node", "w"),)): 1}), 30)


def held(units: SqlUnitsOfWork, run_id: str, caller: Caller = EVERYBODY) -> Held | None:
    """What holds the run back."""
    with units(read_only=True) as unit:
        run = unit.runs.get(run_id)
    return HoldService(units=units, clock=SystemClock()).of(run, caller=caller)


def facts(found: Held | None) -> tuple[Any, ...]:
    assert found is not None
    return found.reason, tuple(found.runs), found.at_work, found.ahead


def test_without_a_worker_nothing_else_matters(units: SqlUnitsOfWork, task: Task) -> None:
    first, second = queued(units, task, 2, concurrency_key="api")
    assert [facts(held(units, one))[0] for one in (first, second)] == ["no_worker", "no_worker"]


def test_a_worker_that_has_said_nothing_for_long_is_not_alive(units: SqlUnitsOfWork, task: Task) -> None:
    with units() as unit:
        unit.metrics.report(Report(process="w/1", gauges={(WORKERS.name, (("node", "w"),)): 1}), -1)
    assert facts(held(units, queued(units, task)[0]))[0] == "no_worker"


@pytest.mark.usefixtures("alive")
class TestWithAWorker:
    """Somebody is there to do the work."""

    def test_the_queue_of_all(self, units: SqlUnitsOfWork, task: Task) -> None:
        *_, third = queued(units, task, 3)
        assert facts(held(units, third)) == ("worker", (), 0, 2)

    def test_the_line_of_its_task(self, units: SqlUnitsOfWork, ledger: SqlRunLedger, task: Task) -> None:
        first, _, third = queued(units, task, 3, in_line=True)
        assert len(ledger.exchange("w/1", want=5).claimed) == 1
        found = held(units, third)
        assert facts(found) == ("overlap", (first,), 1, 1)
        assert found and found.message == "The runs of its task go one at a time, and 2 runs go before it"

    def test_one_that_replaces_those_before(self, units: SqlUnitsOfWork, ledger: SqlRunLedger, task: Task) -> None:
        queued(units, task, in_line=True)
        ledger.exchange("w/1", want=1)
        found = held(units, queued(units, task, in_line=True, supersedes=True)[0])
        assert found and found.message == "It starts once the run that it replaces has stopped"

    def test_a_full_key(self, units: SqlUnitsOfWork, task: Task) -> None:
        first, second, _, last = queued(units, task, 4, concurrency_key="api", concurrency_limit=2)
        found = held(units, last)
        assert facts(found) == ("concurrency", (first, second), 2, 1)
        assert found and found.message == (
            "Its concurrency key, api, lets 2 runs work at a time, and so many are at work"
        )

    def test_those_in_front_that_their_own_limit_keeps_back(self, units: SqlUnitsOfWork, task: Task) -> None:
        queued(units, task, 2, concurrency_key="api")
        found = held(units, queued(units, task, concurrency_key="api", concurrency_limit=9)[0])
        assert found and found.message == "Others stand before it in the line of its concurrency key, api"

    def test_of_others_runs_one_hears_the_number(self, units: SqlUnitsOfWork, task: Task) -> None:
        queued(units, task, concurrency_key="api")
        mine, last = queued(
            units, stored(units, a_task(created_by="ana")), 2, concurrency_key="api", concurrency_limit=2
        )
        assert facts(held(units, last, ANA)) == ("concurrency", (mine,), 2, 0)

    def test_many_at_work_are_counted_and_a_score_named(self, units: SqlUnitsOfWork, task: Task) -> None:
        *_, last = queued(units, task, 31, concurrency_key="api", concurrency_limit=30)
        found = held(units, last)
        assert found and (len(found.runs), found.at_work) == (20, 30)

    @pytest.mark.parametrize(
        ("reason", "told"),
        [
            ("run_retry", "retry"),
            ("step_retry", "retry"),
            ("tool_limit", "tool_limit"),
            ("handed_back", "not_due"),
        ],
    )
    @pytest.mark.parametrize("key", [None, "api"])
    def test_its_moment(
        self, units: SqlUnitsOfWork, ledger: SqlRunLedger, task: Task, reason: str, told: str, key: str | None
    ) -> None:
        (run_id,) = queued(units, task, concurrency_key=key)
        (run,) = ledger.exchange("w/1", want=1).claimed
        line = (1, "state", {"status": "queued", "reason": reason})
        ledger.exchange("w/1", settle=[Settlement(run=run, status="queued", delay_us=3_600_000_000, lines=[line])])
        found = held(units, run_id)
        assert found and found.reason == told
        with units(read_only=True) as unit:
            assert found.until == unit.runs.get(run_id).available_at

    def test_one_that_is_made_for_later(self, units: SqlUnitsOfWork, task: Task) -> None:
        (run_id,) = queued(units, task, scheduled_for=datetime.now(UTC) + timedelta(hours=1))
        assert facts(held(units, run_id)) == ("not_due", (), 0, 0)

    def test_a_run_that_was_taken_or_has_ended_is_held_by_nothing(
        self, units: SqlUnitsOfWork, ledger: SqlRunLedger, task: Task
    ) -> None:
        (run_id,) = queued(units, task)
        with units(read_only=True) as unit:
            before = unit.runs.get(run_id)
        (run,) = ledger.exchange("w/1", want=1).claimed
        assert HoldService(units=units, clock=SystemClock()).of(before, caller=EVERYBODY) is None
        assert held(units, run_id) is None
        ledger.exchange("w/1", settle=[Settlement(run=run, status="succeeded", lines=[])])
        assert held(units, run_id) is None

    @pytest.mark.parametrize("count", [1, 12])
    def test_a_list_asks_as_often_as_a_run(
        self,
        units: SqlUnitsOfWork,
        ledger: SqlRunLedger,
        task: Task,
        monkeypatch: pytest.MonkeyPatch,
        count: int,
    ) -> None:
        lines = [stored(units, a_task()) for _ in range(3)]
        for one in lines:
            queued(units, one, in_line=True)
            queued(units, task, concurrency_key=one.id)
        assert len(ledger.exchange("w/1", want=6).claimed) == 6
        queued(units, task, count)
        for one in lines:
            queued(units, one, count, in_line=True)
            queued(units, task, count, concurrency_key=one.id)
        queued(units, task, count, scheduled_for=datetime.now(UTC) + timedelta(hours=1))
        with units(read_only=True) as unit:
            runs = unit.runs.page(RunFilter(status=("queued",)), limit=200, offset=0).items
        assert len(runs) == 8 * count
        asked: list[str] = []
        plain = ConnectionStatements.run

        def run(self: ConnectionStatements, sql: str, values: Any = ()) -> Any:
            asked.append(sql)
            return plain(self, sql, values)

        monkeypatch.setattr(ConnectionStatements, "run", run)
        service = HoldService(units=units, clock=SystemClock())
        found = service.of_all(runs, caller=EVERYBODY)
        assert len(asked) == 6
        assert Counter(one.reason for one in found.values()) == {
            "worker": count,
            "overlap": 3 * count,
            "concurrency": 3 * count,
            "not_due": count,
        }
        assert {one.ahead for one in found.values() if one.reason == "overlap"} == set(range(count))
        assert found == {run.id: service.of(run, caller=EVERYBODY) for run in runs}

"""The ledger keeps its promises on both databases: one holder at a time, and only the holder writes."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine

from app.domain.execution import Checkpoint, Exchange, Settlement
from app.storage.ledger import INNOCENT_LOSSES, SqlRunLedger
from app.storage.unit_of_work import SqlUnitsOfWork
from tests.contract.conftest import make_ledger
from tests.fakes.rows import a_run, a_task, queued, stored

LINE = (1, "log", {"level": "info", "message": "hello"})


def test_each_run_is_claimed_once_by_many_workers(engine: Engine, units: SqlUnitsOfWork) -> None:
    ids = set(queued(units, stored(units, a_task()), 60))
    claimed: list[str] = []

    def work(owner: str) -> None:
        ledger = make_ledger(engine)
        while got := ledger.exchange(owner, want=7).claimed:
            claimed.extend(run.id for run in got)

    workers = [threading.Thread(target=work, args=(f"w/{n}",)) for n in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sorted(claimed) == sorted(ids)


def test_urgent_runs_come_first_and_waiting_outranks_priority(units: SqlUnitsOfWork, ledger: SqlRunLedger) -> None:
    task = stored(units, a_task())
    now = datetime.now(UTC)
    runs = {
        "low, ten minutes old": a_run(task, priority=9, scheduled_for=now - timedelta(minutes=10)),
        "high, new": a_run(task, priority=1, scheduled_for=now),
        "low, new": a_run(task, priority=9, scheduled_for=now),
    }
    with units() as unit:
        unit.runs.add(list(runs.values()), now)
    order = [run.id for run in ledger.exchange("w/1", want=3).claimed]
    assert order == [runs[name].id for name in ("low, ten minutes old", "high, new", "low, new")]


def test_a_run_is_not_taken_before_its_time(units: SqlUnitsOfWork, ledger: SqlRunLedger) -> None:
    task = stored(units, a_task())
    queued(units, task, scheduled_for=datetime.now(UTC) + timedelta(hours=1))
    assert not ledger.ready()
    assert ledger.exchange("w/1", want=1).claimed == []


def test_a_settlement_ends_the_run_and_appends_to_its_journal(units: SqlUnitsOfWork, ledger: SqlRunLedger) -> None:
    task = stored(units, a_task())
    (run_id,) = queued(units, task)
    (run,) = ledger.exchange("w/1", want=1).claimed
    ledger.exchange("w/1", checkpoint=Checkpoint(run, [LINE, LINE]))
    done = Settlement(run=run, status="succeeded", output='{"a":1}', lines=[LINE], active_us=5)
    assert ledger.exchange("w/1", settle=[done]).accepted == {run_id}
    with units(read_only=True) as unit:
        stands = unit.runs.get(run_id)
        numbers = [record.number for record in unit.runs.journal(run_id)]
    assert (stands.status, stands.success, stands.output, stands.lease_owner) == (
        "succeeded",
        True,
        {"a": 1},
        None,
    )
    assert stands.finished_at is not None
    assert numbers == [1, 2, 3] and stands.journal_length == 3


def test_ends_and_claims_share_an_exchange(units: SqlUnitsOfWork, ledger: SqlRunLedger) -> None:
    ids = queued(units, stored(units, a_task()), 4)
    first, second = ledger.exchange("w/1", want=2).claimed
    zombie = Settlement(run=replace(second, fence=second.fence - 1), status="failed", lines=[LINE])
    done = Settlement(run=first, status="succeeded", output='{"a":1}', lines=[LINE])
    answer = ledger.exchange("w/1", settle=[done, zombie], want=5)
    assert answer.accepted == {first.id}
    assert [run.id for run in answer.claimed] == list(ids[2:])
    assert answer.claimed[0] == replace(first, id=ids[2], scheduled_for=answer.claimed[0].scheduled_for)
    # Nothing to claim is no matter to what is settled, nor the other way round.
    rest = [Settlement(run=run, status="succeeded", lines=[LINE]) for run in answer.claimed]
    assert ledger.exchange("w/1", settle=rest, want=5) == Exchange(frozenset(ids[2:]), frozenset(), [])
    assert ledger.exchange("w/1", settle=rest, want=5) == Exchange(frozenset(), frozenset(), [])
    with units(read_only=True) as unit:
        assert [unit.runs.get(run_id).status for run_id in ids] == ["succeeded", "running", "succeeded", "succeeded"]
        assert [record.number for record in unit.runs.journal(ids[0])] == [1]


def test_many_settlements_of_mixed_fate_share_a_transaction(units: SqlUnitsOfWork, ledger: SqlRunLedger) -> None:
    task = stored(units, a_task())
    queued(units, task, 3)
    first, second, third = ledger.exchange("w/1", want=3).claimed
    answer = ledger.exchange(
        "w/1",
        settle=[
            Settlement(run=first, status="failed", error='{"type":"x","message":"y"}', lines=[LINE]),
            Settlement(run=second, status="queued", delay_us=60_000_000, lines=[LINE]),
            Settlement(run=third, status="queued", returned=True),
        ],
        want=5,
    )
    assert answer.accepted == {first.id, second.id, third.id}
    assert [run.id for run in answer.claimed] == [third.id]
    assert answer.claimed[0].attempt == 1  # the hand-back cost no attempt
    with units(read_only=True) as unit:
        assert unit.runs.get(first.id).error == {"type": "x", "message": "y"}
        waiting = unit.runs.get(second.id)
    assert waiting.status == "queued" and waiting.attempt == 1
    assert timedelta(seconds=50) < waiting.available_at - datetime.now(UTC) < timedelta(seconds=70)


def test_a_zombies_commits_are_fenced(engine: Engine, units: SqlUnitsOfWork) -> None:
    ledger = make_ledger(engine, lease_seconds=0.0)
    (run_id,) = queued(units, stored(units, a_task()))
    (stale,) = ledger.exchange("zombie/1", want=1).claimed
    ledger.exchange("zombie/1", checkpoint=Checkpoint(stale, [LINE]))
    assert ledger.rescue() == 1
    (fresh,) = ledger.exchange("w/2", want=1).claimed
    assert fresh.fence > stale.fence and fresh.attempt == 2
    done = Settlement(run=stale, status="succeeded", lines=[LINE])
    assert ledger.exchange("zombie/1", settle=[done]).accepted == frozenset()
    assert ledger.exchange("zombie/1", checkpoint=Checkpoint(stale, [LINE])).accepted == frozenset()
    assert ledger.renew("zombie/1", [run_id]) == {}
    with units(read_only=True) as unit:
        assert unit.runs.get(run_id).status == "running"
        assert [record.kind for record in unit.runs.journal(run_id)] == ["log", "state"]  # the last is the rescue's


def test_a_lost_worker_costs_an_attempt_and_the_last_one_fails_the_run(engine: Engine, units: SqlUnitsOfWork) -> None:
    ledger = make_ledger(engine, lease_seconds=0.0)
    (run_id,) = queued(units, stored(units, a_task(max_retries=1)))
    for attempt in (1, 2):
        (run,) = ledger.exchange("w/1", want=1).claimed
        assert run.attempt == attempt
        ledger.exchange("w/1", checkpoint=Checkpoint(run, [LINE]))
        assert ledger.rescue() == 1
    with units(read_only=True) as unit:
        stands = unit.runs.get(run_id)
    assert (stands.status, stands.error and stands.error["type"]) == ("failed", "worker_lost")
    assert not ledger.ready()


def test_a_run_that_was_never_begun_is_not_charged_until_it_looks_guilty(engine: Engine, units: SqlUnitsOfWork) -> None:
    ledger = make_ledger(engine, lease_seconds=0.0)
    (run_id,) = queued(units, stored(units, a_task(max_retries=0)))
    for _ in range(INNOCENT_LOSSES):
        (run,) = ledger.exchange("w/1", want=1).claimed
        assert run.attempt == 1
        assert ledger.rescue() == 1
    ledger.exchange("w/1", want=1)
    ledger.rescue()
    with units(read_only=True) as unit:
        assert unit.runs.get(run_id).status == "failed"


def test_a_cancelled_run_that_went_back_to_the_queue_comes_at_once_and_says_so(
    units: SqlUnitsOfWork, ledger: SqlRunLedger
) -> None:
    (run_id,) = queued(units, stored(units, a_task()))
    (run,) = ledger.exchange("w/1", want=1).claimed
    with units() as unit:
        unit.runs.request_cancel(run_id, datetime.now(UTC))
    ledger.exchange("w/1", settle=[Settlement(run=run, status="queued", delay_us=3_600_000_000)])
    (again,) = ledger.exchange("w/2", want=1).claimed
    assert again.cancelled and not run.cancelled


def test_what_json_cannot_hold_is_written_all_the_same(units: SqlUnitsOfWork, ledger: SqlRunLedger) -> None:
    (run_id,) = queued(units, stored(units, a_task()))
    (run,) = ledger.exchange("w/1", want=1).claimed
    odd = (1, "log", {"level": "info", "message": "half \ud800", "n": 2**70, "b": b"x", 3: {"k": object}})
    assert ledger.exchange("w/1", checkpoint=Checkpoint(run, [odd])).accepted == {run_id}
    with units(read_only=True) as unit:
        (record,) = unit.runs.journal(run_id)
    assert record.body["message"] == "half ?" and record.body["n"] == str(2**70)


def test_runs_of_dead_owners_are_taken_back_at_once(units: SqlUnitsOfWork, ledger: SqlRunLedger) -> None:
    queued(units, stored(units, a_task()), 2)
    ledger.exchange("node/1", want=1)
    ledger.exchange("node/2", want=1)
    assert sorted(ledger.owners("node")) == ["node/1", "node/2"]
    assert ledger.owners("other") == []
    assert ledger.rescue(["node/1"]) == 1
    assert ledger.owners("node") == ["node/2"]
    assert ledger.rescue([]) == 0


def test_a_request_to_cancel_reaches_the_holder(units: SqlUnitsOfWork, ledger: SqlRunLedger) -> None:
    (run_id,) = queued(units, stored(units, a_task()))
    (run,) = ledger.exchange("w/1", want=1).claimed
    assert ledger.renew("w/1", [run_id]) == {run_id: False}
    with units() as unit:
        assert not unit.runs.cancel_queued(run_id, datetime.now(UTC))
        assert unit.runs.request_cancel(run_id, datetime.now(UTC))
    assert ledger.renew("w/1", [run_id]) == {run_id: True}
    assert ledger.exchange("w/1", checkpoint=Checkpoint(run, [])).cancelled == {run_id}


def test_a_cancelled_run_whose_worker_dies_is_canceled(engine: Engine, units: SqlUnitsOfWork) -> None:
    ledger = make_ledger(engine, lease_seconds=0.0)
    (run_id,) = queued(units, stored(units, a_task()))
    ledger.exchange("w/1", want=1)
    with units() as unit:
        unit.runs.request_cancel(run_id, datetime.now(UTC))
    ledger.rescue()
    with units(read_only=True) as unit:
        assert unit.runs.get(run_id).status == "canceled"


def test_deleting_a_task_takes_its_runs_from_their_holder(units: SqlUnitsOfWork, ledger: SqlRunLedger) -> None:
    task = stored(units, a_task())
    queued(units, task)
    (run,) = ledger.exchange("w/1", want=1).claimed
    with units() as unit:
        unit.tasks.delete(task.id)
    done = Settlement(run=run, status="succeeded", lines=[LINE])
    assert ledger.exchange("w/1", settle=[done]).accepted == frozenset()
    assert ledger.definition(task.definition_id) == {}


@pytest.mark.parametrize("count", [1, 25])
def test_a_batch_is_never_larger_than_asked(units: SqlUnitsOfWork, ledger: SqlRunLedger, count: int) -> None:
    queued(units, stored(units, a_task()), 30)
    assert len(ledger.exchange("w/1", want=count).claimed) == count

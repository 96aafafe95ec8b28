"""Limits hold at the claim, on both databases: never more at work than a key allows, the others in order of rank."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, text

from app.domain.clock import SystemClock
from app.domain.execution import Claimed, Settlement
from app.domain.tasks import Task
from app.domain.waits import Parking, Resolution, Sleep, Until
from app.services.gates import Gatekeeper
from app.services.lifecycle import Herald
from app.storage.gates import AT_ONCE, FAR
from app.storage.ledger import SqlRunLedger
from app.storage.unit_of_work import SqlUnitsOfWork
from tests.contract.conftest import make_ledger
from tests.fakes.pipelines import get
from tests.fakes.rows import a_run, a_task, queued, stored

AT_WORK = "SELECT concurrency_key, COUNT(*) FROM runs WHERE status = 'running' GROUP BY concurrency_key"
LINE = (1, "state", {"status": "succeeded"})


@pytest.fixture
def task(units: SqlUnitsOfWork) -> Task:
    """A task to make runs of."""
    return stored(units, a_task())


@pytest.fixture
def gatekeeper(units: SqlUnitsOfWork) -> Gatekeeper:
    """What beat has."""
    clock = SystemClock()
    return Gatekeeper(units=units, clock=clock, herald=Herald.silent(clock))


def ended(run: Claimed, status: Any = "succeeded") -> Settlement:
    """The end of a run."""
    return Settlement(run=run, status=status, lines=[LINE])


def claims(ledger: SqlRunLedger, *settle: Settlement, want: int = 20) -> Sequence[Claimed]:
    """Settle and claim."""
    return ledger.exchange("w/1", settle=settle, want=want).claimed


def ids(runs: Sequence[Claimed]) -> list[str]:
    return [run.id for run in runs]


def test_as_many_runs_as_the_key_allows_are_at_work(units: SqlUnitsOfWork, ledger: SqlRunLedger, task: Task) -> None:
    made = queued(units, task, 5, concurrency_key="api", concurrency_limit=2)
    first = claims(ledger)
    assert ids(first) == list(made[:2])
    assert not ledger.ready() and claims(ledger) == []
    assert ids(claims(ledger, ended(first[0]))) == [made[2]]


def test_a_key_is_shared_by_all_tasks_and_no_concern_of_other_keys(
    units: SqlUnitsOfWork, ledger: SqlRunLedger, task: Task
) -> None:
    (one,) = queued(units, task, concurrency_key="api")
    queued(units, stored(units, a_task()), concurrency_key="api")
    (other,) = queued(units, task, concurrency_key="disk")
    (free,) = queued(units, task)
    assert sorted(ids(claims(ledger))) == sorted([one, other, free])


def test_the_line_goes_by_rank(units: SqlUnitsOfWork, ledger: SqlRunLedger, task: Task) -> None:
    queued(units, task, concurrency_key="api")
    (holder,) = claims(ledger)
    (low,) = queued(units, task, concurrency_key="api", priority=9)
    (high,) = queued(units, task, concurrency_key="api", priority=1)
    (next_one,) = claims(ledger, ended(holder))
    assert next_one.id == high
    assert ids(claims(ledger, ended(next_one))) == [low]


def test_each_run_counts_by_its_own_limit(units: SqlUnitsOfWork, ledger: SqlRunLedger, task: Task) -> None:
    made = [queued(units, task, concurrency_key="api", concurrency_limit=limit)[0] for limit in (1, 3, 3, 3, 2)]
    assert ids(claims(ledger)) == made[:3]


@pytest.mark.parametrize("status", ["succeeded", "failed", "canceled"])
def test_every_end_makes_room(units: SqlUnitsOfWork, ledger: SqlRunLedger, task: Task, status: str) -> None:
    made = queued(units, task, 2, concurrency_key="api")
    (holder,) = claims(ledger)
    answer = ledger.exchange("w/1", settle=[ended(holder, status)])
    assert answer.opened == 1
    assert ids(claims(ledger)) == [made[1]]


def test_a_run_that_is_to_try_again_lets_others_pass_and_stands_in_line_once_it_is_due(
    units: SqlUnitsOfWork, ledger: SqlRunLedger, task: Task, gatekeeper: Gatekeeper, engine: Engine
) -> None:
    made = queued(units, task, 2, concurrency_key="api")
    (holder,) = claims(ledger)
    later = Settlement(run=holder, status="queued", delay_us=3_600_000_000, lines=[LINE])
    (second,) = claims(ledger, later)
    gatekeeper.look()
    assert second.id == made[1] and claims(ledger) == []
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE runs SET available_at = 0, rank = :far WHERE id = :id"), {"id": holder.id, "far": FAR}
        )
    gatekeeper.look()
    assert claims(ledger) == []
    assert ids(claims(ledger, ended(second))) == [holder.id]


def test_a_run_that_waits_gives_its_key_up_and_needs_it_to_go_on(
    units: SqlUnitsOfWork, ledger: SqlRunLedger, task: Task, gatekeeper: Gatekeeper
) -> None:
    queued(units, task, 2, concurrency_key="api")
    (sleeper,) = claims(ledger)
    nap = Sleep(until=Until(delay_us=3_600_000_000, then=Resolution()))
    wait = Parking(wait=nap, step_id="nap", uses="flow.sleep", attempt=1)
    (second,) = claims(ledger, Settlement(run=sleeper, status="waiting", parking=wait, lines=[LINE]))
    with units() as unit:
        opened = unit.waits.of_run(sleeper.id)
        assert opened is not None and unit.waits.resolve(opened.id, Resolution())
    gatekeeper.look()
    assert get(units, sleeper.id).status == "queued" and claims(ledger) == []
    assert ids(claims(ledger, ended(second))) == [sleeper.id]


def test_a_dead_workers_key_is_free_once_its_run_was_rescued(
    engine: Engine, units: SqlUnitsOfWork, task: Task, ledger: SqlRunLedger
) -> None:
    made = queued(units, task, 2, concurrency_key="api")
    assert ids(make_ledger(engine, lease_seconds=-1).exchange("dead/1", want=5).claimed) == [made[0]]
    assert claims(ledger) == []
    assert ledger.rescue() == 1
    (again,) = claims(ledger)
    assert ids(claims(ledger, ended(again))) == [made[1]]


def test_cancelling_makes_room_and_leaves_the_line(units: SqlUnitsOfWork, task: Task, ledger: SqlRunLedger) -> None:
    made = queued(units, task, 3, concurrency_key="api")
    with units() as unit:
        assert unit.runs.cancel_queued(made[0], datetime.now(UTC))
        assert unit.runs.cancel_queued(made[1], datetime.now(UTC))
    assert ids(claims(ledger)) == [made[2]]


def test_a_line_whose_holder_was_deleted_with_its_task_moves_on(
    units: SqlUnitsOfWork, ledger: SqlRunLedger, task: Task, gatekeeper: Gatekeeper
) -> None:
    queued(units, stored(units, doomed := a_task()), concurrency_key="api")
    (mine,) = queued(units, task, concurrency_key="api")
    with units() as unit:
        unit.tasks.delete(doomed.id)
    gatekeeper.look()
    assert ids(claims(ledger)) == [mine]


def test_the_runs_of_a_task_in_line_go_one_at_a_time_and_in_order(
    units: SqlUnitsOfWork, ledger: SqlRunLedger, task: Task
) -> None:
    made = list(queued(units, task, 3, in_line=True))
    (other,) = queued(units, stored(units, a_task()), in_line=True)
    first, second = claims(ledger)
    assert sorted(ids([first, second])) == sorted([made[0], other])
    mine = first if first.task_id == task.id else second
    # Its next try comes before those behind it.
    assert claims(ledger, Settlement(run=mine, status="queued", delay_us=3_600_000_000, lines=[LINE])) == []
    with units() as unit:
        assert unit.runs.cancel_queued(mine.id, datetime.now(UTC))
    (third,) = claims(ledger)
    assert third.id == made[1]
    assert ids(claims(ledger, ended(third))) == [made[2]]


def test_a_run_in_both_lines_takes_one_after_the_other(units: SqlUnitsOfWork, ledger: SqlRunLedger, task: Task) -> None:
    queued(units, task, concurrency_key="api", in_line=True)
    (holder,) = claims(ledger)
    (second,) = queued(units, task, concurrency_key="api", in_line=True)
    (stranger,) = queued(units, stored(units, a_task()), concurrency_key="api")
    (after,) = claims(ledger, ended(holder))
    assert after.id == second
    assert ids(claims(ledger, ended(after))) == [stranger]


def test_runs_that_a_newer_one_is_to_replace_are_stopped(
    units: SqlUnitsOfWork, ledger: SqlRunLedger, task: Task, gatekeeper: Gatekeeper
) -> None:
    running, waiting, newest = queued(units, task, 3, in_line=True, supersedes=True)
    (held,) = claims(ledger)
    gatekeeper.look()
    assert (held.id, get(units, waiting).status) == (running, "canceled")
    assert get(units, running).cancel_requested_at is not None
    assert get(units, newest).cancel_requested_at is None
    assert ids(claims(ledger, ended(held, "canceled"))) == [newest]


def test_a_run_in_line_that_is_to_be_cancelled_needs_no_worker(
    units: SqlUnitsOfWork, ledger: SqlRunLedger, task: Task, gatekeeper: Gatekeeper
) -> None:
    queued(units, task, concurrency_key="api")
    (holder,) = claims(ledger)
    with units() as unit:
        unit.runs.request_cancel(holder.id, datetime.now(UTC))
    claims(ledger, Settlement(run=holder, status="queued", delay_us=3_600_000_000, lines=[LINE]), want=0)
    gatekeeper.look()
    assert get(units, holder.id).status == "canceled"


def test_runs_in_line_ring_no_bell(units: SqlUnitsOfWork, ledger: SqlRunLedger, task: Task) -> None:
    queued(units, task, 2, concurrency_key="api")
    claims(ledger)
    with units(read_only=True) as unit:
        assert unit.runs.next_available_at() is None
    assert not ledger.ready()


@pytest.mark.parametrize("limit", [1, 3])
def test_no_race_lets_too_many_in(engine: Engine, units: SqlUnitsOfWork, limit: int) -> None:
    """Makers and workers at once; the ledger itself is asked how many are at work."""
    task, seen = stored(units, a_task()), Counter[str]()
    done: list[str] = []

    def make() -> None:
        for number in range(20):
            queued(units, task, concurrency_key=("api", "disk")[number % 2], concurrency_limit=limit)

    def work(owner: str) -> None:
        ledger = make_ledger(engine)
        hand: Sequence[Claimed] = ()
        while len(done) < 60:
            hand = ledger.exchange(owner, settle=[ended(run) for run in hand], want=2).claimed
            with engine.connect() as connection:
                found = connection.execute(text(AT_WORK)).all()
            for key, count in found:
                seen[key] = max(seen[key], count)
            done.extend(ids(hand))
        ledger.exchange(owner, settle=[ended(run) for run in hand])

    threads = [threading.Thread(target=make) for _ in range(3)]
    threads += [threading.Thread(target=work, args=(f"w/{n}",)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(done)) == 60
    assert set(seen) == {"api", "disk"} and max(seen.values()) <= limit


def test_no_race_lets_two_runs_of_a_task_in_line_work(engine: Engine, units: SqlUnitsOfWork) -> None:
    """Makers and workers at once, and each run goes before those that were made after it."""
    tasks, most = [stored(units, a_task()) for _ in range(2)], Counter[str]()
    done: list[Claimed] = []

    def make(task: Task) -> None:
        for _ in range(15):
            queued(units, task, in_line=True)

    def work(owner: str) -> None:
        ledger = make_ledger(engine)
        hand: Sequence[Claimed] = ()
        while len(done) < 30:
            hand = ledger.exchange(owner, settle=[ended(run) for run in hand], want=2).claimed
            with engine.connect() as connection:
                found = connection.execute(text(AT_WORK.replace("concurrency_key", "task_id"))).all()
            for task_id, count in found:
                most[task_id] = max(most[task_id], count)
            done.extend(hand)
        ledger.exchange(owner, settle=[ended(run) for run in hand])

    threads = [threading.Thread(target=make, args=(task,)) for task in tasks]
    threads += [threading.Thread(target=work, args=(f"w/{n}",)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for task in tasks:
        mine = [run.id for run in done if run.task_id == task.id]
        assert len(mine) == 15 and mine == sorted(mine)
    assert set(most.values()) == {1}


def test_old_runs_in_line_stay_ahead_of_new_ones(units: SqlUnitsOfWork, ledger: SqlRunLedger, task: Task) -> None:
    now = datetime.now(UTC)
    queued(units, task, concurrency_key="api")
    (holder,) = claims(ledger)
    (old,) = queued(units, task, concurrency_key="api", priority=9, scheduled_for=now - timedelta(minutes=9))
    queued(units, task, concurrency_key="api", priority=1)
    assert ids(claims(ledger, ended(holder))) == [old]


def test_a_long_line_is_let_through_up_to_the_first_without_room(
    units: SqlUnitsOfWork, ledger: SqlRunLedger, task: Task
) -> None:
    """More than are let through at once: nobody passes the one in front, whose limit is lower."""
    wide = queued(units, task, AT_ONCE + 20, concurrency_key="api", concurrency_limit=1000)
    first = claims(ledger, want=1000)
    assert ids(first) == list(wide)
    with units() as unit:
        limits = [1000] * (AT_ONCE + 5) + [3] + [1000] * 5
        runs = [a_run(task, concurrency_key="api", concurrency_limit=limit) for limit in limits]
        unit.runs.add(runs, datetime.now(UTC))
    second = claims(ledger, want=1000)
    assert ids(second) == [run.id for run in runs[: AT_ONCE + 5]]
    assert claims(ledger, *(ended(run) for run in (*first, *second[:-2])), want=0) == []
    assert ids(claims(ledger, want=1000)) == [run.id for run in runs[AT_ONCE + 5 :]]

"""Whatever two workers, a sweeper and a canceller do in whatever order, a run's life stays legal."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from app.domain.errors import Conflict
from app.domain.execution import Checkpoint, Claimed, Settlement
from app.domain.runs import ENDED, TRANSITIONS, check_transition
from app.storage.unit_of_work import SqlUnitsOfWork
from tests.contract.conftest import make_ledger
from tests.fakes.rows import a_task, queued, stored

LINE = (1, "log", {"level": "info", "message": "x"})
WORKERS = st.sampled_from(["one", "two"])
ACTIONS = st.one_of(
    st.tuples(st.just("claim"), WORKERS),
    st.tuples(st.just("checkpoint"), WORKERS),
    st.tuples(st.just("settle"), WORKERS, st.sampled_from(["succeeded", "failed", "canceled"])),
    st.tuples(st.just("hand back"), WORKERS),
    st.tuples(st.just("retry"), WORKERS),
    st.tuples(st.just("renew"), WORKERS),
    st.tuples(st.just("sweep")),
    st.tuples(st.just("cancel")),
)


class Life:
    """One run, the workers that believe they hold it, and what a naive observer expects."""

    def __init__(self, engine: Engine, units: SqlUnitsOfWork) -> None:
        self.units = units
        # A lease of no length: the sweeper may come at any moment, as it may to a frozen worker.
        self.ledger = make_ledger(engine, lease_seconds=0.0)
        (self.run_id,) = queued(units, stored(units, a_task(max_retries=2)))
        self.believed: dict[str, Claimed] = {}
        self.holder: str | None = None
        self.seen = ["queued"]

    def act(self, action: str, worker: str = "", status: str = "") -> None:
        """Do it, and compare with what was to be expected."""
        if action == "claim":
            self.claim(worker)
        elif action == "sweep":
            self.ledger.rescue()
            self.holder = None
        elif action == "cancel":
            self.cancel()
        elif worker in self.believed:
            self.as_worker(action, worker, status)

    def claim(self, worker: str) -> None:
        """Whoever gets it is the holder."""
        for run in self.ledger.exchange(worker, want=5).claimed:
            if run.id == self.run_id:
                assert self.holder is None
                self.believed[worker] = run
                self.holder = worker

    def cancel(self) -> None:
        """A queued run ends at once, a running one is asked."""
        with self.units() as unit:
            if not unit.runs.cancel_queued(self.run_id, datetime.now(UTC)):
                unit.runs.request_cancel(self.run_id, datetime.now(UTC))

    def as_worker(self, action: str, worker: str, status: str) -> None:
        """A worker acts on what it believes; it is heard only if it is right."""
        run, right = self.believed[worker], self.holder == worker
        if action == "renew":
            assert (self.run_id in self.ledger.renew(worker, [self.run_id])) == right
        elif action == "checkpoint":
            accepted = self.ledger.exchange(worker, checkpoint=Checkpoint(run, [LINE])).accepted
            assert (self.run_id in accepted) == right
        else:
            if action == "retry" and run.attempt >= run.max_attempts:
                return  # the rules of retrying never give more attempts than there are
            settlement = {
                "settle": lambda: Settlement(run=run, status=status, lines=[LINE]),  # type: ignore[arg-type]
                "hand back": lambda: Settlement(run=run, status="queued", returned=True),
                "retry": lambda: Settlement(run=run, status="queued", delay_us=0, lines=[LINE]),
            }[action]()
            assert (self.run_id in self.ledger.exchange(worker, settle=[settlement]).accepted) == right
            self.holder = None if right else self.holder

    def observe(self) -> None:
        """The store's own view: legal steps, whole journal, ended means ended."""
        with self.units(read_only=True) as unit:
            run, records = unit.runs.get(self.run_id), unit.runs.journal(self.run_id)
        assert [record.number for record in records] == list(range(1, run.journal_length + 1))
        assert (run.status == "running") == (self.holder is not None) == (run.lease_owner is not None)
        assert (run.status in ENDED) == (run.finished_at is not None)
        assert 0 <= run.attempt <= run.max_attempts or run.status == "queued"
        if run.status != self.seen[-1]:
            # Between two looks a sweep may pass from running to an end or back to the queue: one legal step each.
            assert run.status in TRANSITIONS[self.seen[-1]]
            self.seen.append(run.status)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(actions=st.lists(ACTIONS, max_size=25))
def test_no_interleaving_breaks_a_run(engine: Engine, units: SqlUnitsOfWork, actions: list[tuple[str, ...]]) -> None:
    life = Life(engine, units)
    for action in actions:
        life.act(*action)
        life.observe()
    with units() as unit:
        unit.runs.cancel_queued(life.run_id, datetime.now(UTC))  # out of the way of the next example
    life.ledger.rescue()
    with units() as unit:
        unit.runs.cancel_queued(life.run_id, datetime.now(UTC))


@pytest.mark.parametrize("ended", sorted(ENDED))
@pytest.mark.parametrize("status", sorted(TRANSITIONS))
def test_an_ended_run_goes_nowhere(ended: str, status: str) -> None:
    with pytest.raises(Conflict) as refused:
        check_transition(ended, status)
    assert refused.value.details == {"status": ended, "requested": status}

"""Lines and keys over random histories, against a simulator that goes through a list again after every step."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from sqlalchemy import Engine, text

from app.domain.clock import SystemClock
from app.domain.execution import Claimed, Settlement
from app.domain.runs import NewRun
from app.domain.tasks import Task
from app.services.gates import Gatekeeper
from app.services.lifecycle import Herald
from app.storage.ledger import SqlRunLedger
from app.storage.unit_of_work import SqlUnitsOfWork
from tests.fakes.rows import a_run, a_task, stored

HISTORIES = {"sqlite": 1_000, "postgresql": 60}
BEGUN = datetime.now(UTC) - timedelta(hours=2)
GATES = ("open", "task", "key")


@dataclass(slots=True)
class Seen:
    """A run as the simulator has it; `state` is where it stands: task, key, open, running, ended or canceled."""

    run: NewRun
    state: str
    stopping: bool = False

    @property
    def place(self) -> tuple[datetime, str]:
        """Where it stands in every line: a minute for each step of priority."""
        return self.run.scheduled_for + timedelta(minutes=self.run.priority - 1), self.run.id

    @property
    def unended(self) -> bool:
        return self.state not in ("ended", "canceled")


@dataclass(slots=True)
class Simulator:
    """The rules as people say them."""

    runs: list[Seen] = field(default_factory=list)

    def make(self, run: NewRun) -> None:
        if run.supersedes:
            for other in self.of(run.task_id):
                other.stopping = other.unended
                if other.unended and other.state != "running":
                    other.state = "canceled"
        self.runs.append(Seen(run, "task" if run.in_line else self.after_task(run)))
        self.settle()

    @staticmethod
    def after_task(run: NewRun) -> str:
        return "open" if run.concurrency_key is None else "key"

    def of(self, task_id: str) -> list[Seen]:
        return [one for one in self.runs if one.run.task_id == task_id]

    def settle(self) -> None:
        """Everybody takes a step forward who may, in order, until nobody can."""
        moved = True
        while moved:
            moved = any(
                self.pass_task(one) or self.pass_key(one) for one in sorted(self.runs, key=lambda one: one.place)
            )

    def pass_task(self, one: Seen) -> bool:
        mates = [other.state for other in self.of(one.run.task_id)]
        if one.state != "task" or {"key", "open", "running"} & set(mates):
            return False
        one.state = self.after_task(one.run)
        return True

    def pass_key(self, one: Seen) -> bool:
        same = [other for other in self.runs if other.run.concurrency_key == one.run.concurrency_key]
        holding = sum(other.state in ("open", "running") for other in same)
        before = any(other.state == "key" and other.place < one.place for other in same)
        if one.state != "key" or before or holding >= one.run.concurrency_limit:
            return False
        one.state = "open"
        return True

    def claim(self, want: int) -> list[str]:
        ready = sorted((one for one in self.runs if one.state == "open"), key=lambda one: one.place)[:want]
        for one in ready:
            one.state = "running"
        return [one.run.id for one in ready]

    def leave(self, run_id: str, state: str) -> None:
        one = next(one for one in self.runs if one.run.id == run_id)
        one.state = self.after_task(one.run) if state == "queued" else state
        self.settle()


@dataclass(slots=True)
class Pair:
    """The platform and the simulator, given the same to do."""

    engine: Engine
    units: SqlUnitsOfWork
    ledger: SqlRunLedger
    gatekeeper: Gatekeeper
    tasks: list[Task]
    random: Random
    simulator: Simulator = field(default_factory=Simulator)
    hand: dict[str, Claimed] = field(default_factory=dict)
    made: int = 0

    def step(self) -> None:
        random = self.random
        chosen = random.choice(("make", "make", "make", "claim", "claim", "end", "end", "again", "cancel"))
        running = sorted(self.hand)
        match chosen:
            case "make":
                self.make(self.drawn())
            case "claim":
                self.claim(random.randint(1, 3))
            case "end" if running:
                self.leave(random.choice(running), "succeeded")
            case "again" if calm := [one for one in running if not self.seen(one).stopping]:
                self.leave(random.choice(calm), "queued")
            case "cancel" if held := [one for one in self.simulator.runs if one.unended and one.state != "running"]:
                self.cancel(random.choice(held).run.id)
        assert self.states() == {one.run.id: one.state for one in self.simulator.runs}

    def drawn(self) -> NewRun:
        """A run of one of the tasks, each a second younger than the one before."""
        random = self.random
        self.made += 1
        number = random.randrange(len(self.tasks))
        limits: dict[str, Any] = {}
        if number != 0:
            limits = {"concurrency_key": "key", "concurrency_limit": random.choice((1, 2, 2))}
        if number >= 2:
            limits |= {"in_line": True, "supersedes": number == 3}
        moment = BEGUN + timedelta(seconds=self.made)
        return a_run(self.tasks[number], scheduled_for=moment, priority=random.choice((5, 5, 1, 9)), **limits)

    def seen(self, run_id: str) -> Seen:
        return next(one for one in self.simulator.runs if one.run.id == run_id)

    def make(self, run: NewRun) -> None:
        with self.units() as unit:
            unit.runs.add([run], run.scheduled_for)
        self.simulator.make(run)
        if run.supersedes:
            self.gatekeeper.look()

    def claim(self, want: int) -> None:
        claimed = self.ledger.exchange("w/1", want=want).claimed
        assert [run.id for run in claimed] == self.simulator.claim(want)
        self.hand.update({run.id: run for run in claimed})

    def leave(self, run_id: str, status: Any) -> None:
        settlement = Settlement(run=self.hand.pop(run_id), status=status, returned=status == "queued")
        assert self.ledger.exchange("w/1", settle=[settlement]).accepted == {run_id}
        self.simulator.leave(run_id, "queued" if status == "queued" else "ended")

    def cancel(self, run_id: str) -> None:
        with self.units() as unit:
            assert unit.runs.cancel_queued(run_id, datetime.now(UTC))
        self.simulator.leave(run_id, "canceled")

    def states(self) -> dict[str, str]:
        """Where the platform's runs stand."""
        with self.engine.connect() as connection:
            rows = connection.execute(text("SELECT id, status, gate FROM runs")).all()
        names = {"running": "running", "succeeded": "ended", "canceled": "canceled"}
        return {run_id: names.get(status) or GATES[gate] for run_id, status, gate in rows}


def test_random_histories(engine: Engine, units: SqlUnitsOfWork, ledger: SqlRunLedger) -> None:
    clock = SystemClock()
    gatekeeper = Gatekeeper(units=units, clock=clock, herald=Herald.silent(clock))
    tasks = [stored(units, a_task()) for _ in range(4)]
    for number in range(HISTORIES[engine.dialect.name]):
        pair = Pair(engine, units, ledger, gatekeeper, tasks, Random(number))
        for _ in range(pair.random.randint(6, 14)):
            pair.step()
        with engine.begin() as connection:
            connection.execute(text("DELETE FROM run_journal"))
            connection.execute(text("DELETE FROM runs"))


@pytest.mark.parametrize("state", ["task", "key", "open"])
def test_the_simulator_knows_each_place(state: str) -> None:
    """A simulator that let everybody through would agree with a platform that did."""
    simulator, task = Simulator(), a_task()
    for _ in range(3):
        simulator.make(a_run(task, in_line=True))
    for _ in range(2):
        simulator.make(a_run(a_task(), concurrency_key="key"))
    assert state in {one.state for one in simulator.runs}

"""Overlap, misfire and dedupe over random histories, against a simulator that keeps lists and counts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from app.domain.next_run import aimed_at
from app.domain.tasks import Misfire, Overlap, Task
from app.services.scheduling import SchedulingService
from tests.fakes.rows import a_task, stored
from tests.fakes.stores import CountingQueue, MemoryUnitsOfWork
from tests.fakes.task_world import TurnedClock

NINE = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
HISTORIES = 9_000
OVERLAPS: tuple[Overlap, ...] = ("skip", "queue_one", "queue_all", "cancel_running", "allow")
MISFIRES: tuple[Misfire, ...] = ("last", "skip", "all")


@dataclass(frozen=True, slots=True)
class Rules:
    """Of one task that is due every so many seconds; `window` is None without a dedupe key."""

    period: int
    overlap: Overlap
    misfire: Misfire
    grace: int
    reach: int
    most: int
    window: int | None
    max_runs: int | None

    @classmethod
    def drawn(cls, random: Random) -> Rules:
        """Some."""
        return cls(
            period=random.choice((1, 2, 5)),
            overlap=random.choice(OVERLAPS),
            misfire=random.choice(MISFIRES),
            grace=random.choice((0, 1, 6)),
            reach=random.choice((0, 8, 100)),
            most=random.choice((1, 2, 10)),
            window=random.choice((None, None, 1, 4, 30)),
            max_runs=random.choice((None, None, None, 3)),
        )

    def task(self) -> Task:
        """A task of these rules, aimed at its first time."""

        task = a_task(
            schedule_kind="cron",
            schedule_expr=f"*/{self.period} * * * * *",
            anchor_at=NINE,
            created_at=NINE,
            overlap=self.overlap,
            misfire=self.misfire,
            misfire_grace_seconds=self.grace,
            catchup_window_seconds=self.reach,
            catchup_max=self.most,
            dedupe_key=None if self.window is None else "key-${task.title}",
            dedupe_window_seconds=self.window,
            max_runs=self.max_runs,
        )
        return aimed_at(task, NINE)


@dataclass(slots=True)
class Simulator:
    """The rules as people say them; seconds since the task began."""

    rules: Rules
    handled: int = -1
    unended: int = 0
    fired: int = 0
    accepted_at: float | None = None
    told: list[tuple[int, str]] = field(default_factory=list)

    def tick(self, now: float) -> None:
        """Beat looks."""
        times = [second for second in range(self.handled + 1, int(now) + 1) if second % self.rules.period == 0]
        missed = [second for second in times if now - second > self.rules.grace]
        caught = self._caught(times, missed, now)
        for second in times:
            if self.rules.max_runs is not None and self.fired >= self.rules.max_runs:
                return
            self.told.append((second, self._outcome(second, now, late=second in missed and second not in caught)))
            self.handled = second

    def _caught(self, times: list[int], missed: list[int], now: float) -> list[int]:
        near = [second for second in missed if now - second <= self.rules.reach]
        if self.rules.misfire == "all":
            return near[-self.rules.most :]
        return near[-1:] if self.rules.misfire == "last" and missed == times else []

    def _outcome(self, second: int, now: float, *, late: bool) -> str:
        room = {"skip": 1, "queue_one": 2}.get(self.rules.overlap)
        if late:
            return "skipped_misfire"
        if room is not None and self.unended >= room:
            return "skipped_overlap"
        if self.rules.window is not None:
            if self.accepted_at is not None and now - self.accepted_at < self.rules.window:
                return "deduped"
            self.accepted_at = now
        self.unended, self.fired = self.unended + 1, self.fired + 1
        return "fired"


@dataclass(slots=True)
class Platform:
    """The scheduler itself, over memory."""

    units: MemoryUnitsOfWork
    clock: TurnedClock
    task: Task

    @classmethod
    def of(cls, rules: Rules) -> Platform:
        """One with a task of these rules."""
        units = MemoryUnitsOfWork()
        return cls(units, TurnedClock(NINE), stored(units, rules.task()))

    def tick(self, now: float) -> None:
        """Beat looks."""
        self.clock.moment = NINE + timedelta(seconds=now)
        scheduling = SchedulingService(units=self.units, queue=CountingQueue(), clock=self.clock)
        while scheduling.tick() == 0.0 and self._due():
            pass

    def _due(self) -> bool:
        due_at = self.units.rows.tasks[self.task.id].next_due_at
        return due_at is not None and due_at <= self.clock.moment

    def end(self, count: int) -> None:
        """So many runs end."""
        runs = self.units.rows.runs
        for run_id in [key for key, run in runs.items() if run.status == "queued"][:count]:
            runs[run_id] = replace(runs[run_id], status="succeeded")

    def told(self) -> list[tuple[int, str]]:
        """What became of each occurrence."""
        with self.units(read_only=True) as unit:
            records = unit.tasks.occurrences(self.task.id, limit=500, offset=0).items

        return [(int((one.nominal_at - NINE).total_seconds()), one.outcome) for one in reversed(records)]


def steps(random: Random) -> Iterator[tuple[float, int]]:
    """When beat looks, and how many runs have ended by then."""
    now = 0.0
    for _ in range(random.randint(2, 6)):
        now += random.choice((0.25, 1.0, 1.5, 3.0, 7.0, 20.0))
        yield now, random.randint(0, 2)


@pytest.mark.parametrize("part", range(6))
def test_random_histories(part: int) -> None:
    seen: set[str] = set()
    for number in range(HISTORIES // 6):
        random = Random(part * HISTORIES + number)
        rules = Rules.drawn(random)
        platform, simulator = Platform.of(rules), Simulator(rules)
        for moment, ended in steps(random):
            platform.end(ended)
            simulator.unended = max(0, simulator.unended - ended)
            platform.tick(moment)
            simulator.tick(moment)
        assert platform.told() == simulator.told, rules
        seen.update(outcome for _, outcome in simulator.told)
    assert seen == {"fired", "skipped_misfire", "skipped_overlap", "deduped"}

"""Which processes there are, and what each has in hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from app.domain.metrics import LAST_TICK, MEMORY, OPEN_FILES, PROCESSES, WORKERS, Report
from app.services.processes import ProcessService, Workforce
from app.services.run_requests import RunRequest
from ordinaut import Caller
from tests.fakes.access import ANA
from tests.fakes.metrics import MemoryMetrics
from tests.fakes.task_world import TaskWorld


def said(process: str, role: str, node: str = "", tick: float | None = None) -> Report:
    labels = (("role", role),)
    gauges: Any = {(PROCESSES.name, labels): 1, (MEMORY.name, labels): 5e7, (OPEN_FILES.name, labels): 9}
    if node:
        gauges[WORKERS.name, (("node", node),)] = 1
    if tick is not None:
        gauges[LAST_TICK.name, ()] = tick
    return Report(process=process, gauges=gauges)


class Land:
    """Processes that have spoken, and a run that one of them holds."""

    def __init__(self) -> None:
        self.world, self.store = TaskWorld(), MemoryMetrics(depth=3)
        task = self.world.create()
        self.run, _ = self.world.tasks.run_now(task.id, RunRequest(), request_id="r", caller=ANA)
        rows = self.world.units.rows.runs
        rows[self.run.id] = replace(rows[self.run.id], status="running", lease_owner="w-1/11")
        for report in (
            said("box/11/aa", "pool", "w-1"),
            said("box/10/bb", "worker", "w-1"),
            said("box/7/cc", "beat", tick=1795620788.5),
            said("a/b/5/dd", "web"),
        ):
            self.store.report(report, 60)

    def read(self, caller: Caller = ANA) -> Workforce:
        return ProcessService(units=self.world.units, reports=self.store).read(caller=caller)


def test_each_process_is_told_with_what_it_has_in_hand() -> None:
    found = Land().read()
    assert [(one.role, one.host, one.pid, one.worker) for one in found.processes] == [
        ("web", "a/b", 5, None),
        ("beat", "box", 7, None),
        ("worker", "box", 10, "w-1"),
        ("pool", "box", 11, "w-1"),
    ]
    held = [one.run and one.run.task_title for one in found.processes]
    assert held == [None, None, None, "A task"]
    assert (found.processes[0].memory_bytes, found.processes[0].open_files, found.ready) == (50_000_000, 9, 3)
    assert found.last_tick == datetime.fromtimestamp(1795620788.5, UTC)


def test_what_others_run_is_not_told() -> None:
    found = Land().read(Caller("ben", frozenset({"runs:read"})))
    assert len(found.processes) == 4 and all(one.run is None for one in found.processes)


@pytest.mark.parametrize("seconds", [0.0, -5.0])
def test_a_process_that_is_silent_is_left_out_and_its_tick_stays(seconds: float) -> None:
    land = Land()
    land.store.report(said("box/7/cc", "beat", tick=1.0), seconds)
    found = land.read()
    assert [one.role for one in found.processes] == ["web", "worker", "pool"]
    assert found.last_tick == datetime.fromtimestamp(1, UTC)

"""Which processes the platform is made of at this moment, on all machines, and what each has in hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from app.domain import metrics
from app.domain.metrics import MetricUnits, Report
from app.domain.ports import UnitsOfWork
from app.domain.runs import Run, RunFilter
from app.services.gauges import combined
from app.services.ownership import visible_runs
from ordinaut import Caller

ROLES = ("web", "beat", "worker", "pool")
"""A worker starts the processes of its pool, which do the work."""
MOST_RUNS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessView:
    """One process that has spoken within the last seconds.

    Attributes:
        worker: Name of the worker that it is, or is of; None for web and beat.
        run: What it has in hand, where the caller may see that.
    """

    role: str
    host: str
    pid: int
    worker: str | None
    memory_bytes: int
    open_files: int
    run: Run | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Workforce:
    """All of them, by role.

    Attributes:
        ready: How many runs could start now and have not.
        last_tick: When beat last looked at the schedules.
    """

    processes: Sequence[ProcessView]
    ready: int
    last_tick: datetime | None


class ProcessService:
    """Reads what processes say of themselves, and puts the runs that they hold beside it."""

    def __init__(self, *, units: UnitsOfWork, reports: MetricUnits) -> None:
        self._units = units
        self._reports = reports

    def read(self, *, caller: Caller) -> Workforce:
        """The platform's processes; what they run, as far as the caller may see it."""
        with self._reports(read_only=True) as unit:
            reports, ready = unit.metrics.reports(), unit.metrics.queue_depth()
        with self._units(read_only=True) as work:
            where = visible_runs(RunFilter(status=("running",)), caller)
            running = work.runs.page(where, limit=MOST_RUNS, offset=0).items
        held = {run.lease_owner: run for run in running}
        views = [view for report in reports if report.alive for view in _views(report, held)]
        order = {role: number for number, role in enumerate(ROLES)}
        views.sort(key=lambda one: (order.get(one.role, len(order)), one.host, one.worker or "", one.pid))
        tick = combined(reports).get((metrics.LAST_TICK.name, ()))
        return Workforce(
            processes=views, ready=ready, last_tick=None if tick is None else datetime.fromtimestamp(tick, UTC)
        )


def _views(report: Report, held: dict[str | None, Run]) -> list[ProcessView]:
    said = {(name, *(value for _, value in labels)): number for (name, labels), number in report.gauges.items()}
    host, pid, _ = report.process.rsplit("/", 2)
    worker = next((key[1] for key in said if key[0] == metrics.WORKERS.name), None)
    return [
        ProcessView(
            role=role,
            host=host,
            pid=int(pid),
            worker=worker,
            memory_bytes=int(said.get((metrics.MEMORY.name, role), 0)),
            open_files=int(said.get((metrics.OPEN_FILES.name, role), 0)),
            run=held.get(f"{worker}/{pid}"),
        )
        for name, *labels in said
        if name == metrics.PROCESSES.name
        for role in labels
    ]

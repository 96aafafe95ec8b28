"""Metrics in memory: the twin of `app.storage.metrics`."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from app.domain.errors import Unavailable
from app.domain.metrics import Measured, Report, Series
from app.services.metrics import MetricsService, Process


@dataclass
class MemoryMetrics:
    """A store, and units of work on it; `away` makes it unavailable."""

    sums: dict[Series, float] = field(default_factory=dict)
    said: dict[str, tuple[Report, float]] = field(default_factory=dict)
    depth: int = 0
    away: bool = False
    writes: int = 0

    @contextmanager
    def __call__(self, *, read_only: bool = False) -> Iterator[MemoryMetrics]:
        if self.away:
            raise Unavailable
        self.writes += not read_only
        yield self

    @property
    def metrics(self) -> MemoryMetrics:
        return self

    def add(self, deltas: Mapping[Series, float]) -> None:
        for series, delta in deltas.items():
            self.sums[series] = self.sums.get(series, 0.0) + delta

    def report(self, report: Report, seconds: float) -> None:
        self.said[report.process] = (report, time.monotonic() + seconds)

    def forget(self, process: str) -> None:
        self.said.pop(process, None)

    def purge(self, seconds: float) -> int:
        old = [name for name, (_, until) in self.said.items() if until + seconds < time.monotonic()]
        for name in old:
            del self.said[name]
        return len(old)

    def reports(self) -> list[Report]:
        now = time.monotonic()
        return [replace(report, alive=until > now) for report, until in self.said.values()]

    def read(self) -> Measured:
        return Measured(totals=dict(self.sums), reports=self.reports(), queue_depth=self.depth)

    def totals(self, names: Sequence[str]) -> dict[Series, float]:
        return {series: value for series, value in self.sums.items() if series[0] in names}


def metrics_of(store: MemoryMetrics | None = None, role: str = "web", node: str = "") -> MetricsService:
    """A service over a store in memory; it stores when it is asked."""
    return MetricsService(units=store or MemoryMetrics(), of=Process(role=role, version="9.9.9", node=node))

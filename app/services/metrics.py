"""Metrics: what this process has seen is added to what all have seen, every few seconds and whenever somebody asks.

Recording touches memory alone. A database that is away costs nothing but time: what was counted waits for it.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter

from app.domain import metrics
from app.domain.errors import Unavailable
from app.domain.exposition import exposition
from app.domain.metrics import METHODS, OTHER, MetricUnits, Series
from app.services.bookkeeper import Bookkeeper
from app.services.extension_meters import TOTALS, ExtensionMeters, ExtensionTotals, extension_totals
from app.services.gauges import combined
from app.services.meters import Meters
from app.services.run_meters import RunMeters
from app.services.webhook_meters import WebhookMeters
from app.telemetry import attach, detach


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """What a process is.

    Attributes:
        role: `web`, `beat`, `worker`, `pool` (a process that a worker forks) or `extension` (one that does an
            extension's work).
        version: Of Ordinaut.
        node: Name of the worker that it is a part of, if of any.
        redis: Whether Redis answers; asked at each scrape.
    """

    role: str
    version: str
    node: str = ""
    redis: Callable[[], bool] = bool


class MetricsService(ExtensionMeters):
    """The metrics of this process and, through the store, of all of them; see the module.

    Nothing is stored unasked before `start`, which the process calls that goes on to serve.
    """

    def __init__(self, *, units: MetricUnits, of: Process) -> None:
        self._meters = Meters()
        super().__init__(self._meters)
        self._units = units
        self._of = of
        self._say: Callable[[str], str] = str
        self._http = self._meters.counter(metrics.HTTP_REQUESTS)
        self._http_children: dict[tuple[str, str], Counter] = {}
        self._runs = RunMeters(self._meters)
        self._webhooks = WebhookMeters(self._meters)
        self._books = Bookkeeper(meters=self._meters, units=units, role=of.role, node=of.node)
        self._last_totals: dict[str, ExtensionTotals] = {}

    @property
    def registry(self) -> CollectorRegistry:
        """For libraries that bring meters of their own; what the catalogue names of theirs is added up as well."""
        return self._meters.registry

    def speak(self, say: Callable[[str], str]) -> None:
        """Let `say` translate the lines of help."""
        self._say = say

    # The life of a process.

    def start(self) -> None:
        """Listen to telemetry, and store every few seconds from a thread, until the process ends or `stop`."""
        self.listen()
        self._books.start()

    def listen(self) -> None:
        """Count what telemetry tells of runs, of webhooks and of the work of extensions."""
        attach(self._runs.hear)
        attach(self._webhooks.hear)
        attach(self.hear)

    def hush(self) -> None:
        """Count it no longer: a forked process has metrics of its own."""
        detach(self._runs.hear)
        detach(self._webhooks.hear)
        detach(self.hear)

    def stop(self) -> None:
        """Store what is left; takes three seconds at most."""
        self.hush()
        self._books.stop()

    def look(self) -> None:
        """Store if it is time: for a process that may have no threads. Never raises."""
        self._books.look()

    def flush(self) -> None:
        """Store now. Raises Unavailable; what was counted is kept then."""
        self._books.flush()

    # Recording; of extensions, see ExtensionMeters.

    def record_request(self, method: str, endpoint: str) -> None:
        """A request was answered; `endpoint` is the rule of its route or `UNMATCHED`."""
        counter = self._http_children.get((method, endpoint))
        if counter is None:
            counter = self._http.labels(method if method in METHODS else OTHER, endpoint)
            if method in METHODS:
                # Found again without prometheus_client's lock; strangers' methods would make it grow.
                self._http_children[method, endpoint] = counter
        counter.inc()

    def ticked(self, moment: float) -> None:
        """Beat looked at the schedule; seconds since 1970."""
        self._meters.gauge(metrics.LAST_TICK).set(moment)

    # Reading.

    def exposition(self) -> str:
        """Everything in Prometheus' text format, over all processes.

        While the database is away totals are left out: smaller ones would look like a restart of everything.
        """
        return exposition({**self._measured(), **self._own()}, self._say)

    def _measured(self) -> dict[Series, float]:
        try:
            self.flush()
            with self._units(read_only=True) as unit:
                measured = unit.metrics.read()
        except Unavailable:
            return {(metrics.DATABASE_UP.name, ()): 0}
        return {
            (metrics.DATABASE_UP.name, ()): 1,
            (metrics.QUEUE_DEPTH.name, ()): measured.queue_depth,
            (metrics.INCIDENTS_OPEN.name, ()): measured.incidents_open,
            (metrics.WEBHOOKS_WAITING.name, ()): measured.webhooks_waiting,
            (metrics.WEBHOOKS_DISABLED.name, ()): measured.webhooks_disabled,
            (metrics.WORKERS.name, ()): 0,
            **measured.totals,
            **combined(measured.reports),
        }

    def _own(self) -> dict[Series, float]:
        """What is asked at this moment, by this process."""
        version = (("version", self._of.version), ("python", platform.python_version()))
        return {(metrics.BUILD_INFO.name, version): 1, (metrics.REDIS_UP.name, ()): int(self._of.redis())}

    def extension_totals(self) -> Mapping[str, ExtensionTotals]:
        """Extension -> its totals over all processes; while the database is away the last that were known."""
        try:
            self.flush()
            with self._units(read_only=True) as unit:
                self._last_totals = extension_totals(unit.metrics.totals(TOTALS))
        except Unavailable:
            return self._last_totals
        return self._last_totals

"""What is measured: the catalogue of metric families, and what the store keeps of them.

Counters and histograms are totals: every process adds what it has seen since it last did, so the sum outlives
processes and machines. Gauges are reports: each process says what it is like, and is believed until the report expires.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Literal, Protocol

from app.domain.texts import t

Labels = tuple[tuple[str, str], ...]
"""Name and value of each label, in the order of the family."""
Series = tuple[str, Labels]
"""A sample's name with its labels. A histogram has one series `…_bucket` for each bucket, which counts what fell into
that bucket alone, and one `…_sum`."""

UNMATCHED = "(unmatched)"
"""The endpoint of every request that met no route: strangers cannot make series."""
OTHER = "(other)"
"""The method of requests with one that nobody has heard of."""
METHODS = frozenset({"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"})

_QUICK = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_PATIENT = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """One metric.

    Attributes:
        name: As it is shown; a counter's ends in `_total`.
        help: In English; translated when it is shown.
        buckets: Upper bounds of a histogram in ascending order, without infinity.
        combine: How the reports of several processes become one gauge; `count` counts the different labels they have,
            and shows none.
        lasting: Whether a report counts after its process has gone.
        known: Values of the only label that are shown from the start, with 0.
    """

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    combine: Literal["sum", "max", "count"] = "sum"
    lasting: bool = False
    known: tuple[str, ...] = ()


HTTP_REQUESTS = Family(
    name="http_requests_total",
    kind="counter",
    help=t("Total number of HTTP requests"),
    labels=("method", "endpoint"),
)
TASK_EXECUTIONS = Family(
    name="task_executions_total",
    kind="counter",
    help=t("Total number of task executions"),
    labels=("status",),
    known=("success", "failed", "canceled"),
)
EXTENSION_REQUESTS = Family(
    name="extension_requests_total",
    kind="counter",
    help=t("Number of extension requests"),
    labels=("extension", "endpoint", "method", "status"),
)
EXTENSION_DURATION = Family(
    name="extension_request_duration_seconds",
    kind="histogram",
    help=t("Duration of extension requests in seconds"),
    labels=("extension", "endpoint", "method"),
    buckets=_QUICK,
)
EXTENSION_ERRORS = Family(
    name="extension_errors_total",
    kind="counter",
    help=t("Number of extension errors"),
    labels=("extension", "endpoint", "error_type"),
)
EXTENSION_CONNECTIONS = Family(
    name="extension_active_connections",
    kind="gauge",
    help=t("Open connections to extensions"),
    labels=("extension", "endpoint"),
)
HTTP_DURATION = Family(
    name="ordinaut_http_request_duration_seconds",
    kind="histogram",
    help=t("Duration of HTTP requests to known addresses in seconds, without streams"),
    labels=("method", "endpoint", "status"),
    buckets=_QUICK,
)
HTTP_ANSWERS = Family(
    name="ordinaut_http_request_total",
    kind="counter",
    help=t("Number of HTTP answers from known addresses by status, without streams"),
    labels=("method", "status"),
)
HTTP_EXCEPTIONS = Family(
    name="ordinaut_http_request_exceptions_total",
    kind="counter",
    help=t("Number of HTTP requests that ended in an exception nobody answered"),
    labels=("method", "status"),
)
RUN_DURATION = Family(
    name="ordinaut_run_duration_seconds",
    kind="histogram",
    help=t("Time that workers spent on a run, in seconds"),
    labels=("status",),
    buckets=_PATIENT,
)
SCHEDULE_LAG = Family(
    name="ordinaut_schedule_lag_seconds",
    kind="histogram",
    help=t("Delay from the moment an occurrence was due until beat queued its run, in seconds"),
    buckets=_PATIENT,
)
QUEUE_WAIT = Family(
    name="ordinaut_queue_wait_seconds",
    kind="histogram",
    help=t("Delay from the moment a run could start until a worker began it, in seconds"),
    buckets=_PATIENT,
)
QUEUE_DEPTH = Family(name="ordinaut_queue_depth", kind="gauge", help=t("Runs that could start now and have not"))
INCIDENTS_OPEN = Family(name="ordinaut_incidents_open", kind="gauge", help=t("Expectations of tasks that do not hold"))
WEBHOOK_DELIVERIES = Family(
    name="ordinaut_webhook_deliveries_total",
    kind="counter",
    help=t("Attempts to deliver webhooks by what became of the delivery: delivered, retried or failed"),
    labels=("outcome",),
    known=("delivered", "retried", "failed"),
)
WEBHOOK_DURATION = Family(
    name="ordinaut_webhook_delivery_duration_seconds",
    kind="histogram",
    help=t("How long receivers of webhooks took to answer an attempt, or to fail it, in seconds"),
    buckets=(*_QUICK, 30.0),
)
WEBHOOKS_WAITING = Family(
    name="ordinaut_webhook_deliveries_waiting",
    kind="gauge",
    help=t("Deliveries of webhooks that have not been taken yet and are still tried"),
)
WEBHOOKS_DISABLED = Family(
    name="ordinaut_webhooks_disabled",
    kind="gauge",
    help=t("Webhooks that were switched off because their receiver is gone or has failed for too long"),
)
WORKERS = Family(name="ordinaut_workers", kind="gauge", help=t("Workers that are alive"), combine="count")
LAST_TICK = Family(
    name="ordinaut_beat_last_tick_timestamp_seconds",
    kind="gauge",
    help=t("When beat last looked at the schedule, in seconds since 1970"),
    combine="max",
    lasting=True,
)
BUILD_INFO = Family(
    name="ordinaut_build_info", kind="gauge", help=t("The version that answers"), labels=("version", "python")
)
DATABASE_UP = Family(name="ordinaut_database_up", kind="gauge", help=t("Whether the database answers: 1 or 0"))
REDIS_UP = Family(name="ordinaut_redis_up", kind="gauge", help=t("Whether Redis answers: 1 or 0"))
PROCESSES = Family(name="ordinaut_processes", kind="gauge", help=t("Processes that are alive"), labels=("role",))
MEMORY = Family(
    name="ordinaut_process_resident_memory_bytes",
    kind="gauge",
    help=t("Resident memory of all processes of a role, in bytes"),
    labels=("role",),
)
OPEN_FILES = Family(
    name="ordinaut_process_open_fds",
    kind="gauge",
    help=t("Open file descriptors of all processes of a role"),
    labels=("role",),
)
CPU_SECONDS = Family(
    name="ordinaut_process_cpu_seconds_total",
    kind="counter",
    help=t("CPU time of all processes of a role, in seconds"),
    labels=("role",),
)

FAMILIES: tuple[Family, ...] = (
    HTTP_REQUESTS,
    TASK_EXECUTIONS,
    EXTENSION_REQUESTS,
    EXTENSION_DURATION,
    EXTENSION_ERRORS,
    EXTENSION_CONNECTIONS,
    HTTP_DURATION,
    HTTP_ANSWERS,
    HTTP_EXCEPTIONS,
    RUN_DURATION,
    SCHEDULE_LAG,
    QUEUE_WAIT,
    QUEUE_DEPTH,
    INCIDENTS_OPEN,
    WEBHOOK_DELIVERIES,
    WEBHOOK_DURATION,
    WEBHOOKS_WAITING,
    WEBHOOKS_DISABLED,
    WORKERS,
    LAST_TICK,
    BUILD_INFO,
    DATABASE_UP,
    REDIS_UP,
    PROCESSES,
    MEMORY,
    OPEN_FILES,
    CPU_SECONDS,
)
"""In the order in which they are shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a process says of itself; `alive` until the report expires."""

    process: str
    gauges: Mapping[Series, float] = field(default_factory=dict)
    alive: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What the store knows at one moment."""

    totals: Mapping[Series, float]
    reports: Sequence[Report]
    queue_depth: int
    incidents_open: int = 0
    webhooks_waiting: int = 0
    webhooks_disabled: int = 0


class MetricStore(Protocol):
    """Totals and reports, inside a unit of work; it goes by the store's own clock."""

    def add(self, deltas: Mapping[Series, float]) -> None:
        """Add to the totals; a series that is not there begins at 0."""

    def report(self, report: Report, seconds: float) -> None:
        """Replace what this process has said, and believe it for so long."""

    def forget(self, process: str) -> None:
        """Delete what it has said."""

    def purge(self, seconds: float) -> int:
        """Delete the reports that expired longer ago than that; how many."""

    def reports(self) -> Sequence[Report]:
        """What processes have said of themselves."""

    def read(self) -> Measured:
        """Everything."""

    def queue_depth(self) -> int:
        """How many runs could start now and have not."""

    def totals(self, names: Sequence[str]) -> Mapping[Series, float]:
        """The totals of the samples with these names."""


class MetricUnit(Protocol):
    """The part of a unit of work that metrics use."""

    @property
    def metrics(self) -> MetricStore: ...


class MetricUnits(Protocol):
    """Opens units of work, see `app.domain.ports.UnitsOfWork`."""

    def __call__(self, *, read_only: bool = False) -> AbstractContextManager[MetricUnit]: ...

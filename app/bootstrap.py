"""The composition root: settings in, objects joined, and nobody else reaches for anything."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from celery import Celery
from redis import Redis
from redis.exceptions import RedisError

from app.bus.memory import MemoryBus
from app.bus.redis_streams import RedisBus
from app.domain.clock import Clock, SystemClock
from app.domain.event_store import EventBus
from app.domain.extension_work import ExtensionWorkUnits, Lease
from app.domain.metrics import MetricUnit, MetricUnits
from app.domain.ports import RunQueue
from app.domain.texts import t
from app.extension_host.assembly import make_host
from app.extension_host.doors import Doors
from app.extension_host.host import ExtensionHost
from app.extension_host.invocation import Invoker
from app.extension_host.work_assembly import StoredEvents, work_pace
from app.extension_host.work_contexts import Runner
from app.extension_host.work_guard import WorkGuard
from app.extension_host.work_process import WorkProcess
from app.extension_host.work_versions import with_work
from app.queueing.broker import make_celery
from app.queueing.celery_queue import CeleryRunQueue
from app.queueing.silent import SilentRunQueue
from app.realtime.events import EventHub
from app.realtime.hub import Hub
from app.services.access import AccessServices, audit_seal, make_access
from app.services.announcing import Announcer
from app.services.behalf import Behalf
from app.services.catalog import Services
from app.services.events import EventService
from app.services.execution import Executor, Pace
from app.services.extension_loads import LoadBoard
from app.services.extension_session import ExtensionSession
from app.services.extension_work import ExtensionWorkService
from app.services.health import HealthService
from app.services.lifecycle import Herald, RunWitness
from app.services.maintenance import EventUpkeep, Housekeeper, TaskPauser
from app.services.metrics import MetricsService, Process
from app.services.publishing import Publisher, Triggers
from app.services.relay import Relay
from app.services.runs import RunService
from app.services.schedules import ScheduleService
from app.services.scheduling import SchedulingService
from app.services.tasks import TaskService
from app.services.tool_uses import ToolRuns, ToolTasks
from app.services.tools import ToolService
from app.storage.database import Database
from app.telemetry import attach
from app.telemetry.lines import write_line
from app.tools.builtin import builtin_tools
from app.tools.http_safety import HttpPolicy
from app.tools.registry import ToolRegistry
from app.tools.use_cases.catalog import use_case_tools
from app.tools.use_cases.ports import UseCases
from config.installation_keys import installation_key
from config.lifecycle import stopping
from config.logging import hidden_values
from config.settings import Settings, environment
from ordinaut import Capability, __version__


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """What a web process is made of."""

    settings: Settings
    services: Services
    extensions: ExtensionHost


@dataclass(frozen=True, slots=True)
class WorkerParts:
    """What a worker makes when it needs it: connections must not be older than the process that uses them."""

    settings: Settings
    celery: Celery

    @property
    def poll_seconds(self) -> float:
        """How often an idle pool process looks for work unasked."""
        return self.settings.poll_seconds

    def database(self) -> Database:
        """A connection pool of the caller's own, to be closed by it."""
        return open_database(self.settings)

    def metrics(self, role: str, units: MetricUnits | None = None, *, node: str = "") -> MetricsService:
        """The metrics of a process; without units of its own it connects for each storing and hangs up again."""
        return _metrics(self.settings, units or self._brief_units, role, node)

    @contextmanager
    def _brief_units(self, *, read_only: bool = False) -> Iterator[MetricUnit]:
        database = self.database()
        try:
            with database.units(read_only=read_only) as unit:
                yield unit
        finally:
            database.close()

    def executor(self, node: str, database: Database | None = None, metrics: MetricsService | None = None) -> Executor:
        """The hands of this pool process, made after the fork."""
        settings, database, queue = self.settings, database or self.database(), CeleryRunQueue(self.celery)
        events = _events(settings, database, queue)
        tasks, tools = _tasks_and_tools(settings, database, queue, events)
        _add_use_cases(tools, tasks, _runs(database, events), events.service, database.clock)
        database.ledger.witness = events.witness
        host = make_host(settings, _doors(settings, tools, database, events, metrics), tools)
        host.load_having({Capability.TOOLS})
        pauser = TaskPauser(units=database.units, pause=tasks.pause_by_failures)
        return Executor(
            owner=f"{node}/{os.getpid()}",
            ledger=database.ledger,
            tools=tools,
            queue=queue,
            pace=Pace(lease=settings.lease_seconds, drain=settings.drain_seconds, poll=settings.poll_seconds),
            on_failure=pauser.failed,
            witness=events.witness,
            behalf=_behalf(settings, open_access(settings, database)),
        )

    def extension_versions(self) -> dict[str, str]:
        """Version of the code of each extension that may have work on the worker side; imports none of them."""
        tools = ToolRegistry()
        return with_work(make_host(self.settings, Doors(tools=tools), tools).records())

    @contextmanager
    def extension_units(self) -> Iterator[ExtensionWorkUnits]:
        """Units of work on a connection that ends with the block."""
        database = self.database()
        try:
            yield database.units
        finally:
            database.close()

    @property
    def environment(self) -> dict[str, str]:
        """For the processes that this one starts."""
        return environment()

    def beat(self) -> Callable[[], float]:
        """What beat does at every tick: fire, keep the house, and say how long to sleep."""
        database, queue = self.database(), CeleryRunQueue(self.celery)
        events = _events(self.settings, database, queue, notes=True)
        database.ledger.witness = events.witness
        database.ledger.on_lost = _pauser(database, queue, events).lost
        scheduling = SchedulingService(units=database.units, queue=queue, clock=database.clock, herald=events.herald)
        housekeeper = Housekeeper(
            ledger=database.ledger,
            units=database.units,
            queue=queue,
            clock=database.clock,
            retention_days=self.settings.run_retention_days,
            events=EventUpkeep(
                units=database.units,
                clock=database.clock,
                retention_days=self.settings.event_retention_days,
                relay=events.relay,
            ),
        )

        metrics = self.metrics("beat", database.units)
        metrics.start()

        def tick() -> float:
            try:
                pause = scheduling.tick()
                metrics.ticked(time.time())
                return pause
            finally:
                housekeeper.look()

        return tick


def extension_process(settings: Settings, lease: Lease, *, owner: str, parent: int) -> WorkProcess:
    """The process that does the work of the extension whose lease it has, and ends when its parent does."""
    database, queue, pace = open_database(settings), _queue(settings), work_pace(settings)
    events = _events(settings, database, queue)
    tasks, tools = _tasks_and_tools(settings, database, queue, events)
    _add_use_cases(tools, tasks, _runs(database, events), events.service, database.clock)
    runner = Runner(events=StoredEvents(events.service), work=ExtensionWorkService(units=database.units))
    metrics = _metrics(settings, database.units, "extension")
    metrics.start()
    host = make_host(settings, replace(_doors(settings, tools, database, events, metrics), runner=runner), tools)
    session = ExtensionSession(lease, owner=owner, units=database.units, clock=database.clock, seconds=pace.lease)
    guard = WorkGuard(session, seconds=pace.lease, drain=pace.drain, born_of=parent)
    announce = events.service.announce
    return WorkProcess(session=session, host=host, runner=runner, guard=guard, pace=pace, announce=announce)


def open_database(settings: Settings) -> Database:
    """The database these settings name; connects when it is first used."""
    attach(write_line)
    return Database(
        settings.database_url,
        pool_size=settings.db_pool_size,
        sqlite_synchronous=settings.sqlite_synchronous,
        lease_seconds=settings.lease_seconds,
        seal=audit_seal(secret_keys(settings)),
    )


def secret_keys(settings: Settings) -> tuple[str, ...]:
    """The keys of secrets and of the audit log; in production those that were set, or none."""
    if settings.secret_keys or settings.production:
        return settings.secret_keys or ()
    return (installation_key(settings.home, "secrets"),)


def open_access(settings: Settings, database: Database) -> AccessServices:
    """Who may do what, by this database."""
    return make_access(
        units=database.units,
        clock=database.clock,
        secret_keys=secret_keys(settings),
        refresh_seconds=settings.refresh_token_seconds,
    )


def _behalf(settings: Settings, access: AccessServices) -> Behalf:
    """In whose name runs act."""
    caller = access.auth.agent_caller if settings.auth == "jwt" else None
    return Behalf(caller=caller, secrets=access.secrets.values, lent=hidden_values.hide)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Events:
    """Everything about events that a process has; the relay where there is a Redis."""

    service: EventService
    herald: Herald
    witness: RunWitness
    relay: Relay | None


def _events(settings: Settings, database: Database, queue: RunQueue, *, notes: bool = False) -> _Events:
    units, clock, bus = database.units, database.clock, _bus(settings)
    relay = Relay(units=units, bus=bus, notes=notes) if settings.redis_url else None
    hub = EventHub(units=units, bus=bus, clock=clock, stopping=stopping)
    publisher = Publisher(Triggers())

    def published() -> None:
        hub.nudge()
        if relay is not None:
            relay.wake()
        else:
            bus.append(())

    herald = Herald(publisher=publisher, clock=clock, queue=queue, announcer=Announcer(bus), published=published)
    service = EventService(
        units=units,
        clock=clock,
        queue=queue,
        publisher=publisher,
        herald=herald,
        published=published,
        listen=hub.listen,
    )
    return _Events(service=service, herald=herald, witness=RunWitness(units=units, herald=herald), relay=relay)


def _bus(settings: Settings) -> EventBus:
    if settings.redis_url is None:
        return MemoryBus()
    options = {"ssl_cert_reqs": settings.redis_ssl_cert_reqs} if settings.redis_url.startswith("rediss") else {}
    return RedisBus(settings.redis_url, length=settings.event_stream_length, **options)


def _tasks_and_tools(
    settings: Settings, database: Database, queue: RunQueue, events: _Events
) -> tuple[TaskService, ToolRegistry]:
    """Tasks are made of tools, and one of the tools makes tasks."""
    tools = ToolRegistry()
    tasks = TaskService(units=database.units, tools=tools, queue=queue, clock=database.clock, herald=events.herald)
    policy = HttpPolicy.parse(",".join(settings.http_allowed_hosts))
    for tool in builtin_tools(http_policy=policy, create_task=tasks.create_by_tool, publish=events.service.publish):
        tools.add(tool)
    return tasks, tools


def _pauser(database: Database, queue: RunQueue, events: _Events) -> TaskPauser:
    """For a process that runs no tools."""
    units, clock, tools = database.units, database.clock, ToolRegistry()
    tasks = TaskService(units=units, tools=tools, queue=queue, clock=clock, herald=events.herald)
    return TaskPauser(units=units, pause=tasks.pause_by_failures)


def _runs(database: Database, events: _Events) -> RunService:
    hub = Hub(database.units.changes, stopping=stopping)
    return RunService(units=database.units, clock=database.clock, hub=hub, herald=events.herald)


def _add_use_cases(
    tools: ToolRegistry, tasks: TaskService, runs: RunService, events: EventService, clock: Clock
) -> None:
    """What people do through the API, pipelines and assistants do through tools."""
    uses = UseCases(
        tasks=ToolTasks(tasks=tasks, schedules=ScheduleService(clock=clock), clock=clock),
        runs=ToolRuns(runs=runs, tasks=tasks),
        publish=events.publish,
        tools=tools,
    )
    for tool in use_case_tools(uses):
        tools.add(tool)


def build(settings: Settings) -> Container:
    """A web process."""
    database, clock, queue = open_database(settings), SystemClock(), _queue(settings)
    events = _events(settings, database, queue)
    tasks, tools = _tasks_and_tools(settings, database, queue, events)
    runs, access = _runs(database, events), open_access(settings, database)
    _add_use_cases(tools, tasks, runs, events.service, database.clock)
    services = Services(
        tasks=tasks,
        schedules=ScheduleService(clock=clock),
        runs=runs,
        events=events.service,
        tools=ToolService(tools=tools),
        health=HealthService(
            required={"database": database.check},
            optional={"redis": lambda: _check_redis(settings)},
            clock=clock,
            version=__version__,
        ),
        metrics=_metrics(settings, database.units, "web"),
        auth=access.auth,
        agents=access.agents,
        audit=access.audit,
        secrets=access.secrets,
        extension_work=ExtensionWorkService(units=database.units),
    )
    host = make_host(settings, _doors(settings, tools, database, events, services.metrics), tools)
    return Container(settings=settings, services=services, extensions=host)


def _doors(
    settings: Settings,
    tools: ToolRegistry,
    database: Database,
    events: _Events,
    metrics: MetricsService | None = None,
) -> Doors:
    """What extensions can reach in this kind of process."""
    return Doors(
        tools=tools,
        invoke=Invoker(ToolService(tools=tools)),
        events=events.service,
        work=ExtensionWorkService(units=database.units),
        exposition=metrics.exposition if metrics else str,
        totals=metrics.extension_totals if metrics else dict,
        language=lambda: settings.locale,
        board=LoadBoard(units=database.units, announce=events.service.announce),
    )


def _metrics(settings: Settings, units: MetricUnits, role: str, node: str = "") -> MetricsService:
    process = Process(role=role, version=__version__, node=node, redis=lambda: _check_redis(settings) is None)
    return MetricsService(units=units, of=process)


def _queue(settings: Settings) -> RunQueue:
    if settings.redis_url is None:
        return SilentRunQueue()
    return CeleryRunQueue(make_celery(settings.redis_url, ssl_cert_reqs=settings.redis_ssl_cert_reqs))


def _check_redis(settings: Settings) -> str | None:
    if settings.redis_url is None:
        return t("REDIS_URL is not set: workers poll the database")
    options = {"ssl_cert_reqs": settings.redis_ssl_cert_reqs} if settings.redis_url.startswith("rediss") else {}
    try:
        with Redis.from_url(settings.redis_url, socket_timeout=0.5, socket_connect_timeout=0.5, **options) as redis:
            redis.ping()
    except RedisError:
        return t("Redis does not answer: workers poll the database")
    return None

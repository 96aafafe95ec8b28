"""The processes that do the work: pool processes of a worker, and one for each extension that has some."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta

from celery import Celery

from app.bootstrap.mcp import connections, make_mcp
from app.bootstrap.parts import (
    Events,
    add_tool_uses,
    make_allowances,
    make_doors,
    make_events,
    make_incidents,
    make_metrics,
    make_queue,
    make_turns,
    open_access,
    open_database,
    owners,
    secret_values,
    signing_secrets,
    tasks_and_tools,
)
from app.domain.extension_work import ExtensionWorkUnits, Lease
from app.domain.metrics import MetricUnit, MetricUnits
from app.domain.ports import RunQueue
from app.extension_host.assembly import make_host
from app.extension_host.doors import Doors
from app.extension_host.work_assembly import StoredEvents, work_pace
from app.extension_host.work_contexts import Runner
from app.extension_host.work_guard import WorkGuard
from app.extension_host.work_process import WorkProcess
from app.extension_host.work_versions import with_work
from app.queueing.celery_queue import CeleryRunQueue
from app.services.access import AccessServices
from app.services.backfills import BackfillFeeder
from app.services.behalf import Behalf
from app.services.debounce import Debouncer
from app.services.execution import Executor, Pace
from app.services.extension_session import ExtensionSession
from app.services.extension_work import ExtensionWorkService
from app.services.gates import Gatekeeper
from app.services.incidents import BEAT_SECONDS, IncidentWatch
from app.services.maintenance import EventUpkeep, Housekeeper, TaskPauser
from app.services.mcp import McpWatch
from app.services.metrics import MetricsService
from app.services.scheduling import SchedulingService
from app.services.tasks import TaskService
from app.services.waking import Waker
from app.services.webhook_sending import WebhookSending
from app.services.webhook_upkeep import WebhookUpkeep
from app.storage.database import Database
from app.tools.forms import SchemaForms
from app.tools.http_safety import HttpPolicy
from app.tools.registry import ToolRegistry
from app.tools.webhooks import WebhookPost
from config.logging import hidden_values
from config.settings import Settings, environment
from ordinaut import Capability


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
        return make_metrics(self.settings, units or self._brief_units, role, node)

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
        events = make_events(settings, database, queue)
        tasks, tools = tasks_and_tools(settings, database, queue, events)
        add_tool_uses(tools, tasks, database, queue, events)
        database.ledger.witness = events.witness
        host = make_host(settings, make_doors(settings, tools, database, events, metrics), tools)
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
            behalf=make_behalf(settings, open_access(settings, database)),
            turns=make_turns(settings, database, queue),
            allowances=make_allowances(settings, database, queue, events),
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

    def webhook_sending(self) -> WebhookSending:
        """What the senders of webhooks do, on a connection pool of their own."""
        settings, database = self.settings, self.database()
        return WebhookSending(
            units=database.units,
            clock=database.clock,
            herald=make_events(settings, database, CeleryRunQueue(self.celery)).herald,
            secrets=signing_secrets(settings),
            post=WebhookPost(HttpPolicy.parse(",".join(settings.http_allowed_hosts))),
            caller=owners(settings, open_access(settings, database)),
            patience=timedelta(days=settings.webhook_failing_days),
            lease=settings.lease_seconds,
        )

    def hang_up(self) -> None:
        """End the connections of this process to servers of the Model Context Protocol, and what it started."""
        connections.close()

    def mcp_watch(self) -> McpWatch:
        """What looks after servers of the Model Context Protocol, on a connection pool of its own."""
        settings, database = self.settings, self.database()
        events = make_events(settings, database, CeleryRunQueue(self.celery))
        look = secret_values(settings, database)
        return McpWatch(make_mcp(settings, database, events.service, events.herald, look))

    def beat(self) -> Callable[[], float]:
        """What beat does at every tick: fire, keep the house, and say how long to sleep."""
        database, queue = self.database(), CeleryRunQueue(self.celery)
        events = make_events(self.settings, database, queue, notes=True)
        database.ledger.witness = events.witness
        database.ledger.on_lost = make_pauser(database, queue, events).lost
        scheduling = SchedulingService(units=database.units, queue=queue, clock=database.clock, herald=events.herald)
        housekeeper = _housekeeper(self.settings, database, queue, events)
        waker = Waker(units=database.units, queue=queue, clock=database.clock, herald=events.herald)
        feeder = BackfillFeeder(
            units=database.units, queue=queue, clock=database.clock, retention_days=self.settings.run_retention_days
        )
        debouncer = Debouncer(units=database.units, queue=queue, clock=database.clock)
        gatekeeper = Gatekeeper(units=database.units, clock=database.clock, herald=events.herald)
        webhooks = WebhookUpkeep(
            units=database.units, clock=database.clock, retention_days=self.settings.event_retention_days
        )
        incidents = _incident_watch(self.settings, database, events)
        metrics = self.metrics("beat", database.units)
        metrics.start()

        def tick() -> float:
            try:
                pause = min(debouncer.look(), gatekeeper.look(), scheduling.tick(), waker.look())
                feeder.look()
                metrics.ticked(time.time())
                return pause
            finally:
                waker.tidy()
                housekeeper.look()
                webhooks.look()
                incidents.look()

        return tick


def extension_process(settings: Settings, lease: Lease, *, owner: str, parent: int) -> WorkProcess:
    """The process that does the work of the extension whose lease it has, and ends when its parent does."""
    database, queue, pace = open_database(settings), make_queue(settings), work_pace(settings)
    events = make_events(settings, database, queue)
    tasks, tools = tasks_and_tools(settings, database, queue, events)
    add_tool_uses(tools, tasks, database, queue, events)
    runner = Runner(events=StoredEvents(events.service), work=ExtensionWorkService(units=database.units))
    metrics = make_metrics(settings, database.units, "extension")
    metrics.start()
    host = make_host(settings, replace(make_doors(settings, tools, database, events, metrics), runner=runner), tools)
    session = ExtensionSession(lease, owner=owner, units=database.units, clock=database.clock, seconds=pace.lease)
    guard = WorkGuard(session, seconds=pace.lease, drain=pace.drain, born_of=parent)
    announce = events.service.announce
    return WorkProcess(session=session, host=host, runner=runner, guard=guard, pace=pace, announce=announce)


def _housekeeper(settings: Settings, database: Database, queue: RunQueue, events: Events) -> Housekeeper:
    return Housekeeper(
        ledger=database.ledger,
        units=database.units,
        queue=queue,
        clock=database.clock,
        retention_days=settings.run_retention_days,
        events=EventUpkeep(
            units=database.units,
            clock=database.clock,
            retention_days=settings.event_retention_days,
            relay=events.relay,
        ),
    )


def _incident_watch(settings: Settings, database: Database, events: Events) -> IncidentWatch:
    """Beat's, which deletes the old ones as well."""
    return IncidentWatch(
        service=make_incidents(database, events),
        clock=database.clock,
        seconds=BEAT_SECONDS,
        retention_days=settings.run_retention_days,
    )


def make_behalf(settings: Settings, access: AccessServices) -> Behalf:
    """In whose name runs act."""
    caller = access.auth.agent_caller if settings.auth == "jwt" else None
    return Behalf(caller=caller, secrets=access.secrets.values, lent=hidden_values.hide)


def make_pauser(database: Database, queue: RunQueue, events: Events) -> TaskPauser:
    """For a process that runs no tools."""
    units, clock, tools = database.units, database.clock, ToolRegistry()
    tasks = TaskService(units=units, tools=tools, queue=queue, clock=clock, forms=SchemaForms(), herald=events.herald)
    return TaskPauser(units=units, pause=tasks.pause_by_failures)

"""A web process."""

from __future__ import annotations

from dataclasses import dataclass

from app.bootstrap.mcp import make_mcp
from app.bootstrap.parts import (
    add_use_cases,
    check_redis,
    grant_policy,
    make_approval_links,
    make_approvals,
    make_doors,
    make_events,
    make_hooks,
    make_metrics,
    make_oauth,
    make_queue,
    make_tool_runs,
    make_tool_tasks,
    make_tools,
    make_webhooks,
    open_access,
    open_database,
    owners,
    secret_values,
    tasks_and_tools,
)
from app.domain.clock import Clock, SystemClock
from app.extension_host.assembly import make_host
from app.extension_host.host import ExtensionHost
from app.services.agenda import AgendaService
from app.services.backfills import BackfillService
from app.services.budgets import BudgetService
from app.services.bulk import BulkService
from app.services.catalog import Services
from app.services.extension_work import ExtensionWorkService
from app.services.grants import GrantService
from app.services.health import HealthService
from app.services.idempotency import IdempotencyService
from app.services.incidents import WEB_SECONDS, IncidentService, IncidentWatch
from app.services.processes import ProcessService
from app.services.run_blobs import RunBlobs
from app.services.schedules import ScheduleService
from app.services.task_looks import TaskLooks
from app.services.task_upserts import TaskUpserts
from app.storage.database import Database
from config.settings import Settings
from ordinaut import __version__


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """What a web process is made of."""

    settings: Settings
    services: Services
    extensions: ExtensionHost
    watch: IncidentWatch


def build(settings: Settings) -> Container:
    """A web process."""
    database, clock, queue = open_database(settings), SystemClock(), make_queue(settings)
    events = make_events(settings, database, queue)
    tasks, tools = tasks_and_tools(settings, database, queue, events)
    work, access = make_tool_runs(database, queue, events), open_access(settings, database)
    approvals, callers = make_approvals(database, queue, events), owners(settings, access)
    add_use_cases(tools, make_tool_tasks(database, tasks), work, approvals, events.service)
    services = Services(
        tasks=tasks,
        task_upserts=TaskUpserts(units=database.units, tasks=tasks),
        task_looks=TaskLooks(units=database.units, clock=database.clock, tasks=tasks),
        schedules=ScheduleService(clock=clock),
        agenda=AgendaService(units=database.units, clock=database.clock),
        runs=work.runs,
        holds=work.holds,
        blobs=RunBlobs(units=database.units),
        reruns=work.reruns,
        incidents=work.incidents,
        approvals=approvals,
        approval_links=make_approval_links(settings, database, events, approvals, callers),
        grants=GrantService(units=database.units, clock=database.clock, herald=events.herald),
        budgets=BudgetService(units=database.units, clock=database.clock, counting=grant_policy(settings).on),
        backfills=BackfillService(units=database.units, clock=database.clock),
        bulk=BulkService(units=database.units, queue=queue, clock=database.clock, herald=events.herald),
        events=events.service,
        tools=make_tools(settings, tools, database, queue, events),
        health=_health(settings, database, clock),
        metrics=make_metrics(settings, database.units, "web"),
        access=access,
        oauth=make_oauth(database, access),
        hooks=make_hooks(settings, database, events, callers),
        webhooks=make_webhooks(settings, database),
        mcp=make_mcp(settings, database, events.service, events.herald, secret_values(settings, database)),
        processes=ProcessService(units=database.units, reports=database.units),
        extension_work=ExtensionWorkService(units=database.units),
        idempotency=IdempotencyService(units=database.units, clock=database.clock),
    )
    host = make_host(settings, make_doors(settings, tools, database, events, services.metrics), tools)
    return Container(settings=settings, services=services, extensions=host, watch=_watch(database, work.incidents))


def _watch(database: Database, incidents: IncidentService) -> IncidentWatch:
    return IncidentWatch(service=incidents, clock=database.clock, seconds=WEB_SECONDS)


def _health(settings: Settings, database: Database, clock: Clock) -> HealthService:
    return HealthService(
        required={"database": database.check},
        optional={"redis": lambda: check_redis(settings)},
        clock=clock,
        version=__version__,
    )

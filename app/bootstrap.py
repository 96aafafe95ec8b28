"""The composition root: settings in, objects joined, and nobody else reaches for anything."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

from celery import Celery
from redis import Redis
from redis.exceptions import RedisError

from app.domain.clock import SystemClock
from app.domain.ports import RunQueue
from app.queueing.broker import make_celery
from app.queueing.celery_queue import CeleryRunQueue
from app.queueing.silent import SilentRunQueue
from app.realtime.hub import Hub
from app.services.catalog import Services
from app.services.execution import Executor, Pace
from app.services.health import HealthService
from app.services.maintenance import Housekeeper, TaskPauser
from app.services.runs import RunService
from app.services.schedules import ScheduleService
from app.services.scheduling import SchedulingService
from app.services.tasks import TaskService
from app.services.tools import ToolService
from app.storage.database import Database
from app.telemetry import attach
from app.telemetry.lines import write_line
from app.tools.builtin import builtin_tools
from app.tools.http_safety import HttpPolicy
from app.tools.registry import ToolRegistry
from config.lifecycle import stopping
from config.settings import Settings
from ordinaut import __version__


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """What a web process is made of."""

    settings: Settings
    services: Services


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

    def executor(self, node: str) -> Executor:
        """The hands of this pool process, made after the fork."""
        settings, database, queue = self.settings, self.database(), CeleryRunQueue(self.celery)
        tasks, tools = _tasks_and_tools(settings, database, queue)
        pauser = TaskPauser(units=database.units, pause=tasks.pause_by_failures)
        return Executor(
            owner=f"{node}/{os.getpid()}",
            ledger=database.ledger,
            tools=tools,
            queue=queue,
            pace=Pace(lease=settings.lease_seconds, drain=settings.drain_seconds, poll=settings.poll_seconds),
            on_failure=pauser.failed,
        )

    def beat(self) -> Callable[[], float]:
        """What beat does at every tick: fire, keep the house, and say how long to sleep."""
        database, queue = self.database(), CeleryRunQueue(self.celery)
        scheduling = SchedulingService(units=database.units, queue=queue, clock=database.clock)
        housekeeper = Housekeeper(
            ledger=database.ledger,
            units=database.units,
            queue=queue,
            clock=database.clock,
            retention_days=self.settings.run_retention_days,
        )

        def tick() -> float:
            try:
                return scheduling.tick()
            finally:
                housekeeper.look()

        return tick


def open_database(settings: Settings) -> Database:
    """The database these settings name; connects when it is first used."""
    attach(write_line)
    return Database(
        settings.database_url,
        pool_size=settings.db_pool_size,
        sqlite_synchronous=settings.sqlite_synchronous,
        lease_seconds=settings.lease_seconds,
    )


def _tasks_and_tools(settings: Settings, database: Database, queue: RunQueue) -> tuple[TaskService, ToolRegistry]:
    """Tasks are made of tools, and one of the tools makes tasks."""
    tools = ToolRegistry()
    tasks = TaskService(units=database.units, tools=tools, queue=queue, clock=database.clock)
    policy = HttpPolicy.parse(",".join(settings.http_allowed_hosts))
    for tool in builtin_tools(http_policy=policy, create_task=tasks.create_by_tool):
        tools.add(tool)
    return tasks, tools


def build(settings: Settings) -> Container:
    """A web process."""
    database, clock, queue = open_database(settings), SystemClock(), _queue(settings)
    tasks, tools = _tasks_and_tools(settings, database, queue)
    services = Services(
        tasks=tasks,
        schedules=ScheduleService(clock=clock),
        runs=RunService(
            units=database.units,
            clock=database.clock,
            hub=Hub(database.units.changes, stopping=stopping),
        ),
        tools=ToolService(tools=tools),
        health=HealthService(
            required={"database": database.check},
            optional={"redis": lambda: _check_redis(settings)},
            clock=clock,
            version=__version__,
        ),
    )
    return Container(settings=settings, services=services)


def _queue(settings: Settings) -> RunQueue:
    if settings.redis_url is None:
        return SilentRunQueue()
    return CeleryRunQueue(make_celery(settings.redis_url, ssl_cert_reqs=settings.redis_ssl_cert_reqs))


def _check_redis(settings: Settings) -> str | None:
    if settings.redis_url is None:
        return "REDIS_URL is not set: workers poll the database"
    options = {"ssl_cert_reqs": settings.redis_ssl_cert_reqs} if settings.redis_url.startswith("rediss") else {}
    try:
        with Redis.from_url(settings.redis_url, socket_timeout=0.5, socket_connect_timeout=0.5, **options) as redis:
            redis.ping()
    except RedisError:
        return "Redis does not answer: workers poll the database"
    return None

"""The one Celery task, and what each process of a worker does at its start and its end."""

from __future__ import annotations

import socket
import uuid
from typing import Any

from celery import Celery, bootsteps
from celery.signals import (
    task_failure,
    worker_init,
    worker_process_init,
    worker_process_shutdown,
    worker_ready,
    worker_shutdown,
    worker_shutting_down,
)

from app.bootstrap.work import WorkerParts
from app.domain.errors import Unavailable
from app.extension_host.work_assembly import work_pace
from app.queueing.celery_queue import WORK
from app.telemetry import emit
from workers.doorbell import Junkproof
from workers.extension_keeper import ExtensionKeeper
from workers.pool import PoolProcess, StopFlag, rescue_dead

LOOK_SECONDS = 1.0


class Worker:
    """Joins a Celery worker to the executors in its pool."""

    def __init__(self, app: Celery, parts: WorkerParts) -> None:
        self.node = f"{socket.gethostname()[:40]}-{uuid.uuid4().hex[:12]}"
        self._app = app
        self._parts = parts
        self._stop = StopFlag()
        self._process: PoolProcess | None = None
        self._metrics = parts.metrics("worker", node=self.node)
        self._extensions = ExtensionKeeper(
            node=self.node,
            versions=parts.extension_versions,
            units=parts.extension_units,
            pace=work_pace(parts.settings),
            env=parts.environment,
        )

    def install(self) -> None:
        """Register the task, the signals and the look-out."""
        self._app.task(name=WORK, ignore_result=True)(self._work)
        worker_init.connect(self._begins, weak=False)
        worker_ready.connect(_replace_the_dead, weak=False)
        worker_process_init.connect(self._child_begins, weak=False)
        worker_process_shutdown.connect(self._child_ends, weak=False)
        worker_shutting_down.connect(self._stopping, weak=False)
        worker_shutdown.connect(self._stopped, weak=False)
        task_failure.connect(self._child_lost, weak=False)
        self._app.steps["consumer"].add(_lookout(self.look))
        self._app.steps["consumer"].add(Junkproof)

    def _work(self) -> None:
        if self._process is not None:
            self._process.work()

    def _begins(self, **_: Any) -> None:
        self._metrics.listen()
        self._extensions.start()

    def _child_begins(self, **_: Any) -> None:
        self._metrics.hush()
        parts, database = self._parts, self._parts.database()
        metrics = parts.metrics("pool", database.units, node=self.node)
        executor = parts.executor(self.node, database, metrics)
        self._process = PoolProcess(executor, self._stop, metrics=metrics, poll_seconds=parts.poll_seconds)
        self._process.start()

    def _child_ends(self, **_: Any) -> None:
        if self._process is not None:
            self._process.finish()
        self._parts.hang_up()

    def _stopping(self, **_: Any) -> None:
        self._stop.set()
        self._extensions.stop()

    def _stopped(self, **_: Any) -> None:
        self._extensions.finish()
        self._metrics.stop()

    def _child_lost(self, **_: Any) -> None:
        """Celery says so when a child dies with a doorbell in its hands; the look-out sees all the others."""
        self.look()

    def look(self) -> None:
        """Say that this worker is alive, and take back what dead children held.

        Connections are closed again, since a fork must not inherit them.
        """
        self._metrics.look()
        database = self._parts.database()
        try:
            rescued = rescue_dead(self.node, database.ledger.owners, database.ledger.rescue)
        except Unavailable:
            return  # the leases run out by themselves
        finally:
            database.close()
        if rescued:
            emit("worker.child_lost", node=self.node, runs=rescued)


def _replace_the_dead(sender: Any, **_: Any) -> None:
    """Put new processes in the place of those that died while Redis was still away.

    Right after this Celery looks for dead ones, takes them for a pool that cannot start, and ends the worker.
    """
    sender.pool.maintain_pool()


def _lookout(look: Any) -> type[bootsteps.StartStopStep]:
    class Lookout(bootsteps.StartStopStep):
        """Looks for dead children from the worker's own event loop: no thread may be at work while it forks."""

        requires = ("celery.worker.consumer.tasks:Tasks",)

        def start(self, consumer: Any) -> None:
            self.timer = consumer.timer.call_repeatedly(LOOK_SECONDS, look)

        def stop(self, consumer: Any) -> None:
            self.timer.cancel()

    return Lookout

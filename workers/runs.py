"""The one Celery task, and what each process of a worker does at its start and its end."""

from __future__ import annotations

import socket
import uuid
from typing import Any

from celery import Celery, bootsteps
from celery.signals import task_failure, worker_process_init, worker_process_shutdown, worker_shutting_down

from app.bootstrap import WorkerParts
from app.domain.errors import Unavailable
from app.queueing.celery_queue import WORK
from app.telemetry import emit
from workers.doorbell import Junkproof
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

    def install(self) -> None:
        """Register the task, the signals and the look-out."""
        self._app.task(name=WORK, ignore_result=True)(self._work)
        worker_process_init.connect(self._child_begins, weak=False)
        worker_process_shutdown.connect(self._child_ends, weak=False)
        worker_shutting_down.connect(self._stopping, weak=False)
        task_failure.connect(self._child_lost, weak=False)
        self._app.steps["consumer"].add(_lookout(self.look))
        self._app.steps["consumer"].add(Junkproof)

    def _work(self) -> None:
        if self._process is not None:
            self._process.work()

    def _child_begins(self, **_: Any) -> None:
        self._process = PoolProcess(self._parts.executor(self.node), self._stop, self._parts.poll_seconds)
        self._process.start()

    def _child_ends(self, **_: Any) -> None:
        if self._process is not None:
            self._process.finish()

    def _stopping(self, **_: Any) -> None:
        self._stop.set()

    def _child_lost(self, **_: Any) -> None:
        """Celery says so when a child dies with a doorbell in its hands; the look-out sees all the others."""
        self.look()

    def look(self) -> None:
        """Take back what dead children held. The connection is closed again, since a fork must not inherit it."""
        database = self._parts.database()
        try:
            rescued = rescue_dead(self.node, database.ledger.owners, database.ledger.rescue)
        except Unavailable:
            return  # the leases run out by themselves
        finally:
            database.close()
        if rescued:
            emit("worker.child_lost", node=self.node, runs=rescued)


def _lookout(look: Any) -> type[bootsteps.StartStopStep]:
    class Lookout(bootsteps.StartStopStep):
        """Looks for dead children from the worker's own event loop: no thread may be at work while it forks."""

        requires = ("celery.worker.consumer.tasks:Tasks",)

        def start(self, consumer: Any) -> None:
            self.timer = consumer.timer.call_repeatedly(LOOK_SECONDS, look)

        def stop(self, consumer: Any) -> None:
            self.timer.cancel()

    return Lookout

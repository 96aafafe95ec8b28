"""The doorbell over Celery: a message without content, rung from a thread of its own so that nobody waits for it."""

from __future__ import annotations

import os
import threading
from typing import Any

from celery import Celery
from redis.exceptions import ResponseError

from app.telemetry import emit

WORK = "ordinaut.work"
QUEUE = "ordinaut"
FULL = 64
"""Unanswered rings after which another would add nothing but length to the queue."""
BREAK_SECONDS = 1.0


class CeleryRunQueue:
    """See `app.domain.ports.RunQueue`. After a failure it keeps silent for a moment: workers poll meanwhile."""

    def __init__(self, app: Celery) -> None:
        self._app = app
        self._pid = 0
        self._starting = threading.Lock()
        self._begin()

    def _begin(self) -> None:
        """A forked child has the parent's flags and locks and none of its threads: it begins anew."""
        self._wanted = 0
        self._lock = threading.Lock()
        self._rung = threading.Event()

    def ring(self, count: int = 1) -> None:
        """Wake up to `count` workers, soon."""
        with self._starting:
            if self._pid != os.getpid():
                self._begin()
                self._pid = os.getpid()
                threading.Thread(target=self._ring_forever, name="doorbell", daemon=True).start()
        with self._lock:
            self._wanted = max(self._wanted, count)
        self._rung.set()

    def _ring_forever(self) -> None:
        silence = threading.Event()
        while True:
            self._rung.wait()
            self._rung.clear()
            with self._lock:
                count, self._wanted = self._wanted, 0
            try:
                self._send(count)
            except Exception as error:  # noqa: BLE001 - a doorbell that dies leaves every worker to its polling
                emit("doorbell.failed", error=error)
                silence.wait(BREAK_SECONDS)

    def _send(self, count: int) -> None:
        with self._app.producer_or_acquire() as producer:
            waiting = self._waiting(producer.channel.client)
            for _ in range(min(count, FULL - waiting)):
                self._app.send_task(WORK, queue=QUEUE, producer=producer, retry=False, ignore_result=True)

    def _waiting(self, client: Any) -> int:
        """Rings that nobody has answered yet."""
        try:
            return int(client.llen(QUEUE))
        except ResponseError as error:
            # Somebody put another type under the queue's name, and no worker can start while it is there.
            emit("doorbell.junk", error=error)
            client.delete(QUEUE)
            return 0

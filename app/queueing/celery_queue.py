"""The doorbell over Celery: a message without content, sent with little patience."""

from __future__ import annotations

import threading
import time

from celery import Celery
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from app.telemetry import emit

WORK = "ordinaut.work"
QUEUE = "ordinaut"
FULL = 64
"""Unanswered rings after which another would add nothing but length to the queue."""
BREAK_SECONDS = 5.0


class CeleryRunQueue:
    """See `app.domain.ports.RunQueue`. After a failure nobody rings for a while: workers poll meanwhile."""

    def __init__(self, app: Celery) -> None:
        self._app = app
        self._broken_until = 0.0
        self._lock = threading.Lock()

    def ring(self, count: int = 1) -> None:
        """Wake up to `count` workers."""
        if time.monotonic() < self._broken_until:
            return
        # One ringer at a time: the others' rings would wait for the same dead connection.
        if not self._lock.acquire(blocking=False):
            return
        try:
            self._ring(count)
        except (OperationalError, RedisError, OSError) as error:
            self._broken_until = time.monotonic() + BREAK_SECONDS
            emit("doorbell.failed", error=error)
        finally:
            self._lock.release()

    def _ring(self, count: int) -> None:
        with self._app.producer_or_acquire() as producer:
            waiting = producer.channel.client.llen(QUEUE)
            for _ in range(min(count, FULL - waiting)):
                self._app.send_task(WORK, queue=QUEUE, producer=producer, retry=False, ignore_result=True)

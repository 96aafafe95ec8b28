"""What comes out of the queue and is no message must not end the worker: a doorbell says nothing but that it rang."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from celery import bootsteps
from redis.exceptions import ResponseError

from app.queueing.celery_queue import QUEUE
from app.telemetry import emit

Read = Callable[..., Any]


class Junkproof(bootsteps.StartStopStep):
    """Puts a guard around the reading of the worker's own channel; once more after each reconnection."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def start(self, consumer: Any) -> None:
        """The transport looks its reader up for each message, by the name of the command."""
        channel = consumer.task_consumer.channel
        handlers = getattr(channel, "handlers", {})
        if "BRPOP" in handlers:
            handlers["BRPOP"] = guarded(handlers["BRPOP"], lambda: _emptied(channel))


def guarded(read: Read, empty: Callable[[], None]) -> Read:
    """The same reader, for which bytes that are no message are one that has been read and thrown away.

    Where Redis refuses to read at all, somebody has put another type under the queue's name: `empty` takes it away.
    """

    def guard(**options: Any) -> Any:
        try:
            return read(**options)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            emit("doorbell.junk", error=error)
        except ResponseError as error:
            emit("doorbell.junk", error=error)
            empty()
        return True

    return guard


def _emptied(channel: Any) -> None:
    with channel.conn_or_acquire() as client:
        client.delete(QUEUE)

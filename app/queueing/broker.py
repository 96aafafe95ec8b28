"""The Celery application as a sender sees it: JSON only, no results, no acknowledgements, little patience."""

from __future__ import annotations

import ssl
from typing import Any

from celery import Celery
from kombu import Queue

from app.queueing.celery_queue import QUEUE

_CERT_REQS = {"none": ssl.CERT_NONE, "optional": ssl.CERT_OPTIONAL, "required": ssl.CERT_REQUIRED}


def make_celery(redis_url: str, *, ssl_cert_reqs: str = "required") -> Celery:
    """A Celery application on this broker; connects to nothing yet."""
    app = Celery("ordinaut", broker=redis_url, set_as_current=False)
    tls: dict[str, Any] | None = None
    if redis_url.startswith("rediss://"):
        tls = {"ssl_cert_reqs": _CERT_REQS[ssl_cert_reqs]}
    app.conf.update(
        task_serializer="json",
        accept_content=["json"],
        result_accept_content=["json"],
        task_ignore_result=True,
        # The lease in SQL is the acknowledgement: a doorbell that gets lost costs a second.
        task_queues=[Queue(QUEUE, no_ack=True)],
        task_default_queue=QUEUE,
        task_create_missing_queues=False,
        task_publish_retry=False,
        broker_pool_limit=4,
        broker_connection_timeout=2,
        broker_use_ssl=tls,
        broker_transport_options={
            "socket_timeout": 3,
            "socket_connect_timeout": 2,
            "socket_keepalive": True,
            "health_check_interval": 5,
            "global_keyprefix": "ordinaut:",
        },
        enable_utc=True,
        timezone="UTC",
    )
    return app

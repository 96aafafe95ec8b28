"""The Celery application of worker and beat: one task, and no messages to keep; SQL keeps the books."""

from __future__ import annotations

from celery import Celery

from app.bootstrap.work import WorkerParts
from app.queueing.broker import make_celery
from config.settings import Settings, SettingsError
from workers.runs import Worker


def make_app(settings: Settings) -> Celery:
    """A Celery application for these settings; connects to nothing yet.

    Raises:
        SettingsError: there is no broker to listen to.
    """
    if settings.redis_url is None:
        raise SettingsError("REDIS_URL is not set: worker and beat need a Redis or Valkey to hear of new work.")
    app = make_celery(settings.redis_url, ssl_cert_reqs=settings.redis_ssl_cert_reqs)
    parts = WorkerParts(settings, app)
    app.conf.update(
        ordinaut=parts,
        task_acks_late=False,
        worker_prefetch_multiplier=1,
        worker_disable_prefetch=True,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        worker_enable_remote_control=False,
        worker_send_task_events=False,
        # A blip of Redis must not end work that does not depend on it.
        worker_cancel_long_running_tasks_on_connection_loss=False,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        worker_max_tasks_per_child=10_000,
        worker_concurrency=settings.worker_concurrency,
        beat_scheduler="workers.beat:TickScheduler",
        beat_max_loop_interval=1,
    )
    Worker(app, parts).install()
    return app

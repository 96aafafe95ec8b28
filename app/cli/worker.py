"""`ordinaut worker`: a Celery worker, started through its Python API."""

from __future__ import annotations

import warnings
from typing import Any

import click

from config.settings import load


@click.command()
def worker() -> int:
    """Work on runs until told to stop."""
    from celery import signals
    from celery.exceptions import SecurityWarning

    from config import logging
    from workers.celery_app import make_app

    # It warns root of unpickling strangers' messages; ours are JSON, and containers run as root.
    warnings.simplefilter("ignore", SecurityWarning)
    settings = load()
    asked_to_stop: list[str] = []

    def configure(**_: Any) -> None:
        logging.configure(settings)

    def note(sig: str = "", **_: Any) -> None:
        asked_to_stop.append(sig)

    signals.setup_logging.connect(configure)
    signals.worker_shutting_down.connect(note)
    process = make_app(settings).Worker(
        pool_cls="prefork",
        concurrency=settings.worker_concurrency,
        loglevel=settings.log_level,
        optimization="fair",
        quiet=True,
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
    )
    process.start()
    # Celery calls every soft shutdown a failure; being told to stop and stopping is none.
    return 0 if asked_to_stop else int(process.exitcode or 0)

"""`ordinaut beat`: Celery's beat around a scheduler of ours, so several may run."""

from __future__ import annotations

from typing import Any

import click

from config.settings import load


@click.command()
def beat() -> int:
    """Turn schedules into runs until told to stop."""
    from celery import signals

    from config import logging
    from workers.celery_app import make_app

    settings = load()

    def configure(**_: Any) -> None:
        logging.configure(settings)

    signals.setup_logging.connect(configure)
    make_app(settings).Beat(
        scheduler_cls="workers.beat:TickScheduler",
        loglevel=settings.log_level,
        quiet=True,
        pidfile=None,
        redirect_stdouts=False,
    ).run()
    return 0

"""`ordinaut web`: gunicorn, started through its Python API."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any

import click

from config.settings import load

if TYPE_CHECKING:
    from config.settings import Settings


@click.command()
def web() -> int:
    """Serve the API on HOST:PORT."""
    from config import logging

    settings = load()
    logging.configure(settings)
    _refuse_unreadable_keys(settings)
    _server(settings).run()
    return 0


def _refuse_unreadable_keys(settings: Settings) -> None:
    """Raise SettingsError here, where it becomes a sentence: a worker that cannot start only says that it cannot."""
    if settings.auth == "jwt" and settings.jwt_algorithm != "HS256":
        from app.http.key_ring import KeyRing

        KeyRing.of(settings.jwt_algorithm, settings.jwt_keys or ())


def _server(settings: Settings) -> Any:
    from gunicorn.app.base import BaseApplication

    from config.gunicorn import options

    class Server(BaseApplication):  # type: ignore[misc]
        """Gunicorn with our options; each worker process loads the application for itself."""

        def load_config(self) -> None:
            for name, value in options(settings).items():
                self.cfg.set(name, value)

        def load(self) -> Any:
            # Nearly all that is made here stays to the end: the collector would walk over it again and again, now and
            # later in the middle of requests.
            gc.disable()
            try:
                from app.wsgi import create

                application = create()
            finally:
                gc.enable()
            gc.collect()
            gc.freeze()
            return application

    return Server()

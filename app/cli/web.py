"""`ordinaut web`: gunicorn, started through its Python API."""

from __future__ import annotations

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
    _server(settings).run()
    return 0


def _server(settings: Settings) -> Any:
    from gunicorn.app.base import BaseApplication

    from config.gunicorn import options

    class Server(BaseApplication):  # type: ignore[misc]
        """Gunicorn with our options; each worker process loads the application for itself."""

        def load_config(self) -> None:
            for name, value in options(settings).items():
                self.cfg.set(name, value)

        def load(self) -> Any:
            from app.wsgi import create

            return create()

    return Server()

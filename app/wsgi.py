"""The web process's application: `app.wsgi:create`."""

from flask import Flask

from app.bootstrap.web import build
from app.factory import create_app
from config.settings import load


def create() -> Flask:
    """The application of this process's environment."""
    container = build(load())
    container.services.metrics.start()
    container.watch.start()
    return create_app(container)

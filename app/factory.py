"""The Flask application: a list of steps, each putting one habit of the web in place."""

from __future__ import annotations

from typing import Protocol

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from app.blueprints import docs, health, pipelines, runs, schedules, tasks, tools
from app.http.errors import configure_errors
from app.http.json import OrjsonProvider
from app.http.limits import configure_limits
from app.http.reading import configure_reading
from app.http.request_id import configure_request_id
from app.http.request_log import configure_request_log
from app.http.security import configure_security
from app.http.services import EXTENSION
from app.http.streams import configure_streams
from app.services.catalog import Services

BLUEPRINTS = (tasks.bp, schedules.bp, pipelines.bp, runs.bp, tools.bp, health.bp, docs.bp)


class WebSettings(Protocol):
    """The settings the web process looks at; `config.settings.Settings` has them."""

    @property
    def production(self) -> bool: ...
    @property
    def redis_url(self) -> str | None: ...
    @property
    def redis_ssl_cert_reqs(self) -> str: ...
    @property
    def rate_limit(self) -> str: ...
    @property
    def proxy_hops(self) -> int: ...
    @property
    def max_body_bytes(self) -> int: ...
    @property
    def web_threads(self) -> int: ...


class WebContainer(Protocol):
    """What the factory needs of `app.bootstrap.Container`."""

    @property
    def settings(self) -> WebSettings: ...
    @property
    def services(self) -> Services: ...


def create_app(container: WebContainer) -> Flask:
    """An application over the container's services; steps are in the order requests meet them."""
    settings = container.settings
    app = Flask("ordinaut", static_folder=None, template_folder=None)
    app.extensions[EXTENSION] = container.services
    configure_json(app)
    configure_addresses(app, hops=settings.proxy_hops)
    configure_request_id(app)
    configure_request_log(app)
    configure_security(app)
    configure_errors(app, development=not settings.production)
    configure_limits(
        app,
        limit=settings.rate_limit,
        redis_url=settings.redis_url,
        ssl_cert_reqs=settings.redis_ssl_cert_reqs,
    )
    configure_reading(app, max_body_bytes=settings.max_body_bytes)
    configure_streams(app, threads=settings.web_threads)
    configure_blueprints(app)
    return app


def configure_json(app: Flask) -> None:
    """Write and read JSON with orjson."""
    app.json = OrjsonProvider(app)


def configure_addresses(app: Flask, *, hops: int) -> None:
    """Believe as many proxies as were named, and take addresses as they are written: no redirects."""
    app.url_map.merge_slashes = False
    app.url_map.redirect_defaults = False
    if hops:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)  # type: ignore[method-assign]


def configure_blueprints(app: Flask) -> None:
    """Register every resource."""
    for blueprint in BLUEPRINTS:
        app.register_blueprint(blueprint)

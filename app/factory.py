"""The Flask application: a list of steps, each putting one habit of the web in place."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path
from typing import Protocol

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from app.blueprints import (
    agents,
    approval_links,
    approvals,
    audit,
    auth,
    backfills,
    budgets,
    bulk,
    docs,
    events,
    extension_work,
    extensions,
    grants,
    health,
    hooks,
    incidents,
    mcp,
    oauth,
    pipelines,
    processes,
    reruns,
    runs,
    schedules,
    secrets,
    tasks,
    tools,
    webhooks,
)
from app.domain.scopes import routes_of
from app.extension_host.host import ExtensionHost
from app.http.compression import configure_compression
from app.http.errors import configure_errors
from app.http.extension_hooks import configure_extension_hooks
from app.http.extension_mount import PlatformFlask, configure_mounts
from app.http.hosts import configure_hosts
from app.http.identity import AccessRules, configure_identity
from app.http.json import OrjsonProvider
from app.http.key_ring import KeyRing
from app.http.limits import StrictLimits, configure_limits
from app.http.locale import configure_locale
from app.http.metrics import configure_metrics
from app.http.oauth import RESOURCES, configure_oauth
from app.http.reading import configure_reading
from app.http.request_id import configure_request_id
from app.http.request_log import configure_request_log
from app.http.security import configure_security
from app.http.services import EXTENSION
from app.http.streams import configure_streams
from app.http.tokens import ServiceBearers, configure_tokens
from app.services.catalog import Services
from config.installation_keys import installation_key
from config.lifecycle import stopping

BLUEPRINTS = (
    auth.bp,
    oauth.bp,
    agents.bp,
    audit.bp,
    secrets.bp,
    tasks.bp,
    schedules.bp,
    pipelines.bp,
    runs.bp,
    reruns.bp,
    approvals.bp,
    approval_links.bp,
    grants.bp,
    budgets.bp,
    bulk.bp,
    backfills.bp,
    events.bp,
    hooks.bp,
    incidents.bp,
    mcp.bp,
    processes.bp,
    webhooks.bp,
    tools.bp,
    health.bp,
    docs.bp,
    extensions.bp,
    extension_work.bp,
)


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
    @property
    def locale(self) -> str: ...
    @property
    def home(self) -> Path: ...
    @property
    def auth(self) -> str: ...
    @property
    def jwt_keys(self) -> tuple[str, ...] | None: ...
    @property
    def jwt_algorithm(self) -> str: ...
    @property
    def access_token_seconds(self) -> int: ...
    @property
    def login_rate_limit(self) -> str: ...
    @property
    def mcp_rate_limit(self) -> str: ...
    @property
    def oauth(self) -> bool: ...
    @property
    def require_scopes(self) -> bool: ...
    @property
    def trusted_proxies(self) -> tuple[str, ...]: ...
    @property
    def protected_routes(self) -> tuple[str, ...]: ...
    @property
    def allowed_hosts(self) -> tuple[str, ...]: ...


class WebContainer(Protocol):
    """What the factory needs of `app.bootstrap.web.Container`."""

    @property
    def settings(self) -> WebSettings: ...
    @property
    def services(self) -> Services: ...
    @property
    def extensions(self) -> ExtensionHost: ...


def create_app(container: WebContainer) -> Flask:
    """An application over the container's services; steps are in the order requests meet them."""
    settings = container.settings
    app = PlatformFlask("ordinaut", static_folder=None, template_folder=None)
    app.extensions[EXTENSION] = container.services
    configure_json(app)
    configure_compression(app)
    configure_addresses(app, hops=settings.proxy_hops)
    configure_request_id(app)
    configure_request_log(app)
    configure_locale(app, default=settings.locale)
    configure_metrics(app, container.services.metrics)
    configure_security(app)
    configure_errors(app, development=not settings.production)
    configure_access(app, settings)
    configure_limits(
        app,
        limit=settings.rate_limit,
        strict=StrictLimits(logins=settings.login_rate_limit, named_calls=settings.mcp_rate_limit),
        redis_url=settings.redis_url,
        ssl_cert_reqs=settings.redis_ssl_cert_reqs,
    )
    configure_hosts(app, allowed=settings.allowed_hosts)
    configure_reading(
        app,
        max_body_bytes=settings.max_body_bytes,
        own_names_only=settings.auth == "off" and not settings.production and not settings.proxy_hops,
    )
    configure_streams(app, threads=settings.web_threads)
    configure_blueprints(app)
    configure_extensions(app, container)
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


def configure_access(app: Flask, settings: WebSettings) -> None:
    """Ask who is calling, as `ORDINAUT_AUTH` says."""
    bearers: ServiceBearers | None = None
    if settings.auth == "jwt":
        keys = settings.jwt_keys or (installation_key(settings.home, "jwt"),)
        configure_tokens(app, KeyRing.of(settings.jwt_algorithm, keys), access_seconds=settings.access_token_seconds)
        bearers = ServiceBearers()
    rules = AccessRules(
        bearers=bearers,
        require_scopes=settings.require_scopes,
        trusted=tuple(ip_network(network) for network in settings.trusted_proxies),
        protected=frozenset(settings.protected_routes),
        resources=RESOURCES,
    )
    configure_identity(app, rules)
    needs = (routes_of("mcp_http"),) if settings.require_scopes else ()
    configure_oauth(app, offered=settings.oauth and bearers is not None, needs=needs)


def configure_extensions(app: Flask, container: WebContainer) -> None:
    """Serve extensions, those that are eager from the start."""
    configure_extension_hooks(app, container.services.metrics, container.extensions.said)
    configure_mounts(app, container.extensions, stopping=stopping)
    container.extensions.load_eager()


def configure_blueprints(app: Flask) -> None:
    """Register every resource."""
    for blueprint in BLUEPRINTS:
        app.register_blueprint(blueprint)

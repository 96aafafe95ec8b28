"""Every environment variable Ordinaut reads, in one table; wrong values refuse to start and say the cure.

`SETTINGS` is data: the documentation page and `ordinaut doctor` are made from it. `load` turns an environment
into a frozen `Settings`. Nothing else in the project reads the environment.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import quote, unquote

from config import parsers
from config.access import ACCESS, AUTH, refuse_weak_access
from config.client import CLIENT
from config.extensions import EXTENSIONS
from config.given import text_of, unknown
from config.grants import GRANTS
from config.limits import LIMITS
from config.mcp_servers import MCP_SERVERS, McpServers
from config.parsers import SettingsError, mask_url, scrub
from config.services import SERVICES, ServiceSettings
from config.setting import Setting, Values

__all__ = [
    "SETTINGS",
    "Setting",
    "Settings",
    "SettingsError",
    "environment",
    "export",
    "load",
    "mask_url",
    "scrub",
    "text_of",
]


def _by_environment(development: str, production: str) -> Callable[[Values], str]:
    return lambda values: production if values["env"] == "production" else development


def _on_dyno(elsewhere: str, on_dyno: str) -> Callable[[Values], str]:
    return lambda values: on_dyno if values["dyno"] else elsewhere


def _sqlite_in_home(values: Values) -> str:
    return "sqlite:///" + quote(str(values["home"] / "ordinaut.db"))


SETTINGS: tuple[Setting, ...] = (
    Setting("DYNO", parsers.TEXT, None, "Set by Heroku and its likes: the name of this process there."),
    Setting(
        "ORDINAUT_ENV",
        parsers.choice("development", "production"),
        _on_dyno("development", "production"),
        "What this installation is for; production is stricter and says less to clients.",
        shown_default="development; production where DYNO is set",
    ),
    Setting(
        "ORDINAUT_HOME",
        parsers.FOLDER,
        lambda _: str(Path(__file__).resolve().parent.parent / "var"),
        "The folder of everything that `ordinaut up` keeps.",
        shown_default="./var in the checkout",
    ),
    Setting(
        "DATABASE_URL",
        parsers.DATABASE_URL,
        _sqlite_in_home,
        "The database: sqlite:///path or postgresql://user:password@host/name (postgres:// is understood).",
        secret=True,
        shown_default="sqlite:///<ORDINAUT_HOME>/ordinaut.db",
    ),
    Setting(
        "REDIS_URL",
        parsers.REDIS_URL,
        None,
        "Redis or Valkey: redis://, rediss:// (TLS) or unix://. Unset, `ordinaut up` starts one.",
        secret=True,
    ),
    Setting(
        "HOST",
        parsers.HOST,
        _on_dyno("127.0.0.1", "0.0.0.0"),  # noqa: S104 - a dyno's router reaches it on its outer address only
        "The address the web process listens on.",
        shown_default="127.0.0.1; 0.0.0.0 where DYNO is set",
    ),
    Setting("PORT", parsers.integer(1, 65535), "8080", "The port the web process listens on."),
    Setting("WEB_CONCURRENCY", parsers.integer(1, 64), "1", "Web processes."),
    Setting(
        "ORDINAUT_WEB_THREADS",
        parsers.integer(2, 1024),
        "64",
        "Threads of each web process; streams may hold three quarters of them.",
    ),
    Setting(
        "ORDINAUT_WORKER_CONCURRENCY",
        parsers.integer(1, 256),
        "2",
        "Runs that one worker works on at the same time, each in a process of its own.",
    ),
    AUTH,
    *ACCESS,
    Setting(
        "ORDINAUT_RATE_LIMIT",
        parsers.RATE_LIMIT,
        "600/minute",
        "Requests for each caller, as Flask-Limiter writes them: `600/minute`, `10/second;1000/hour`.",
    ),
    Setting(
        "ORDINAUT_HTTP_ALLOWED_HOSTS",
        parsers.HOSTS,
        "",
        "Private hosts and CIDR networks that the HTTP tool may call, separated by commas.",
    ),
    Setting(
        "ORDINAUT_WEBHOOK_FAILING_DAYS",
        parsers.integer(1, 365),
        "5",
        "How long a receiver of webhooks may fail, at least ten times in a row, until its webhook is switched off.",
    ),
    Setting(
        "ORDINAUT_LEASE_SECONDS",
        parsers.number(0.5, 3600),
        "30",
        "How long a worker may be silent before its runs go to another.",
    ),
    Setting(
        "ORDINAUT_DRAIN_SECONDS",
        parsers.number(0, 3600),
        "20",
        "How long a stopping process may finish what it has begun.",
    ),
    Setting(
        "ORDINAUT_POLL_SECONDS",
        parsers.number(0.01, 60),
        "1",
        "How often beat and idle workers look into the database unasked.",
    ),
    Setting(
        "ORDINAUT_ALLOW_EPHEMERAL",
        parsers.FLAG,
        "0",
        "Allow SQLite where the disk is deleted at each restart (DYNO is set): everything is lost then.",
    ),
    Setting(
        "ORDINAUT_SQLITE_SYNCHRONOUS",
        parsers.choice("NORMAL", "FULL"),
        _by_environment("NORMAL", "FULL"),
        "SQLite's durability: with NORMAL a power cut may lose the last moments, FULL loses nothing.",
        shown_default="NORMAL in development, FULL in production",
    ),
    Setting(
        "ORDINAUT_DB_POOL_SIZE",
        parsers.integer(1, 1000),
        "10",
        "Connections to PostgreSQL that one process keeps; SQLite needs no such number.",
    ),
    Setting(
        "ORDINAUT_REDIS_SSL_CERT_REQS",
        parsers.choice("required", "optional", "none"),
        _on_dyno("required", "none"),
        "Whether a rediss:// server must show a trusted certificate; Heroku's is self-signed.",
        shown_default="required; none where DYNO is set",
    ),
    Setting(
        "ORDINAUT_PROXY_HOPS",
        parsers.integer(0, 10),
        _on_dyno("0", "1"),
        "Trusted proxies in front of the web process; their X-Forwarded-* headers are believed.",
        shown_default="0; 1 where DYNO is set",
    ),
    Setting(
        "LOG_LEVEL",
        parsers.choice("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"),
        "INFO",
        "The least important line that is logged.",
    ),
    Setting(
        "LOG_FORMAT",
        parsers.choice("json", "pretty"),
        _by_environment("pretty", "json"),
        "Log lines for programs (one JSON object each) or for people.",
        shown_default="pretty in development, json in production",
    ),
    Setting(
        "ORDINAUT_MAX_BODY_BYTES",
        parsers.integer(1024, 1 << 30),
        str(1 << 20),
        "The largest request body that is read; larger ones get 413.",
    ),
    Setting(
        "ORDINAUT_RUN_RETENTION_DAYS",
        parsers.integer(1, 36500),
        "30",
        "How long finished runs are kept.",
    ),
    Setting(
        "ORDINAUT_EVENT_RETENTION_DAYS",
        parsers.integer(1, 36500),
        "30",
        "How long published events are kept.",
    ),
    Setting(
        "ORDINAUT_EVENT_STREAM_LENGTH",
        parsers.integer(100, 10_000_000),
        "10000",
        "About how many of the newest events Redis keeps as well, for programs that read its stream.",
    ),
    Setting(
        "ORDINAUT_LOCALE",
        parsers.choice("en", "ro", "ru"),
        "en",
        "The language of answers to clients whose Accept-Language names none of these.",
    ),
    *GRANTS,
    *LIMITS,
    *SERVICES,
    MCP_SERVERS,
    *EXTENSIONS,
    *CLIENT,
)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Settings(ServiceSettings):
    """The settings of one installation, checked. Printing it shows no secrets."""

    dyno: str | None
    env: str
    home: Path
    database_url: str
    redis_url: str | None
    host: str
    port: int
    web_concurrency: int
    web_threads: int
    worker_concurrency: int
    auth: str
    jwt_keys: tuple[str, ...] | None
    jwt_algorithm: str
    access_token_seconds: int
    refresh_token_seconds: int
    login_rate_limit: str
    mcp_rate_limit: str
    oauth: bool
    require_scopes: bool
    trusted_proxies: tuple[str, ...]
    protected_routes: tuple[str, ...]
    secret_keys: tuple[str, ...] | None
    rate_limit: str
    http_allowed_hosts: tuple[str, ...]
    webhook_failing_days: int
    lease_seconds: float
    drain_seconds: float
    poll_seconds: float
    allow_ephemeral: bool
    sqlite_synchronous: str
    db_pool_size: int
    redis_ssl_cert_reqs: str
    proxy_hops: int
    log_level: str
    log_format: str
    max_body_bytes: int
    run_retention_days: int
    event_retention_days: int
    event_stream_length: int
    locale: str
    ext_paths: tuple[str, ...]
    ext_grants: tuple[str, ...]
    ext_entry_grants: tuple[str, ...]
    ext_lease_seconds: float
    ext_handler_seconds: float
    ext_handler_attempts: int
    mcp_servers: McpServers
    url: str | None
    token: str | None
    sources: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Variable -> where its value came from: `default`, `environment` or `file`."""
    warnings: tuple[str, ...] = ()
    """Sentences to log at start: variables that look like ours and are not."""

    @property
    def production(self) -> bool:
        """Whether this installation serves others than its developer."""
        return self.env == "production"

    @property
    def sqlite(self) -> bool:
        """Whether the database is SQLite."""
        return self.database_url.startswith("sqlite")

    @property
    def sqlite_file(self) -> Path | None:
        """The file of a SQLite database."""
        if not self.sqlite:
            return None
        return Path(unquote(self.database_url.removeprefix("sqlite:///").partition("?")[0]))

    def shown(self) -> dict[str, str]:
        """Variable -> its value as text, secrets masked."""
        return {setting.name: _shown(setting, getattr(self, setting.attribute)) for setting in SETTINGS}

    def __repr__(self) -> str:
        """The values with secrets masked."""
        inside = ", ".join(f"{name}={value}" for name, value in self.shown().items())
        return f"Settings({inside})"


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """The settings of an environment (by default the process's own).

    Raises SettingsError: a sentence that names the variable and the cure.
    """
    source = environment() if environ is None else environ
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for setting in SETTINGS:
        text, sources[setting.name] = text_of(setting, source)
        if text is None:
            text = setting.default(values) if callable(setting.default) else setting.default
        values[setting.attribute] = None if text is None else setting.parser.read(setting.name, text)
    settings = Settings(**values, sources=MappingProxyType(sources), warnings=unknown(SETTINGS, source))
    _refuse_open_door(settings)
    refuse_weak_access(settings)
    _refuse_lost_database(settings)
    return settings


def environment() -> dict[str, str]:
    """A copy of the process's environment, for the processes it starts."""
    return dict(os.environ)


def export(name: str, value: str) -> None:
    """Set a variable that a library reads from the process's environment."""
    os.environ[name] = value


def _refuse_open_door(settings: Settings) -> None:
    if settings.sources["ORDINAUT_AUTH"] != "default" or settings.auth != "off":
        return
    cure = "Set ORDINAUT_AUTH=jwt, or ORDINAUT_AUTH=off if everybody who can reach it may do everything."
    if not parsers.is_loopback(settings.host):
        raise SettingsError(f"HOST={settings.host} lets others in and ORDINAUT_AUTH is not set. {cure}")
    if settings.production:
        raise SettingsError(f"In production ORDINAUT_AUTH has to be set on purpose. {cure}")


def _refuse_lost_database(settings: Settings) -> None:
    if settings.dyno and settings.sqlite and not settings.allow_ephemeral:
        raise SettingsError(
            "SQLite cannot be used where DYNO is set: the disk is deleted at each restart. Set DATABASE_URL "
            "to a PostgreSQL database, or ORDINAUT_ALLOW_EPHEMERAL=1 if losing everything is fine."
        )


def _shown(setting: Setting, value: object) -> str:
    if setting.secret and value is not None:
        return mask_url(value) if isinstance(value, str) and "://" in value else "***"
    if value is None or isinstance(value, bool):
        return "" if value is None else str(int(value))
    if isinstance(value, tuple):
        return ",".join(value)
    return f"{value:g}" if isinstance(value, float) else str(value)

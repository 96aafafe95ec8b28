"""`ordinaut doctor`: every setting with its source, and whether the servers they name answer."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass

import click

from app.cli.exits import UNREACHABLE
from config.settings import SETTINGS, Settings, load, scrub

TIMEOUT_SECONDS = 3


@dataclass(frozen=True, slots=True)
class Check:
    """One question put to one server."""

    name: str
    ok: bool
    detail: str
    latency_ms: float


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def doctor(as_json: bool) -> int:
    """Show the settings (secrets masked) and try the database and Redis; exit 7 when one does not answer."""
    settings = load()
    checks = [_timed("database", lambda: _database(settings)), _timed("redis", lambda: _redis(settings))]
    click.echo(_as_json(settings, checks) if as_json else _as_text(settings, checks))
    return 0 if all(check.ok for check in checks) else UNREACHABLE


def _timed(name: str, ask: Callable[[], str]) -> Check:
    started = time.perf_counter()
    try:
        ok, detail = True, ask()
    except (OSError, sqlite3.Error, RuntimeError) as error:
        ok, detail = False, scrub(" ".join(str(error).split()))
    return Check(name, ok, detail, round((time.perf_counter() - started) * 1000, 1))


def _database(settings: Settings) -> str:
    if settings.sqlite_file:
        if not settings.sqlite_file.exists():
            return "SQLite; the file will be made by `ordinaut db upgrade`"
        with closing(sqlite3.connect(settings.sqlite_file, timeout=TIMEOUT_SECONDS)) as connection:
            return f"SQLite {connection.execute('SELECT sqlite_version()').fetchone()[0]}"
    import psycopg

    url = settings.database_url.replace("+psycopg", "", 1)
    try:
        with psycopg.connect(url, connect_timeout=TIMEOUT_SECONDS) as connection:
            return f"PostgreSQL {connection.info.parameter_status('server_version')}"
    except psycopg.Error as error:
        raise RuntimeError(str(error)) from error


def _redis(settings: Settings) -> str:
    if settings.redis_url is None:
        return "REDIS_URL is not set; `ordinaut up` starts an embedded Valkey"
    import redis

    secure = {"ssl_cert_reqs": settings.redis_ssl_cert_reqs} if settings.redis_url.startswith("rediss") else {}
    try:
        with redis.Redis.from_url(
            settings.redis_url,
            socket_timeout=TIMEOUT_SECONDS,
            socket_connect_timeout=TIMEOUT_SECONDS,
            **secure,
        ) as client:
            return _about_redis(client.info())
    except redis.RedisError as error:
        raise RuntimeError(str(error)) from error


def _about_redis(info: dict[str, object]) -> str:
    policy = str(info.get("maxmemory_policy", "noeviction"))
    version = info.get("valkey_version") or info.get("redis_version")
    warning = f"; set maxmemory-policy noeviction, {policy} loses messages" if policy.startswith("allkeys") else ""
    return f"{info.get('server_name', 'redis')} {version}{warning}"


def _as_json(settings: Settings, checks: list[Check]) -> str:
    shown = settings.shown()
    table = [
        {"name": setting.name, "value": shown[setting.name], "source": settings.sources[setting.name]}
        for setting in SETTINGS
    ]
    answer = {"settings": table, "checks": [asdict(check) for check in checks], "warnings": settings.warnings}
    return json.dumps(answer, ensure_ascii=False, indent=2)


def _as_text(settings: Settings, checks: list[Check]) -> str:
    width = max(len(setting.name) for setting in SETTINGS)
    shown = settings.shown()
    lines = [f"{s.name:{width}}  {shown[s.name]}  ({settings.sources[s.name]})" for s in SETTINGS]
    lines += [""] + [f"{'ok ' if check.ok else 'BAD'}  {check.name}: {check.detail}" for check in checks]
    lines += [f"note  {sentence}" for sentence in settings.warnings]
    return "\n".join(lines)

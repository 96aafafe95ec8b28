"""The servers that the other tests rely on do what they say."""

from __future__ import annotations

import psycopg
import redis

from tests.servers import PostgresServer, ValkeyServer, wait_for


def test_valkey_freezes_and_comes_back_on_its_port(valkey: ValkeyServer) -> None:
    url = valkey.url
    valkey.pause()
    assert not valkey.answers()
    valkey.resume()
    wait_for(valkey.answers)
    valkey.restart()
    assert valkey.url == url and valkey.answers()


def test_valkey_starts_each_test_empty(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        assert client.dbsize() == 0


def test_postgresql_keeps_what_was_committed_when_killed(postgres: PostgresServer) -> None:
    name = postgres.create()
    url = postgres.url(name).replace("+psycopg", "")
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE kept (n integer)")
    postgres.kill()
    postgres.restart()
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT count(*) FROM kept").fetchone() == (0,)
    postgres.drop(name)


def test_every_test_gets_a_migrated_database_of_its_own(sqlite_url: str, postgres_url: str) -> None:
    url = postgres_url.replace("+psycopg", "")
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT count(*) FROM alembic_version").fetchone() == (1,)
    assert sqlite_url.startswith("sqlite:////")

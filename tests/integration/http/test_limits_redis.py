"""Rate limits in Redis, and what becomes of them without it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from flask.testing import FlaskClient

from tests.fakes.http_app import FakeSettings, World, make_app
from tests.servers import ValkeyServer


@pytest.fixture
def own_valkey(tmp_path: Path) -> Iterator[ValkeyServer]:
    """A Valkey this test may maltreat."""
    server = ValkeyServer(tmp_path / "valkey").start()
    yield server
    server.kill()


def process(url: str, limit: str = "3/minute") -> FlaskClient:
    """A web process that counts there."""
    return make_app(World(settings=FakeSettings(rate_limit=limit, redis_url=url))).test_client()


def statuses(client: FlaskClient, count: int) -> list[int]:
    return [client.get("/runs").status_code for _ in range(count)]


def test_processes_share_their_counts(redis_url: str) -> None:
    assert statuses(process(redis_url), 2) == [200, 200]
    assert statuses(process(redis_url), 2) == [200, 429]


def test_counts_headers_and_the_body_agree(redis_url: str) -> None:
    client = process(redis_url)
    first, second = client.get("/runs"), client.get("/runs")
    assert [answer.headers["X-RateLimit-Remaining"] for answer in (first, second)] == ["2", "1"]
    reset = int(first.headers["X-RateLimit-Reset"])
    assert 55 <= reset - time.time() <= 62
    client.get("/runs")
    refused = client.get("/runs")
    assert (refused.status_code, refused.headers["X-RateLimit-Remaining"]) == (429, "0")
    assert refused.get_json()["details"]["window"] == "60s"


def test_a_request_costs_one_round_trip(redis_url: str) -> None:
    client = process(redis_url, "1000/minute")
    client.get("/runs")
    with redis.Redis.from_url(redis_url) as server:
        server.config_resetstat()
        statuses(client, 5)
        counts = {name: facts["calls"] for name, facts in server.info("commandstats").items()}
    asked = {name.removeprefix("cmdstat_"): calls for name, calls in counts.items()}
    assert asked["evalsha"] == 5
    assert not asked.keys() & {"get", "ttl", "eval", "exists"}


def test_keys_have_a_prefix_and_an_end(redis_url: str) -> None:
    process(redis_url).get("/runs")
    with redis.Redis.from_url(redis_url, decode_responses=True) as server:
        (key,) = server.keys("*")
        assert key.startswith("ordinaut:limits:")
        assert 0 < server.ttl(key) <= 60


def test_without_redis_the_limit_is_kept_in_memory(own_valkey: ValkeyServer) -> None:
    client = process(own_valkey.url)
    assert statuses(client, 1) == [200]
    own_valkey.kill()
    assert statuses(client, 4) == [200, 200, 200, 429]


def test_a_process_starts_without_redis(own_valkey: ValkeyServer) -> None:
    own_valkey.kill()
    answer = process(own_valkey.url).get("/runs")
    assert answer.status_code == 200
    assert answer.headers["X-RateLimit-Remaining"] == "2"


def test_a_frozen_redis_costs_a_third_of_a_second_once(own_valkey: ValkeyServer) -> None:
    client = process(own_valkey.url)
    client.get("/runs")
    own_valkey.pause()
    try:
        begun = time.monotonic()
        assert statuses(client, 3) == [200, 200, 200]
        assert time.monotonic() - begun < 1.5
    finally:
        own_valkey.resume()


def test_a_redis_that_returns_counts_again(own_valkey: ValkeyServer) -> None:
    client = process(own_valkey.url, "1000/minute")
    own_valkey.kill()
    client.get("/runs")
    own_valkey.start()
    deadline = time.monotonic() + 15
    with redis.Redis.from_url(own_valkey.url) as server:
        while not server.keys("ordinaut:limits:*") and time.monotonic() < deadline:
            client.get("/runs")
        assert server.keys("ordinaut:limits:*")


def logging_in(url: str) -> FlaskClient:
    """A web process that takes tokens, and two logins a minute."""
    settings = FakeSettings(
        rate_limit="1000/minute",
        redis_url=url,
        auth="jwt",
        jwt_keys=("0f5c1d9a7b3e48d2a6c4f8e1b2d3c4a5f6e7d8c9b0a1f2e3",),
        login_rate_limit="2/minute",
    )
    return make_app(World(settings=settings)).test_client()


def logins(client: FlaskClient, count: int, peer: str = "192.0.2.1") -> list[int]:
    """A refresh token that cannot be read is an attempt to log in as well."""
    return [
        client.post(
            "/agents/auth/refresh", json={"refresh_token": "x"}, environ_overrides={"REMOTE_ADDR": peer}
        ).status_code
        for _ in range(count)
    ]


def test_processes_share_the_count_of_logins(redis_url: str) -> None:
    assert logins(logging_in(redis_url), 1) == [401]
    assert logins(logging_in(redis_url), 2) == [401, 429]
    assert logins(logging_in(redis_url), 1, peer="192.0.2.2") == [401]


def test_logins_stay_limited_while_redis_is_away(own_valkey: ValkeyServer) -> None:
    client = logging_in(own_valkey.url)
    assert logins(client, 1) == [401]
    own_valkey.kill()
    assert logins(client, 4)[-2:] == [429, 429]

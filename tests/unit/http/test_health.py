"""Health: what it says, and how long it takes to say it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient

from app.services.health import Check
from tests.fakes.http_app import World, make_app


def well() -> None:
    """A check that finds nothing."""


def ill() -> str:
    return "It is ill"


def broken() -> None:
    raise ConnectionError("redis://user:canary@host")


def client_of(required: dict[str, Check], optional: dict[str, Check] | None = None) -> FlaskClient:
    """A client of an application with these checks."""
    return make_app(World(required=required, optional=optional or {})).test_client()


@pytest.mark.parametrize(
    ("database", "redis", "status", "word"),
    [
        (well, well, 200, "healthy"),
        # workers poll the database while Redis is away
        (well, ill, 200, "degraded"),
        (well, broken, 200, "degraded"),
        # nothing works without the database
        (ill, well, 503, "unhealthy"),
        (broken, broken, 503, "unhealthy"),
    ],
)
def test_health_follows_what_is_needed(database: Check, redis: Check, status: int, word: str) -> None:
    answer = client_of({"database": database}, {"redis": redis}).get("/health")
    assert (answer.status_code, answer.get_json()["status"]) == (status, word)
    assert answer.headers["Cache-Control"] == "no-store"


def test_the_body_has_a_moment_a_version_and_every_check() -> None:
    body = client_of({"database": well}, {"redis": ill}).get("/health").get_json()
    assert (body["timestamp"], body["version"]) == ("2026-11-24T12:00:00Z", "9.9.9")
    assert body["checks"]["database"]["status"] == "healthy"
    assert body["checks"]["database"]["latency_ms"] >= 0
    assert body["checks"]["redis"]["message"] == "It is ill"


def test_exceptions_are_not_shown() -> None:
    assert "canary" not in client_of({"database": broken}).get("/health").text


@pytest.mark.parametrize(("database", "status"), [(well, 200), (ill, 503), (broken, 503)])
def test_readiness_asks_only_what_is_needed(database: Check, status: int) -> None:
    answer = client_of({"database": database}, {"redis": broken}).get("/health/ready")
    assert (answer.status_code, answer.get_json()["checks"].keys()) == (status, {"database"})


def test_liveness_asks_nobody() -> None:
    answer = client_of({"database": broken}).get("/health/live")
    assert (answer.status_code, answer.get_json()["status"]) == (200, "healthy")


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """Opened at the end, so that no check hangs on."""
    event = threading.Event()
    yield event
    event.set()


def test_a_check_that_hangs_costs_a_second_and_one_thread(gate: threading.Event) -> None:
    calls = []

    def hangs() -> None:
        calls.append(1)
        gate.wait(30)

    client = client_of({"database": hangs})
    begun = time.monotonic()
    assert client.get("/health/ready").status_code == 503
    answer = client.get("/health")
    assert time.monotonic() - begun < 4
    assert answer.get_json()["checks"]["database"] == {
        "status": "unhealthy",
        "latency_ms": None,
        "message": "It did not answer within 1 s",
    }
    assert len(calls) == 1

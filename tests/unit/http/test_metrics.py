"""What a request leaves in the metrics: its route and its status, never what its sender made up."""

from __future__ import annotations

import random
from typing import Any

import pytest
from flask import Flask, Response

from app.domain.metrics import UNMATCHED
from app.http.metrics import configure_metrics
from app.services.metrics import MetricsService
from tests.fakes.http_app import make_app
from tests.fakes.metrics import MemoryMetrics, metrics_of


@pytest.fixture
def store() -> MemoryMetrics:
    return MemoryMetrics()


@pytest.fixture
def metrics(store: MemoryMetrics) -> MetricsService:
    return metrics_of(store)


@pytest.fixture
def client(metrics: MetricsService) -> Any:
    app = Flask("metered")
    configure_metrics(app, metrics)
    app.add_url_rule("/tasks/<task_id>", "task", lambda task_id: task_id)
    app.add_url_rule("/stream", "stream", lambda: Response(iter(["data: 1\n\n"]), mimetype="text/event-stream"))
    app.add_url_rule("/fail", "fail", lambda: str(1 / 0))
    app.add_url_rule("/ext/<extension_id>/<path:path>", "absent", lambda **_: ("", 404))
    return app.test_client()


def sums(metrics: MetricsService, store: MemoryMetrics, name: str) -> dict[tuple[str, ...], float]:
    metrics.flush()
    return {
        tuple(value for _, value in labels): value for (found, labels), value in store.sums.items() if found == name
    }


def test_requests_are_counted_by_method_and_route(client: Any, metrics: MetricsService, store: MemoryMetrics) -> None:
    for path in ("/tasks/1", "/tasks/2", "/nowhere", "/ext/none/page"):
        client.get(path)
    client.post("/tasks/1")
    assert sums(metrics, store, "http_requests_total") == {
        ("GET", "/tasks/<task_id>"): 2,
        # An unknown address, and one of an extension that is not there.
        ("GET", UNMATCHED): 2,
        # The address is known, the method is not: no route has been met.
        ("POST", UNMATCHED): 1,
    }
    # What strangers invent says nothing about how the platform does.
    assert sums(metrics, store, "ordinaut_http_request_total") == {("GET", "200"): 2}


def test_failures_are_counted_as_the_client_sees_them(
    client: Any, metrics: MetricsService, store: MemoryMetrics
) -> None:
    assert client.get("/fail").status_code == 500
    assert sums(metrics, store, "ordinaut_http_request_total") == {("GET", "500"): 1}
    assert sums(metrics, store, "http_requests_total") == {("GET", "/fail"): 1}


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        # Server-sent events.
        ("/stream", {}),
        # A WebSocket's handshake.
        ("/tasks/1", {"Upgrade": "WebSocket"}),
    ],
)
def test_streams_are_counted_and_not_timed(
    client: Any, metrics: MetricsService, store: MemoryMetrics, path: str, headers: dict[str, str]
) -> None:
    client.get(path, headers=headers)
    assert sum(sums(metrics, store, "http_requests_total").values()) == 1
    assert not sums(metrics, store, "ordinaut_http_request_duration_seconds_sum")


def test_made_up_methods_share_one_series_and_have_no_duration(
    client: Any, metrics: MetricsService, store: MemoryMetrics
) -> None:
    for number in range(20):
        client.open("/tasks/1", method=f"BREW{number}")
    assert sums(metrics, store, "http_requests_total") == {("(other)", UNMATCHED): 20}
    assert not sums(metrics, store, "ordinaut_http_request_total")


def test_ten_thousand_random_addresses_make_one_series() -> None:
    app = make_app()
    metrics: MetricsService = app.extensions["ordinaut"].metrics
    client, chance = app.test_client(), random.Random(7)
    before = _series(metrics)
    for _ in range(10_000):
        client.get(f"/{chance.randbytes(8).hex()}/{chance.randbytes(4).hex()}?{chance.randbytes(4).hex()}")
    assert len(_series(metrics) - before) <= 1


def _series(metrics: MetricsService) -> set[str]:
    lines = metrics.exposition().splitlines()
    return {line.rpartition(" ")[0] for line in lines if line and not line.startswith("#")}

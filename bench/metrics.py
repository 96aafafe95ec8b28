"""What counting costs: a request with metrics and without, a settled run, and storing and scraping thousands of series.

The two applications are one and the same but for the step that counts; they answer in turns, straight through WSGI in
one thread, so the difference is that step alone.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from unittest.mock import patch

import structlog
from flask import Flask
from werkzeug.test import EnvironBuilder

from app import factory
from app.domain.execution import Claimed, Settlement
from app.services.metrics import MetricsService, Process
from app.telemetry import emit
from bench.stage import Stage, arguments, median, stage, table
from tests.fakes.http_app import make_app
from tests.fakes.metrics import MemoryMetrics, metrics_of

ROUNDS = 15
REQUESTS = 1_000
RUNS = 20_000
ROUTES = 60


def _requests(app: Flask) -> float:
    """Microseconds of CPU a request of `GET /health/live`."""
    environs = [EnvironBuilder("/health/live").get_environ() for _ in range(REQUESTS)]
    began = time.process_time()
    for environ in environs:
        for _ in app.wsgi_app(environ, lambda *_: lambda _: None):
            pass
    return (time.process_time() - began) / REQUESTS * 1e6


def _without() -> Flask:
    with patch.object(factory, "configure_metrics", lambda *_: None):
        return make_app()


def _request_row() -> tuple[object, ...]:
    sides = {"with": make_app(), "without": _without()}
    seen: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(ROUNDS):
        for name, app in sides.items():
            seen[name].append(_requests(app))
    counted, plain = median(seen["with"]), median(seen["without"])
    return "a request", "-", "us of CPU", counted, plain, counted - plain


def _run_row() -> tuple[object, ...]:
    """A settled run, told to a listener that counts and to nobody."""
    run = Claimed("r", "t", "d", "schedule", None, 0, 5, 1, 1, 1, 0, 0, None, None)
    settlement = Settlement(run=run, status="succeeded", active_us=900, lines=[(5_000, "state", {})])
    metrics = metrics_of(MemoryMetrics(), "pool")

    def tell() -> float:
        began = time.process_time()
        for _ in range(RUNS):
            emit("run.settled", settlement=settlement, owner="w")
        return (time.process_time() - began) / RUNS * 1e6

    plain = median([tell() for _ in range(ROUNDS)])
    metrics.listen()
    counted = median([tell() for _ in range(ROUNDS)])
    metrics.hush()
    return "a settled run", "-", "us of CPU", counted, plain, counted - plain


def _timed(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    act()
    return (time.perf_counter() - began) * 1e3


def _store_rows(scene: Stage, database: str) -> list[tuple[object, ...]]:
    """Flushes and scrapes of a process that has met many routes, each with some statuses."""
    metrics = MetricsService(units=scene.units, of=Process(role="web", version="bench"))

    def work(routes: int) -> None:
        for route in range(routes):
            for status in (200, 404, 500):
                metrics.record_request("GET", f"/route/{route}")
                metrics.record_extension_request("bench", f"/route/{route}", "GET", status, 0.001 * route)

    work(ROUTES)
    first = _timed(metrics.flush)
    flushes, scrapes = [], []
    for _ in range(ROUNDS):
        work(10)
        flushes.append(_timed(metrics.flush))
        work(10)
        scrapes.append(_timed(metrics.exposition))
    lines = metrics.exposition().count("\n")
    return [
        (f"first flush, {ROUTES} routes", database, "ms", first, "", ""),
        ("flush, 10 routes", database, "ms", median(flushes), "", ""),
        (f"scrape, {lines} lines", database, "ms", median(scrapes), "", ""),
    ]


def main() -> None:
    """Print the table."""
    asked = arguments(__doc__)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    rows = [_request_row(), _run_row()]
    for database in asked.database:
        with stage(database) as scene:
            rows += _store_rows(scene, database)
    table(["what", "database", "unit", "with metrics", "without", "costs"], rows)


if __name__ == "__main__":
    main()

"""Metrics of real processes: two web processes, a worker and beat, stopped and started again."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from app.domain.metrics import FAMILIES
from tests.faults.stack import PATIENCE, Stack
from tests.servers import wait_for

EXTENSION = """
from flask import Blueprint
from ordinaut import Capability, Extension, ExtensionInfo


class Asked(Extension):
    def info(self):
        return ExtensionInfo(id="asked", name="Asked", version="1.0.0")

    def requested_capabilities(self):
        return {Capability.ROUTES}

    def setup(self, context):
        bp = Blueprint("asked", __name__)
        bp.add_url_rule("/thing/<name>", "thing", lambda name: name)
        bp.add_url_rule("/fail", "fail", lambda: {}["nothing"])
        return bp


def get_extension():
    return Asked()
"""
FINE = [{"id": "a", "uses": "data.set", "with": {"value": 1}}]
BROKEN = [{"id": "a", "uses": "data.transform", "with": {"data": {}, "expression": "abs('x')"}}]


@pytest.fixture
def stack(database_url: str, redis_url: str, tmp_path: Path) -> Iterator[Stack]:
    """Everything but the worker and beat."""
    folder = tmp_path / "extensions" / "asked"
    folder.mkdir(parents=True)
    (folder / "extension.py").write_text(EXTENSION)
    manifest = {"id": "asked", "name": "Asked", "version": "1.0.0", "grants": ["ROUTES"]}
    (folder / "extension.json").write_text(json.dumps(manifest))
    stack = Stack(
        tmp_path / "home",
        database_url=database_url,
        redis_url=redis_url,
        WEB_CONCURRENCY="2",
        ORDINAUT_EXT_PATHS=str(folder.parent),
    )
    try:
        yield stack.start("web").ready()
    finally:
        stack.stop()


def ask(stack: Stack, path: str, times: int) -> None:
    """Requests over connections of their own, which both web processes take."""
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: stack.request("GET", path), range(times)))


def samples(stack: Stack) -> dict[tuple[str, ...], float]:
    """(name, value of each label in order) -> value, as a scrape finds them."""
    answer = stack.request("GET", "/ext/observability/metrics")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def stop(stack: Stack, name: str) -> None:
    stack.kill(name, signal.SIGTERM)
    assert stack.programs[name].wait(PATIENCE) == 0


def test_a_thousand_requests_through_two_processes_and_a_restart_are_all_there(stack: Stack) -> None:
    ask(stack, "/ext/asked/thing/a", 490)
    ask(stack, "/ext/asked/fail", 10)
    stop(stack, "web")
    stack.start("web").ready()
    ask(stack, "/ext/asked/thing/b", 500)

    def totals() -> dict[str, float]:
        told: dict[str, float] = stack.get("/ext/status")["extensions"]["asked"]["metrics"]
        return told

    wait_for(lambda: totals()["requests_total"] >= 1000, seconds=PATIENCE, what="both processes to have stored")
    shown = samples(stack)
    thing, fail = "/ext/asked/thing/<name>", "/ext/asked/fail"
    assert shown["extension_requests_total", "asked", thing, "GET", "200"] == 990
    assert shown["extension_requests_total", "asked", fail, "GET", "500"] == 10
    assert shown["extension_errors_total", "asked", fail, "KeyError"] == 10
    assert shown["extension_request_duration_seconds_count", "asked", thing, "GET"] == 990
    assert shown["http_requests_total", "GET", thing] == 990
    wait_for(lambda: samples(stack)["ordinaut_processes", "web"] == 2, what="the slower process to report")
    seconds = sum(shown["extension_request_duration_seconds_sum", "asked", rule, "GET"] for rule in (thing, fail))
    told = totals()
    assert (told["requests_total"], told["errors_total"]) == (1000, 10)
    assert told["latency_ms_sum"] == pytest.approx(seconds * 1000, abs=0.01)


def test_runs_workers_and_beat_are_told_of(stack: Stack) -> None:
    stack.start("worker", "beat").ready()
    fine, broken = stack.task(FINE), stack.task(BROKEN)
    runs = [stack.run_now(fine), stack.run_now(fine), stack.run_now(broken)]
    every_second = stack.task(FINE, schedule_kind="cron", schedule_expr="* * * * * *")
    assert [stack.ended(run)["status"] for run in runs] == ["succeeded", "succeeded", "failed"]
    wait_for(lambda: samples(stack).get(("ordinaut_workers",)) == 1, what="the worker to report")
    wait_for(lambda: samples(stack).get(("ordinaut_processes", "pool")) == 2, what="its pool to report")
    wait_for(lambda: ("ordinaut_schedule_lag_seconds_count",) in samples(stack), seconds=PATIENCE, what="the schedule")
    stack.request("POST", f"/tasks/{every_second}/pause")

    def told() -> bool:
        return samples(stack)["task_executions_total", "success"] >= 3

    wait_for(told, seconds=PATIENCE, what="the worker to have stored")
    shown = samples(stack)
    assert shown["task_executions_total", "failed"] == 1
    assert shown["ordinaut_run_duration_seconds_count", "failed"] == 1
    assert shown["ordinaut_queue_wait_seconds_count",] >= 4
    assert 0 <= time.time() - shown["ordinaut_beat_last_tick_timestamp_seconds",] < 60
    assert shown["ordinaut_redis_up",] == shown["ordinaut_database_up",] == 1
    assert shown["ordinaut_queue_depth",] == 0
    stop(stack, "worker")
    stop(stack, "beat")
    shown = samples(stack)
    assert shown["ordinaut_workers",] == 0
    assert ("ordinaut_processes", "pool") not in shown and ("ordinaut_processes", "beat") not in shown
    assert ("ordinaut_beat_last_tick_timestamp_seconds",) in shown


def test_open_streams_are_counted_while_they_are_open_and_never_timed(stack: Stack) -> None:
    rule = "/ext/events_demo/subscribe/<stream>"

    def open_streams() -> float | None:
        return samples(stack).get(("extension_active_connections", "events_demo", rule))

    with closing(stack.request("GET", "/ext/events_demo/subscribe/shop", stream=True)) as stream:
        assert stream.status_code == 200
        wait_for(lambda: open_streams() == 1, seconds=PATIENCE, what="the stream to be counted")
        next(stream.iter_content(16))
    wait_for(lambda: open_streams() == 0, seconds=PATIENCE, what="its end to be counted")
    shown = samples(stack)
    assert shown["extension_requests_total", "events_demo", rule, "GET", "200"] == 1
    assert not [key for key in shown if key[0].endswith("duration_seconds_count") and rule in key]


def test_the_first_scrape_names_every_family(stack: Stack) -> None:
    text = stack.request("GET", "/ext/observability/metrics").text
    for family in FAMILIES:
        assert f"\n# TYPE {family.name} {family.kind}\n" in text

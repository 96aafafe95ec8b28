"""Several processes over one store: what each counts is added up, once, whatever happens to them or to the store."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from app.domain.execution import Claimed, Settlement
from app.domain.metrics import FAMILIES
from app.domain.tasks import OccurrenceRecord
from app.services import bookkeeper
from app.services.extension_meters import ExtensionTotals
from app.services.metrics import MetricsService
from app.telemetry import emit
from tests.fakes.metrics import MemoryMetrics, metrics_of
from tests.servers import wait_for

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)


def shown(service: MetricsService) -> dict[str, float]:
    """Sample -> value of what the service shows; labels in braces, without their names."""
    return {
        sample.name + "".join(f"[{value}]" for value in sample.labels.values()): sample.value
        for family in text_string_to_metric_families(service.exposition())
        for sample in family.samples
    }


@pytest.fixture
def store() -> MemoryMetrics:
    return MemoryMetrics()


@pytest.fixture
def started(store: MemoryMetrics) -> Iterator[MetricsService]:
    service = metrics_of(store, "pool")
    service.start()
    yield service
    service.stop()


def test_what_two_processes_count_is_shown_as_one_by_both(store: MemoryMetrics) -> None:
    one, other = metrics_of(store), metrics_of(store)
    for service, count in ((one, 3), (other, 4)):
        for _ in range(count):
            service.record_request("GET", "/tasks")
    other.flush()
    assert shown(one)["http_requests_total[GET][/tasks]"] == 7
    assert shown(other)["http_requests_total[GET][/tasks]"] == 7


def test_a_count_is_stored_once_however_often_it_is_flushed(store: MemoryMetrics) -> None:
    service = metrics_of(store)
    service.record_request("GET", "/tasks")
    for _ in range(3):
        service.flush()
    assert shown(service)["http_requests_total[GET][/tasks]"] == 1


def test_nothing_is_written_while_nothing_happens(store: MemoryMetrics) -> None:
    service = metrics_of(store)
    service.flush()
    before = store.writes
    service.flush()
    assert store.writes == before


def test_what_a_process_counted_outlives_it(store: MemoryMetrics) -> None:
    first = metrics_of(store)
    first.record_request("GET", "/tasks")
    first.stop()
    assert shown(metrics_of(store))["http_requests_total[GET][/tasks]"] == 1


def test_counts_wait_for_a_database_that_is_away(store: MemoryMetrics) -> None:
    service = metrics_of(store)
    store.away = True
    service.record_request("GET", "/tasks")
    away = shown(service)
    assert away["ordinaut_database_up"] == 0
    assert not [name for name in away if name.startswith("http_requests")]
    store.away = False
    back = shown(service)
    assert back["ordinaut_database_up"] == 1
    assert back["http_requests_total[GET][/tasks]"] == 1


def test_a_database_that_is_away_is_left_alone_for_a_while(
    store: MemoryMetrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = metrics_of(store)
    store.away = True
    service.look()
    store.away = False
    service.look()
    untouched = store.writes
    monkeypatch.setattr(bookkeeper, "AWAY_SECONDS", 0.0)
    store.away = True
    patient = metrics_of(store)
    patient.look()
    store.away = False
    patient.look()
    assert (untouched, store.writes) == (0, 1)


def test_methods_nobody_has_heard_of_share_one_name(store: MemoryMetrics) -> None:
    service = metrics_of(store)
    for number in range(5):
        service.record_request(f"BREW{number}", "/tasks")
        service.record_extension_request("pot", "/ext/pot/", f"BREW{number}", 405, 0.001)
    values = shown(service)
    assert values["http_requests_total[(other)][/tasks]"] == 5
    assert values["extension_requests_total[pot][/ext/pot/][(other)][405]"] == 5


def test_an_extension_that_invents_errors_makes_no_endless_series(store: MemoryMetrics) -> None:
    service = metrics_of(store)
    for number in range(1000):
        service.extension_error("odd", "/ext/odd/", f"Error{number}{'x' * 500}")
    values = [value for name, value in shown(service).items() if name.startswith("extension_errors_total")]
    assert len(values) == 51 and sum(values) == 1000


def test_extensions_have_totals_over_all_processes(store: MemoryMetrics) -> None:
    one, other = metrics_of(store), metrics_of(store)
    one.record_extension_request("webui", "/ext/webui/", "GET", 200, 0.25)
    other.record_extension_request("webui", "/ext/webui/api/tasks", "GET", 500, 0.5)
    other.record_extension_request("webui", "/ext/webui/live", "GET", 200, None)
    other.extension_error("webui", "/ext/webui/api/tasks", "KeyError")
    other.flush()
    expected = {"webui": ExtensionTotals(requests_total=3.0, errors_total=1.0, latency_ms_sum=750.0)}
    assert one.extension_totals() == expected
    store.away = True
    assert one.extension_totals() == expected


def test_open_connections_are_added_up_over_the_processes_that_live(store: MemoryMetrics) -> None:
    one, other = metrics_of(store), metrics_of(store)
    for service in (one, other, other):
        service.connection_opened("demo", "/ext/demo/live")
    one.flush()
    other.flush()
    name = "extension_active_connections[demo][/ext/demo/live]"
    assert shown(one)[name] == 3
    other.connection_closed("demo", "/ext/demo/live")
    other.flush()
    assert shown(one)[name] == 2
    other.stop()
    assert shown(one)[name] == 1


def test_workers_that_live_are_counted_and_the_last_tick_outlives_beat(store: MemoryMetrics) -> None:
    web, worker, beat = metrics_of(store), metrics_of(store, "worker", "node 1"), metrics_of(store, "beat")
    assert shown(web)["ordinaut_workers"] == 0
    worker.look()
    beat.ticked(1_700_000_000.5)
    beat.look()
    values = shown(web)
    assert values["ordinaut_workers"] == values["ordinaut_processes[beat]"] == 1
    worker.stop()
    beat.stop()
    values = shown(web)
    assert values["ordinaut_workers"] == 0
    assert "ordinaut_processes[beat]" not in values
    assert values["ordinaut_beat_last_tick_timestamp_seconds"] == 1_700_000_000.5


def test_a_worker_is_alive_as_long_as_any_of_its_processes_says_so(store: MemoryMetrics) -> None:
    # Its main process is silent while it waits for Redis; the pool goes on by itself.
    main = metrics_of(store, "worker", "node 1")
    for service in (main, metrics_of(store, "pool", "node 1"), metrics_of(store, "pool", "node 2")):
        service.look()
    assert shown(metrics_of(store))["ordinaut_workers"] == 2
    main.stop()
    assert shown(metrics_of(store))["ordinaut_workers"] == 2


def test_the_cpu_time_of_a_short_life_is_stored_when_it_ends(store: MemoryMetrics) -> None:
    service = metrics_of(store, "extension")
    service.look()
    series = ("ordinaut_process_cpu_seconds_total", (("role", "extension"),))
    before, end = store.sums[series], time.process_time() + 0.05
    while time.process_time() < end:
        pass
    service.stop()
    assert store.sums[series] > before


def test_a_process_that_stopped_talking_is_believed_no_more(
    store: MemoryMetrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bookkeeper, "LIFE_SECONDS", 0.0)
    worker = metrics_of(store, "worker", "node 1")
    worker.look()
    assert shown(metrics_of(store))["ordinaut_workers"] == 0


def test_resources_are_shown_by_role(store: MemoryMetrics) -> None:
    values = shown(metrics_of(store, "pool"))
    assert values["ordinaut_process_resident_memory_bytes[pool]"] > 1_000_000
    assert values["ordinaut_process_open_fds[pool]"] > 0
    assert values["ordinaut_process_cpu_seconds_total[pool]"] > 0


def settlement(status: Any, **fields: Any) -> Settlement:
    scheduled = 1_000_000_000_000_000
    run = Claimed("r", "t", "d", "schedule", None, scheduled, 5, 1, 1, 1, 250_000, 0, None, None)
    return Settlement(run=run, status=status, active_us=500_000, lines=[(scheduled + 2_500_000, "state", {})], **fields)


def test_runs_are_counted_as_they_are_settled(started: MetricsService) -> None:
    for status in ("succeeded", "succeeded", "failed", "canceled", "queued"):
        emit("run.settled", settlement=settlement(status), owner="w")
    values = shown(started)
    assert values["task_executions_total[success]"] == 2
    assert values["task_executions_total[failed]"] == values["task_executions_total[canceled]"] == 1
    assert values["ordinaut_run_duration_seconds_sum[success]"] == 1.5
    assert values["ordinaut_queue_wait_seconds_sum"] == 10.0
    assert values["ordinaut_queue_wait_seconds_bucket[2.5]"] == 5


def test_runs_that_end_without_a_worker_are_counted(started: MetricsService) -> None:
    emit("run.ended", run_id="r", status="canceled")
    emit("run.ended", run_id="s", status="failed")
    values = shown(started)
    assert values["task_executions_total[canceled]"] == values["task_executions_total[failed]"] == 1


def test_what_fails_in_an_extension_where_nobody_asked_is_counted(started: MetricsService) -> None:
    emit("extension.handler_failed", extension="shop", event_id="1-0", error=KeyError("price"))
    assert shown(started)["extension_errors_total[shop][(handler)][KeyError]"] == 1
    emit("extension.tool_crashed", extension="shop", tool="ext.shop.pay", error=KeyError("price"))
    assert shown(started)["extension_errors_total[shop][(tool)][KeyError]"] == 1


@pytest.mark.parametrize(
    ("outcome", "count"),
    [
        ("fired", 1),  # its run was queued
        ("skipped", 0),  # nobody waits for it
    ],
)
def test_the_lag_of_occurrences_is_measured(started: MetricsService, outcome: Any, count: int) -> None:
    record = OccurrenceRecord(task_id="t", nominal_at=NOON, effective_at=NOON, outcome=outcome, reason="", run_id=None)
    emit("occurrence.decided", record=record, at=NOON + timedelta(seconds=2))
    assert shown(started).get("ordinaut_schedule_lag_seconds_count", 0) == count


def test_a_started_process_stores_by_itself(store: MemoryMetrics, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bookkeeper, "FLUSH_SECONDS", 0.01)
    service = metrics_of(store)
    service.start()
    service.record_request("GET", "/tasks")
    wait_for(lambda: any(name == "http_requests_total" for name, _ in store.sums), what="the thread to store")
    service.stop()
    service.stop()
    assert not store.said


def test_a_fork_leaves_to_the_parent_what_was_its_own(started: MetricsService) -> None:
    started.record_request("GET", "/tasks")
    answer, question = os.pipe()
    with warnings.catch_warnings():
        # Newer Pythons warn of forks beside threads; the one here sleeps.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        # The parent's count is not the child's to store; what comes after is.
        started.record_request("GET", "/tasks")
        books = started._books
        os.write(question, b"%d" % sum(value for (name, _), value in books.pending().items() if "http" in name))
        os._exit(0)
    os.close(question)
    os.waitpid(child, 0)
    assert os.read(answer, 10) == b"1"
    os.close(answer)
    assert shown(started)["http_requests_total[GET][/tasks]"] == 1


def test_lines_of_help_are_translated() -> None:
    service = metrics_of()
    service.speak(str.upper)
    assert "# HELP http_requests_total TOTAL NUMBER OF HTTP REQUESTS\n" in service.exposition()


def test_no_name_is_used_twice() -> None:
    assert len({family.name for family in FAMILIES}) == len(FAMILIES)

"""Totals and reports on both databases."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest

from app.domain.metrics import HTTP_REQUESTS, LAST_TICK, WORKERS, Report, Series
from app.storage.unit_of_work import SqlUnitsOfWork
from tests.fakes.rows import a_task, queued, stored

HEALTH: Series = (HTTP_REQUESTS.name, (("method", "GET"), ("endpoint", "/health")))
TASKS: Series = (HTTP_REQUESTS.name, (("method", "GET"), ("endpoint", "/tasks")))
LAG: Series = ("ordinaut_schedule_lag_seconds_sum", ())


def add(units: SqlUnitsOfWork, deltas: dict[Series, float]) -> None:
    with units() as unit:
        unit.metrics.add(deltas)


def test_deltas_are_added_to_what_is_there(units: SqlUnitsOfWork) -> None:
    add(units, {HEALTH: 2, LAG: 0.25})
    add(units, {HEALTH: 3, TASKS: 1})
    add(units, {})
    with units(read_only=True) as unit:
        measured = unit.metrics.read()
        assert measured.totals == {HEALTH: 5.0, TASKS: 1.0, LAG: 0.25}
        assert unit.metrics.totals([HTTP_REQUESTS.name]) == {HEALTH: 5.0, TASKS: 1.0}


def test_odd_labels_come_back_as_they_went(units: SqlUnitsOfWork) -> None:
    odd: Series = (HTTP_REQUESTS.name, (("method", "GET"), ("endpoint", '/ț/"\\\n€')))
    add(units, {odd: 1})
    with units(read_only=True) as unit:
        assert unit.metrics.read().totals == {odd: 1.0}


def test_processes_that_add_at_once_lose_nothing_and_wait_for_nobody_for_ever(units: SqlUnitsOfWork) -> None:
    series: list[Series] = [(HTTP_REQUESTS.name, (("method", "GET"), ("endpoint", f"/{n}"))) for n in range(20)]

    def work(order: list[Series]) -> None:
        for _ in range(10):
            add(units, dict.fromkeys(order, 1.0))

    threads = [
        threading.Thread(target=work, args=(order,)) for order in (series, series[::-1], series[7:] + series[:7])
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with units(read_only=True) as unit:
        assert unit.metrics.read().totals == dict.fromkeys(series, 30.0)


def test_a_report_replaces_the_one_before_and_expires(units: SqlUnitsOfWork) -> None:
    alive: dict[Series, float] = {(WORKERS.name, ()): 1.0, (LAST_TICK.name, ()): 17.5}
    with units() as unit:
        unit.metrics.report(Report(process="a", gauges={(WORKERS.name, ()): 9.0}), 60)
        unit.metrics.report(Report(process="a", gauges=alive), 60)
        unit.metrics.report(Report(process="b"), -1)
        unit.metrics.report(Report(process="c"), 60)
        unit.metrics.forget("c")
    with units(read_only=True) as unit:
        reports = {report.process: report for report in unit.metrics.read().reports}
    assert reports == {"a": Report(process="a", gauges=alive), "b": Report(process="b", alive=False)}


@pytest.mark.parametrize(
    ("kept_seconds", "left"),
    [
        # It expired ten seconds ago and is kept for a minute.
        (60, {"alive", "expired"}),
        # It is kept for five seconds.
        (5, {"alive"}),
    ],
)
def test_old_reports_are_purged(units: SqlUnitsOfWork, kept_seconds: float, left: set[str]) -> None:
    with units() as unit:
        unit.metrics.report(Report(process="alive"), 60)
        unit.metrics.report(Report(process="expired"), -10)
        assert unit.metrics.purge(kept_seconds) == 2 - len(left)
        assert {report.process for report in unit.metrics.read().reports} == left


def test_the_depth_of_the_queue_counts_what_could_start_now(units: SqlUnitsOfWork) -> None:
    task = stored(units, a_task())
    ended, *_ = queued(units, task, 3)
    queued(units, task, scheduled_for=datetime.now(UTC) + timedelta(hours=1))
    with units() as unit:
        assert unit.runs.cancel_queued(ended, datetime.now(UTC))
        assert unit.metrics.read().queue_depth == 2

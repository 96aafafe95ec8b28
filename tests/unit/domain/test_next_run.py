"""When a task is next due."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.next_run import aimed_at, delayed, described, due_at, effective_next, first_after
from tests.fakes.rows import a_task

DAY = datetime(2026, 11, 24, tzinfo=UTC)
NINE = DAY.replace(hour=9)
DAILY: dict[str, Any] = {"schedule_kind": "cron", "schedule_expr": "0 9 * * *"}


@pytest.mark.parametrize(
    ("fields", "after", "expected"),
    [
        # the schedule alone; the moment itself does not count
        ({}, DAY, NINE),
        ({}, NINE, NINE + timedelta(days=1)),
        # starts_at counts in
        ({"starts_at": NINE + timedelta(days=3)}, DAY, NINE + timedelta(days=3)),
        ({"starts_at": NINE + timedelta(days=3, microseconds=1)}, DAY, NINE + timedelta(days=4)),
        # a start gone by changes nothing
        ({"starts_at": DAY - timedelta(days=9)}, DAY, NINE),
        # ends_at does not count in
        ({"ends_at": NINE}, DAY, None),
        ({"ends_at": NINE + timedelta(microseconds=1)}, DAY, NINE),
        # runs granted and had
        ({"max_runs": 2, "fired_count": 1}, DAY, NINE),
        ({"max_runs": 2, "fired_count": 2}, DAY, None),
        # no schedule
        ({"schedule_kind": "manual", "schedule_expr": None}, DAY, None),
    ],
)
def test_first_after(fields: dict[str, Any], after: datetime, expected: datetime | None) -> None:
    assert first_after(a_task(**{**DAILY, **fields}), after) == expected


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 86_400),
    st.integers(1, 5_000_000_000),
    st.integers(0, 126_230_400_000_000),
)
def test_jitter_is_the_same_each_time_and_never_past_half_of_the_gap(jitter: int, gap: int, micros: int) -> None:
    task, nominal = a_task(**DAILY, jitter_seconds=jitter), DAY + timedelta(microseconds=micros)
    due = due_at(task, nominal, nominal + timedelta(microseconds=gap))
    assert due == due_at(task, nominal, nominal + timedelta(microseconds=gap))
    assert timedelta() <= due - nominal <= min(timedelta(seconds=jitter), timedelta(microseconds=gap) / 2)


@given(
    expr=st.sampled_from(["* * * * * *", "*/7 * * * *", "0 3 * * *", "30 2 * * 7", "0 0 L * *"]),
    zone=st.sampled_from(["UTC", "Europe/Chisinau", "America/St_Johns", "Australia/Lord_Howe"]),
    jitter=st.integers(1, 86_400),
    start=st.integers(0, 366),
)
def test_jitter_keeps_the_order_of_any_schedule(expr: str, zone: str, jitter: int, start: int) -> None:
    task = a_task(schedule_kind="cron", schedule_expr=expr, timezone=zone, jitter_seconds=jitter)
    times = [first_after(task, NINE + timedelta(days=start))]
    for _ in range(4):
        times.append(first_after(task, times[-1] or NINE))
    for nominal, following in pairwise(time for time in times if time is not None):
        due = delayed(task, nominal)
        assert nominal <= due <= nominal + timedelta(seconds=jitter)
        assert due <= nominal + (following - nominal) / 2


def test_jitter_differs_between_tasks_and_between_occurrences() -> None:
    tasks = [a_task(**DAILY, jitter_seconds=3600) for _ in range(20)]
    assert len({due_at(task, NINE, None) for task in tasks}) > 15
    assert len({due_at(tasks[0], NINE + timedelta(days=n), None).time() for n in range(20)}) > 15


def test_a_snoozed_task_next_runs_at_its_first_time_at_or_after_the_snooze() -> None:
    task = aimed_at(a_task(**DAILY), NINE)
    assert effective_next(task) == NINE
    assert effective_next(replace(task, snoozed_until=NINE)) == NINE
    later = NINE + timedelta(days=2)
    assert effective_next(replace(task, snoozed_until=later)) == later
    assert effective_next(replace(task, snoozed_until=later, ends_at=later)) is None
    assert effective_next(aimed_at(task, None)) is None


def test_a_schedule_that_cannot_be_read_any_more_has_no_words() -> None:
    assert described(a_task(**DAILY)) == "Every day at 09:00"
    assert described(a_task(**DAILY, timezone="Mars/Olympus")) == ""

"""Which dates a backfill is for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain import backfills
from app.domain.backfills import FIRED, BackfillRequest, chosen, past_dates
from app.domain.errors import InvalidInput, Unprocessable
from app.domain.tasks import Task
from tests.fakes.rows import a_task

NOW = datetime(2026, 11, 25, 4, tzinfo=UTC)
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


def daily(**fields: Any) -> Task:
    return a_task(schedule_kind="cron", schedule_expr="0 9 * * *", timezone="Europe/Chisinau", **fields)


def dates(task: Task, start: datetime, end: datetime) -> list[str]:
    return [f"{one:%m-%dT%H}" for one in past_dates(task, BackfillRequest(start=start, end=end), NOW)]


def at(day: int, hour: int = 0, month: int = 11) -> datetime:
    return datetime(2026, month, day, hour, tzinfo=UTC)


@pytest.mark.parametrize(
    ("start", "end", "found"),
    [
        (at(20), at(22), ["11-20T07", "11-21T07"]),
        (at(20, 7), at(21, 7), ["11-20T07"]),  # the start belongs to it, the end does not
        (at(20, 8), at(21, 7), []),
        (at(24, month=10), at(26, month=10), ["10-24T06", "10-25T07"]),  # clocks went back in Chisinau
        (at(23), at(30), ["11-23T07", "11-24T07"]),  # what is to come is the schedule's
    ],
)
def test_the_dates_of_a_window_are_the_schedule_s_in_the_task_s_zone(
    start: datetime, end: datetime, found: list[str]
) -> None:
    assert dates(daily(), start, end) == found


def test_what_the_schedule_has_still_to_deal_with_is_left_to_it() -> None:
    assert dates(daily(next_run_at=at(24, 7)), at(22), at(26)) == ["11-22T07", "11-23T07"]


def test_what_bounds_the_schedule_bounds_no_backfill() -> None:
    task = daily(starts_at=at(22), ends_at=at(23), max_runs=1, fired_count=1)
    assert dates(task, at(20), at(25)) == ["11-20T07", "11-21T07", "11-22T07", "11-23T07", "11-24T07"]


@pytest.mark.parametrize(
    ("fields", "start", "end", "refusal"),
    [
        ({}, at(20), at(20), InvalidInput),
        ({}, at(21), at(20), InvalidInput),
        ({"schedule_kind": "manual", "schedule_expr": None}, at(20), at(21), Unprocessable),
        ({"schedule_kind": "event", "schedule_expr": "a.b"}, at(20), at(21), Unprocessable),
    ],
)
def test_what_is_no_window(fields: dict[str, Any], start: datetime, end: datetime, refusal: type[Exception]) -> None:
    with pytest.raises(refusal):
        dates(a_task(**{"schedule_kind": "cron", "schedule_expr": "@daily", **fields}), start, end)


def test_a_window_of_too_many_dates_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backfills, "MOST", 3)
    task = a_task(schedule_kind="cron", schedule_expr="* * * * *")
    assert len(dates(task, at(20), at(20) + timedelta(minutes=3))) == 3
    with pytest.raises(InvalidInput) as caught:
        dates(task, at(20), at(20) + timedelta(minutes=3, seconds=1))
    assert caught.value.problems[0].field == "end"


PAST = {at(1): "succeeded", at(2): "failed", at(3): "canceled", at(4): "running", at(5): "queued", at(6): FIRED}


@pytest.mark.parametrize(
    ("reprocess", "days"),
    [("none", [7]), ("failed", [2, 3, 7]), ("all", [1, 2, 3, 6, 7])],
)
def test_which_dates_are_done_again(reprocess: Any, days: list[int]) -> None:
    assert [one.day for one in chosen([at(day) for day in range(1, 8)], PAST, reprocess)] == days


@given(start=st.integers(0, 400), length=st.integers(1, 300), every=st.integers(1, 23))
def test_windows_side_by_side_make_up_the_whole(start: int, length: int, every: int) -> None:
    task = a_task(schedule_kind="cron", schedule_expr=f"0 */{every} * * *", timezone="Europe/Chisinau")
    first, last = at(1, month=10) + start * HOUR, at(1, month=10) + (start + length) * HOUR
    middle = first + (last - first) / 3
    whole = past_dates(task, BackfillRequest(start=first, end=last), last + DAY)
    parts = [
        past_dates(task, BackfillRequest(start=a, end=b), last + DAY) for a, b in ((first, middle), (middle, last))
    ]
    assert whole == [*parts[0], *parts[1]] == sorted(set(whole))

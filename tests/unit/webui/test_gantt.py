"""The Gantt of a run: rows, bars and ticks from what the API says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extensions.webui.gantt import Bar, Gantt, draw, places, ticks

BEGIN = datetime(2026, 11, 25, 8, 30, tzinfo=UTC)
PIPELINE = [{"id": "fetch", "uses": "http.request"}, {"uses": "data.set"}]


def at(seconds: float | None) -> str | None:
    return None if seconds is None else (BEGIN + timedelta(seconds=seconds)).isoformat()


def attempt(number: int, status: str, start: float | None, end: float | None) -> dict[str, Any]:
    return {"attempt": number, "status": status, "started_at": at(start), "finished_at": at(end), "error": None}


def step(step_id: str, *attempts: dict[str, Any], reused: bool = False) -> dict[str, Any]:
    return {"id": step_id, "status": attempts[-1]["status"], "reused": reused, "attempts": list(attempts)}


def drawn(*steps: dict[str, Any], end: float | None = 10, start: float | None = 0, now: float = 10) -> Gantt:
    run = {"started_at": at(start), "finished_at": at(end), "steps": list(steps)}
    return draw(run, PIPELINE, BEGIN + timedelta(seconds=now))


def bars(gantt: Gantt, row: int = 0) -> list[tuple[str, float, float]]:
    return [(bar.kind, bar.x, bar.width) for bar in gantt.rows[row].bars]


def test_a_row_for_every_step_of_the_definition_begun_or_not() -> None:
    gantt = drawn(step("fetch", attempt(1, "succeeded", 0, 5)))
    assert [(row.id, row.status, row.seconds) for row in gantt.rows] == [
        ("fetch", "succeeded", 5),
        ("step_2", "pending", None),
    ]
    assert bars(gantt) == [("succeeded", 0, 50)]


def test_between_two_attempts_is_a_wait() -> None:
    gantt = drawn(step("fetch", attempt(1, "failed", 0, 2), attempt(2, "succeeded", 5, 10)))
    assert bars(gantt) == [("failed", 0, 20), ("retry", 20, 30), ("succeeded", 50, 50)]


def test_an_attempt_that_its_worker_left_ends_where_the_next_begins() -> None:
    gantt = drawn(step("fetch", attempt(1, "failed", 0, None), attempt(2, "running", 4, None)), end=None)
    assert bars(gantt) == [("failed", 0, 40), ("running", 40, 60)]
    assert gantt.rows[0].going == at(0) and gantt.going


def test_what_a_run_took_over_has_no_bar() -> None:
    gantt = drawn(
        step("fetch", attempt(1, "succeeded", -90, -80), reused=True), step("step_2", attempt(1, "succeeded", 1, 10))
    )
    assert (gantt.rows[0].status, gantt.rows[0].bars, gantt.begin) == ("reused", (), BEGIN)
    assert bars(gantt, 1) == [("succeeded", 10, 90)]


def test_a_run_that_has_not_begun() -> None:
    gantt = drawn(start=None, end=None)
    assert [row.status for row in gantt.rows] == ["pending", "pending"]
    assert (gantt.ticks, gantt.begin, gantt.going) == ((), None, False)


def test_steps_of_branches_follow_the_step_that_has_them() -> None:
    nested: list[dict[str, Any]] = [
        {"id": "both", "parallel": [[{"uses": "a"}], [{"id": "b", "uses": "b"}, {"uses": "c"}]]},
        {"uses": "d"},
    ]
    assert [(place.id, place.uses, place.depth) for place in places(nested)] == [
        ("both", "parallel", 0),
        ("both_1_step_1", "a", 1),
        ("b", "b", 1),
        ("both_2_step_2", "c", 1),
        ("step_2", "d", 0),
    ]


@pytest.mark.parametrize(
    ("span", "expected"),
    [
        (0.02, [0, 0.01, 0.02]),
        (7, [0, 1, 2, 3, 4, 5, 6, 7]),
        (57.3, [0, 10, 20, 30, 40, 50]),
        (86_400 * 30, [0] + [86_400 * 5 * n for n in range(1, 7)]),  # days, in whole numbers
    ],
)
def test_ticks_are_round(span: float, expected: list[float]) -> None:
    assert [seconds for _, seconds in ticks(span)] == expected


moments = st.floats(0, 1e6).map(lambda seconds: round(seconds, 3))


@given(times=st.lists(moments, min_size=1, max_size=12), now=moments, over=st.booleans())
def test_every_bar_is_on_the_axis(times: list[float], now: float, over: bool) -> None:
    times.sort()
    pairs = list(zip(times[::2], [*times[1::2], None], strict=False))
    tries = [attempt(n, "failed" if end else "running", start, end) for n, (start, end) in enumerate(pairs, 1)]
    last = max(now, times[-1])
    gantt = drawn(step("fetch", *tries), end=last if over else None, now=last)
    for bar in gantt.rows[0].bars:
        assert isinstance(bar, Bar) and bar.x >= 0 and bar.width > 0 and bar.x + bar.width <= 100.001
    assert len(gantt.ticks) <= 8

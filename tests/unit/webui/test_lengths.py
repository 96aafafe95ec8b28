"""How long runs took, as bars."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from extensions.webui.compare import Line
from extensions.webui.task_more_pages import BARS, HEIGHT, differing, lengths

BEGIN = datetime(2026, 11, 25, 8, 30, tzinfo=UTC)


@given(st.lists(st.none() | st.floats(0, 10**7), max_size=BARS))
def test_longer_runs_have_taller_bars_and_none_leaves_the_picture(lasted: list[float | None]) -> None:
    runs = [
        {
            "started_at": BEGIN.isoformat(),
            "finished_at": None if seconds is None else (BEGIN + timedelta(seconds=seconds)).isoformat(),
            "status": "succeeded",
        }
        for seconds in lasted
    ]
    bars = lengths(runs)
    assert len(bars) == len([one for one in lasted if one is not None])
    assert all(0 < one.height <= HEIGHT and 0 <= one.y < HEIGHT and 0 <= one.x < 100 for one in bars)
    assert [one.x for one in bars] == sorted({one.x for one in bars})
    by_length = sorted(bars, key=lambda one: one.seconds)
    assert [one.height for one in by_length] == sorted(one.height for one in by_length)


def test_a_change_tells_what_differs_and_a_beginning_tells_nothing() -> None:
    row = {"before": {"title": "a", "version": 1, "tags": ["x"]}, "after": {"title": "b", "version": 2, "tags": ["x"]}}
    assert differing(row) == [("title", [Line("gone", "a"), Line("new", "b")])]
    assert differing({"before": None, "after": {"title": "a"}}) == []

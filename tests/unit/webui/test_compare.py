"""Two texts, line by line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extensions.webui.compare import Line, changed_since, compared

SIGNS = {"same": " ", "gone": "-", "new": "+", "skip": "~"}
CASES = [
    # before, after, and what is shown, a line in each word
    ("a", "a", ""),
    ("", "a", "+a"),
    ("a\nb", "a", " a|-b"),
    ("a\nb\nc\nd\ne\nf", "a\nb\nc\nd\nE\nf", "~| c| d|-e|+E| f"),
    ("x\n" + "s\n" * 9 + "y", "X\n" + "s\n" * 9 + "Y", "-x|+X| s| s|~| s| s|-y|+Y"),
    ("x\n" + "s\n" * 9, "X\n" + "s\n" * 9, "-x|+X| s| s|~"),
]


@pytest.mark.parametrize(("before", "after", "shown"), CASES)
def test_what_differs_is_shown_with_what_is_around(before: str, after: str, shown: str) -> None:
    assert "|".join(SIGNS[line.kind] + line.text for line in compared(before, after)) == shown


TEXTS = st.lists(st.sampled_from(["a", "b", "c", "d: 1"]), max_size=30).map("\n".join)


@given(TEXTS, TEXTS)
def test_what_went_and_what_came_are_the_difference(before: str, after: str) -> None:
    lines = compared(before, after)
    gone, new = ([line.text for line in lines if line.kind == kind] for kind in ("gone", "new"))
    old, now = before.splitlines(), after.splitlines()
    assert (lines == []) == (old == now)
    for text in {*old, *now}:
        assert now.count(text) - old.count(text) == new.count(text) - gone.count(text)


def test_a_task_is_compared_with_what_a_run_kept() -> None:
    kept = {
        "title": "Report",
        "payload": {"params": {}, "pipeline": [{"uses": "data.set"}]},
        "max_retries": 3,
        "backoff_strategy": "fixed",
        "backoff_seconds": 5.0,
        "timeout_seconds": 60,
    }
    assert changed_since(kept, {**kept, "backoff_seconds": 5, "tags": ["a"]}) == []
    lines = changed_since(kept, {**kept, "max_retries": 0, "payload": {"params": {}, "pipeline": [{"uses": "log"}]}})
    assert Line("gone", "max_retries: 3") in lines and Line("new", "max_retries: 0") in lines
    assert next(line.text.strip() for line in lines if line.kind == "new") == "- uses: log"
    assert not any("title" in line.text for line in lines)

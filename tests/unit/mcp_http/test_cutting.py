"""Long answers: shortened where they are longest, and still what they were promised to be."""

from __future__ import annotations

from typing import Any

import pytest

from extensions.mcp_http.cutting import cut, fits, shortened, text_of

ROWS = {"items": [{"id": number, "text": "x" * 50} for number in range(500)], "next_cursor": "c500"}


@pytest.mark.parametrize(
    ("value", "told"),
    [
        # each row: an answer, and what is said to be missing of it
        (ROWS, "items: the first 125 of 500 items"),
        ({"text": "x" * 30_000}, "text: the first"),
        ("x" * 30_000, "the answer: the first"),
        ({"run": {"steps": [{"output": "x" * 30_000}, {"output": "y"}]}}, "run.steps.0.output: the first"),
        ([["a" * 100] * 100, ["b" * 100] * 100], "the answer: the first 1 of 2 items"),
        ([["a" * 100] * 300, ["b" * 100]], "0: the first"),
    ],
)
def test_it_is_cut_where_it_is_longest(value: Any, told: str) -> None:
    before = text_of(value)
    less = shortened(value, 10_000)
    assert less is not None
    assert len(text_of(less[0])) <= 10_000 and any(one.startswith(told) for one in less[1]), less[1]
    assert text_of(value) == before, "the answer itself is left alone"


def test_the_rest_stays_as_it_was() -> None:
    less = shortened(ROWS, 10_000)
    assert less is not None
    assert less[0] == {"items": ROWS["items"][:125], "next_cursor": "c500"}


def test_what_fits_is_not_cut() -> None:
    assert shortened(ROWS, 100_000) == (ROWS, [])


@pytest.mark.parametrize("part", [7, "é" * 50])
def test_what_has_nothing_worth_cutting_is_given_up(part: Any) -> None:
    assert shortened({str(number): part for number in range(9_000)}, 4_000) is None


@pytest.mark.parametrize(
    ("schema", "good"),
    [
        (None, True),
        ({"type": "object", "properties": {"items": {"type": "array"}}, "required": ["items"]}, True),
        ({"type": "object", "properties": {"items": {"minItems": 500}}}, False),
        ({"type": "no such type"}, True),
    ],
)
def test_it_is_held_against_its_schema(schema: Any, good: bool) -> None:
    less = shortened(ROWS, 10_000)
    assert less is not None and fits(less[0], schema) is good


def test_the_end_of_a_text_is_marked() -> None:
    assert (cut("abcdef", 6), cut("abcdefg", 6)) == ("abcdef", "abcd …")

"""Lengths of time as people write them."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.durations import PATTERN, seconds_of


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (90, 90),
        ("90s", 90),
        ("15m", 900),
        ("1h30m", 5400),
        ("1w2d", 777_600),
        ("PT15M", 900),
        ("P1DT2H", 93_600),
        ("P2W", 1_209_600),
    ],
)
def test_lengths(value: Any, seconds: int) -> None:
    assert seconds_of(value) == seconds


NONE: list[Any] = [
    "",
    "90",
    "m",
    "30m1h",
    "1.5h",
    "-5m",
    "P",
    "PT",
    "P1DT",
    "P1M",
    "P1Y",
    "15M",
    "٣m",
    "1m\n",
    True,
    1.5,
    None,
    [],
]


@pytest.mark.parametrize("value", NONE, ids=repr)
def test_what_is_no_length_of_time_or_none_of_a_fixed_number_of_seconds(value: Any) -> None:
    assert seconds_of(value) is None


@given(st.tuples(*[st.integers(0, 10_000)] * 5).filter(any))
def test_both_ways_of_writing_mean_the_same(counts: tuple[int, ...]) -> None:
    short = "".join(f"{count}{unit}" for count, unit in zip(counts, "wdhms", strict=True))
    iso = "P{}W{}DT{}H{}M{}S".format(*counts)
    assert seconds_of(short) == seconds_of(iso)
    assert re.search(PATTERN, short) and re.search(PATTERN, iso)

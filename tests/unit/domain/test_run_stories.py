"""Places in the story of a run: written, read back, moved on."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.run_stories import LONGEST, Place, parse_place
from app.domain.runs import Record
from tests.fakes.http_runs import NOON

numbers = st.integers(1, 99)
places = st.recursive(
    st.builds(Place, number=numbers),
    lambda inner: st.builds(Place, number=numbers, parts=st.dictionaries(st.integers(0, 5), inner, max_size=4)),
    max_leaves=20,
)


def shape(place: Place) -> Any:
    """What a place says."""
    return place.number, {position: shape(part) for position, part in place.parts.items()}


@given(places)
def test_a_place_is_read_back_as_it_was_written(place: Place) -> None:
    assert shape(parse_place(str(place))) == shape(place)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "-1",
        "1,2",
        "1(",
        "1)",
        "(1)",
        "1(2",
        "1(2)3",
        "1(2))",
        "1()()",
        "12345678901",
        "1 ",
        "٣",
        "1(" * 40 + "1" + ")" * 40,
        "1" + "(1" * 9000,
    ],
)
def test_what_is_no_place_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_place(text)


def test_a_place_that_would_be_too_long_leaves_its_parts_out() -> None:
    assert str(Place(7, parts={n: Place(1000) for n in range(LONGEST)})) == "7"


def test_it_waits_for_the_parts_that_were_made_right_before() -> None:
    place = Place()
    place.move(Record(1, NOON, "step", {"status": "waiting", "parts": ["a", "b"]}))
    assert not place.waits_for
    place.move(Record(2, NOON, "state", {"status": "waiting", "reason": "parts"}))
    place.parts[1] = Place(3)
    assert (list(place.waits_for), str(place)) == (["a", "b"], "2(,3)")
    place.move(Record(3, NOON, "step", {"status": "resumed"}))
    assert (list(place.waits_for), str(place)) == ([], "3")

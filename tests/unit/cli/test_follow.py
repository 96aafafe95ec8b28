"""Server-sent events are read right wherever the stream is cut."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.cli.remote.follow import Message, messages

STREAM = ': ok\nretry: 2000\n\nid: 1\nevent: log\ndata: {"a": "ö"}\n\ndata: one\ndata:two\n\n'.encode()
EXPECTED = [Message("log", '{"a": "ö"}', "1"), Message("message", "one\ntwo")]


@given(st.lists(st.integers(0, len(STREAM)), max_size=8))
def test_wherever_it_is_cut(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(STREAM)]
    pieces = [STREAM[start:end] for start, end in pairwise(edges)]
    assert list(messages(pieces)) == EXPECTED


@pytest.mark.parametrize(
    ("stream", "count"),
    [
        (b"data: a\n", 0),  # lost before its end
        (b"id: 3\n\n", 0),  # no data, no event
        (b"data: a\r\n\r\n", 1),
        (b": still here\n\n", 0),
    ],
)
def test_what_counts(stream: bytes, count: int) -> None:
    assert len(list(messages([stream]))) == count

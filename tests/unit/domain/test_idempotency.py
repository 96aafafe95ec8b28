"""Keys as headers carry them, and what stands under a key."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.errors import Conflict, InvalidInput, StillInProgress, Unprocessable
from app.domain.idempotency import (
    KEPT,
    LOCKED,
    KeptAnswer,
    KeyedRequest,
    KeyRow,
    earlier_answer,
    key_of,
    told_again,
)

NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
ASKED = KeyedRequest(agent="ana", key="k", target="POST /tasks", digest="d")
ROW = KeyRow(request=ASKED, holder="h", created_at=NOW)
ANSWER = KeptAnswer(201, {"Location": "/tasks/1"}, "{}")


@pytest.mark.parametrize(
    ("header", "key"),
    [
        ("8e03978e-40d5", "8e03978e-40d5"),
        ('"8e03978e-40d5"', "8e03978e-40d5"),  # RFC 9651: a string
        (' "a b" ', "a b"),
        (r'"a\"b\\c"', 'a"b\\c'),
        ("a, b", "a, b"),  # a header sent twice reads like this
        ("x" * 255, "x" * 255),
    ],
)
def test_a_key_may_be_quoted_or_bare(header: str, key: str) -> None:
    assert key_of(header) == key


@pytest.mark.parametrize(
    "header", ["", "  ", '""', '"a', '"', r'"a\b"', '"a";p=1', "é", "a\x01b", "x" * 256, '"' + "x" * 256 + '"']
)
def test_other_keys_are_refused(header: str) -> None:
    with pytest.raises(InvalidInput):
        key_of(header)


@given(st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1, max_size=255))
def test_quoting_loses_nothing(key: str) -> None:
    quoted = key.replace("\\", r"\\").replace('"', r"\"")
    assert key_of(f'"{quoted}"') == key


@pytest.mark.parametrize(
    ("row", "answer"),
    [
        (None, None),  # never seen
        (replace(ROW, answer=ANSWER), ANSWER),
        (replace(ROW, answer=ANSWER, created_at=NOW - KEPT), None),  # past its day
        (replace(ROW, locked_at=NOW - LOCKED), None),  # its process is dead
    ],
)
def test_what_stands_under_a_key_is_told(row: KeyRow | None, answer: KeptAnswer | None) -> None:
    assert earlier_answer(row, ASKED, NOW) == answer


@pytest.mark.parametrize("other", [{"target": "POST /events"}, {"digest": "e"}])
def test_another_request_under_the_key_is_refused(other: dict[str, str]) -> None:
    with pytest.raises(Unprocessable):
        earlier_answer(replace(ROW, answer=ANSWER), replace(ASKED, **other), NOW)


def test_a_request_at_work_is_waited_for() -> None:
    with pytest.raises(StillInProgress):
        earlier_answer(replace(ROW, locked_at=NOW - LOCKED + timedelta(seconds=1)), ASKED, NOW)


def test_an_answer_without_body_says_where_to_look() -> None:
    with pytest.raises(Conflict) as refused:
        told_again(replace(ANSWER, body=None))
    assert refused.value.details["location"] == "/tasks/1"

"""Bodies of answers: what counts as JSON, and how deep it may be."""

from __future__ import annotations

import pytest

from app.tools.http_body import NotJson, is_json, parsed_json


@pytest.mark.parametrize(
    ("content_type", "expected"),
    [
        ("application/json", True),
        ("Application/JSON; charset=utf-8", True),
        ("application/vnd.api+json", True),
        ("text/json", True),
        ("application/jsonp", False),
        ("text/html", False),
        ("", False),
    ],
)
def test_json_is_told_by_its_content_type(content_type: str, expected: bool) -> None:
    assert is_json(content_type) is expected


@pytest.mark.parametrize("body", [b"[" * 64 + b"]" * 64, b"[" * 64 + b"1" + b"]" * 64, b"1", b"\xef\xbb\xbf{}"])
def test_json_up_to_64_levels_is_taken(body: bytes) -> None:
    parsed_json(body)


@pytest.mark.parametrize(
    "body",
    [b"[" * 65 + b"]" * 65, b'{"a":' * 65 + b"1" + b"}" * 65, b"[" * 100_000, b"NaN", b"\xff", b"{'a':1}"],
)
def test_deeper_or_looser_json_is_not(body: bytes) -> None:
    with pytest.raises(NotJson):
        parsed_json(body)

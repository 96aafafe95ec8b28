"""Pipelines as text: where something stands, and what cannot be read."""

from __future__ import annotations

import pytest

from extensions.webui.definition import Unreadable, from_yaml, place_of

TEXT = """- id: first
  uses: log.write
  with:
    message: Hello   # a comment
    "a/b~c": [1, 2]
- {id: second, uses: no.tool}
"""


@pytest.mark.parametrize(
    ("pointer", "found"),
    [
        ("/0/uses", "log.write"),
        ("/0/with/message", "Hello"),
        ("/0/with/a~1b~0c/1", "2"),
        ("/1", "{id: second, uses: no.tool}"),
        ("/1/uses", "no.tool"),
        # nearest around what is not there
        ("/1/with/x", "{id: second, uses: no.tool}"),
        ("/7", TEXT.rstrip()),
        ("/0/uses/x", "log.write"),
        ("", TEXT.rstrip()),
    ],
)
def test_a_pointer_is_found_in_the_text(pointer: str, found: str) -> None:
    start, end = place_of(TEXT, pointer)
    assert TEXT[start:end] == found


@pytest.mark.parametrize("text", ["- [", "\t- a: b: c", "", "a: *nowhere"])
def test_a_text_that_cannot_be_read_is_meant_as_a_whole(text: str) -> None:
    assert place_of(text, "/0") == (0, len(text))


def test_what_cannot_be_read_says_where() -> None:
    with pytest.raises(Unreadable) as caught:
        from_yaml("- id: a\n- id: [x")
    assert "line 2" in str(caught.value) and caught.value.at > 8

"""What a link may decide, and what its page asks for."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from app.domain.approval_links import ApprovalLink, FormField, by_link, check_good, fields_of
from app.domain.errors import Gone, InvalidInput

NOW = datetime(2026, 11, 24, 8, 30, tzinfo=UTC)
LINK = ApprovalLink(
    id="l", approval_id="a", agent_id="bob", scopes=None, option=None, created_at=NOW, expires_at=NOW.replace(hour=9)
)


def test_a_link_is_good_until_it_is_used_or_too_old() -> None:
    check_good(LINK, NOW)
    for bad in (replace(LINK, used_at=NOW), replace(LINK, expires_at=NOW)):
        with pytest.raises(Gone):
            check_good(bad, NOW)


@pytest.mark.parametrize(
    ("only", "given", "chosen"),
    [
        (None, "later", "later"),
        ("reject", None, "reject"),
        ("reject", "reject", "reject"),
        # nothing to go by, and another than the one
        (None, None, None),
        ("reject", "approve", None),
    ],
)
def test_the_option_of_a_link(only: str | None, given: str | None, chosen: str | None) -> None:
    link = replace(LINK, option=only)
    if chosen is None:
        with pytest.raises(InvalidInput):
            by_link(link, given, None, None)
    else:
        assert by_link(link, given, None, "Why").option == chosen


@pytest.mark.parametrize(
    ("member", "kind", "choices"),
    [
        ({"type": "string"}, "text", ()),
        ({"type": "integer"}, "number", ()),
        ({"type": "boolean"}, "choice", (True, False)),
        ({"enum": ["a", 1]}, "choice", ("a", 1)),
        ({"type": "array"}, "json", ()),
        # a schema may be a flag
        (True, "json", ()),
    ],
)
def test_what_a_page_asks_for(member: Any, kind: str, choices: tuple[Any, ...]) -> None:
    schema = {"required": ["x"], "properties": {"x": member}}
    assert fields_of(schema) == [FormField("x", "x", kind, True, choices)]


@pytest.mark.parametrize("schema", [{}, {"properties": 1}])
def test_a_form_without_members(schema: dict[str, Any]) -> None:
    assert fields_of(schema) == []


def test_a_label_is_the_title_or_the_description() -> None:
    members = {"a": {"title": "A sum", "description": "x"}, "b": {"description": "Why"}, "c": {"title": 1}}
    assert [one.label for one in fields_of({"properties": members})] == ["A sum", "Why", "c"]

"""Identifiers sort by the time they were made."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

from app.domain.ids import id_border, new_id


def test_an_id_is_a_uuid_of_version_7() -> None:
    made = uuid.UUID(new_id())
    assert (made.version, made.variant) == (7, uuid.RFC_4122)


def test_ids_sort_as_they_were_made_and_never_repeat() -> None:
    made = [new_id() for _ in range(2000)]
    stamps = [one[:18] for one in made]
    assert stamps == sorted(stamps)
    assert len(set(made)) == len(made)


def test_a_border_lies_between_earlier_and_later_ids() -> None:
    now = datetime.now(UTC)
    made = new_id()
    assert id_border(now - timedelta(seconds=1)) < made < id_border(now + timedelta(seconds=1))

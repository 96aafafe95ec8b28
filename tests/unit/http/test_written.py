"""JSON that is kept: the same text for the same object, another for another, and never too much of it."""

from __future__ import annotations

from dataclasses import dataclass

import orjson
import pytest

from app.http import written
from app.http.written import Written


@dataclass(frozen=True)
class Thing:
    """Equal to any other of its name."""

    name: str


class Pen:
    """Presents things, and counts."""

    def __init__(self) -> None:
        self.strokes = 0

    def __call__(self, thing: Thing) -> dict[str, str]:
        self.strokes += 1
        return {"name": thing.name}


@pytest.fixture
def spoken(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The reader's language, to be changed."""
    languages = ["en"]
    monkeypatch.setattr(written, "language", lambda: languages[-1])
    return languages


def test_an_object_is_written_once_in_each_language(spoken: list[str]) -> None:
    pen = Pen()
    book, thing = Written(pen), Thing("a")
    for _ in range(3):
        assert orjson.dumps(book.each([thing])) == b'[{"name":"a"}]'
    assert pen.strokes == 1
    spoken.append("ro")
    book.each([thing])
    assert pen.strokes == 2


def test_an_equal_object_is_another_one(spoken: list[str]) -> None:
    pen = Pen()
    book = Written(pen)
    book.each([Thing("a"), Thing("a")])
    assert pen.strokes == 2


def test_long_texts_are_not_kept_and_short_ones_not_for_ever(spoken: list[str]) -> None:
    pen = Pen()
    book, long = Written(pen), Thing("x" * written.LONGEST_KEPT)
    book.each([long, long])
    assert pen.strokes == 2 and not book._kept
    things = [Thing(str(number)) for number in range(written.KEPT + 10)]
    assert orjson.loads(orjson.dumps(book.each(things))) == [{"name": thing.name} for thing in things]
    assert len(book._kept) == 10

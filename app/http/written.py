"""JSON of things that do not change, written once in each language: a list is asked for again and again."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Generic, TypeVar

import orjson

from app.http.json import dump
from app.http.locale import language

T = TypeVar("T")
KEPT = 1024
LONGEST_KEPT = 8192
"""Bytes; a longer text is written anew each time."""


class Written(Generic[T]):
    """Remembers the JSON of objects by their identity; an object must not change, and its equal counts as another.

    It holds on to the objects, so that no other can take their place, until there are too many.
    """

    def __init__(self, present: Callable[[T], Any]) -> None:
        self._present = present
        self._kept: dict[tuple[int, str], tuple[T, orjson.Fragment]] = {}

    def each(self, things: Iterable[T]) -> list[orjson.Fragment]:
        """What `present` makes of them, as pieces of JSON in the reader's language."""
        reads, kept = language(), self._kept
        return [
            known[1] if (known := kept.get((id(thing), reads))) is not None else self._write(thing, reads)
            for thing in things
        ]

    def _write(self, thing: T, reads: str) -> orjson.Fragment:
        text = dump(self._present(thing))
        piece = orjson.Fragment(text)
        if len(text) <= LONGEST_KEPT:
            if len(self._kept) >= KEPT:
                self._kept.clear()
            self._kept[id(thing), reads] = (thing, piece)
        return piece

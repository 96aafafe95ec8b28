"""How far the story of a run has been told, its parts included.

A run's records are told in their order. While it waits for parts, theirs are told; once it goes on, all of theirs come
before its next. So the place is the number of its last record, with places in the parts it waits for, if there are any:
`12` or `12(5,,7(3))`, where the second part has told nothing yet.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from app.domain.runs import Record

LONGEST: Final = 4000
"""Characters; servers and proxies take headers of twice that. A longer one leaves its parts out: they come again."""
DEEPEST: Final = 32
_TOKEN: Final = re.compile(r"[0-9]{1,10}|[(),]")


@dataclass(slots=True)
class Place:
    """A place in the journal of a run or a part; it moves on as records are told.

    Attributes:
        number: The last record that was told.
        known: Whether `waits_for` is known: of a place that came in a text it is not.
        waits_for: Ids of the parts for which the run waits there.
        parts: Places in them, by their position among these.
    """

    number: int = 0
    known: bool = True
    waits_for: Sequence[str] = ()
    parts: dict[int, Place] = field(default_factory=dict)
    _made: Sequence[str] = ()

    def look_back(self, record: Record) -> None:
        """A record that was told before."""
        self.known = True
        self.waits_for = self._waited(record)

    def move(self, record: Record) -> None:
        """The next record is told; everything about the parts before it has been."""
        self.number = record.number
        self.parts = {}
        self.waits_for = self._waited(record)

    def _waited(self, record: Record) -> Sequence[str]:
        if record.kind == "step":
            self._made = record.body.get("parts", ())
        waits = record.kind == "state" and record.body.get("reason") == "parts"
        return self._made if waits else ()

    def copied(self) -> Place:
        """The same, to be moved by itself."""
        parts = {position: part.copied() for position, part in self.parts.items()}
        return Place(self.number, self.known, self.waits_for, parts, self._made)

    def __str__(self) -> str:
        text = self._text()
        return text if len(text) <= LONGEST else str(self.number)

    def _text(self) -> str:
        if not self.parts:
            return str(self.number) if self.number else ""
        told = ",".join(self.parts[n]._text() if n in self.parts else "" for n in range(max(self.parts) + 1))
        return f"{self.number}({told})" if told.strip(",") else str(self.number)


def parse_place(text: str) -> Place:
    """The place that a text means.

    Raises:
        ValueError: it means none.
    """
    tokens = _TOKEN.findall(text)
    if len(text) > 2 * LONGEST or "".join(tokens) != text:
        raise ValueError(text[:100])
    rest = iter([*tokens, ""])
    place, after = _read(next(rest), rest, DEEPEST)
    if after or not tokens or not tokens[0].isdigit():
        raise ValueError(text[:100])
    return place


def _read(token: str, rest: Iterator[str], depth: int) -> tuple[Place, str]:
    """A place that begins with `token`, and the token after it."""
    place = Place()
    if not token.isdigit():
        return place, token
    place.number, place.known = int(token), False
    if (after := next(rest)) != "(":
        return place, after
    if depth == 0:
        raise ValueError("nested too deeply")
    position, after = 0, ","
    while after == ",":
        part, after = _read(next(rest), rest, depth - 1)
        if part.number:
            place.parts[position] = part
        position += 1
    if after != ")":
        raise ValueError("never closed")
    return place, next(rest)

"""How records of a run's journal are written into a row and read back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import orjson

from app.domain.clock import from_micros
from app.domain.json_text import to_json
from app.domain.runs import Record

JOURNAL_ROWS = 100
"""Rows of the journals of parts that are read at once."""

Line = tuple[int, str, Any]
"""`(microseconds since 1970, kind, body)`; the body may hold orjson fragments."""


def pack(lines: Sequence[Line]) -> str:
    """The text of one journal row."""
    return to_json(lines).decode()


def unpack(rows: Iterable[tuple[int, str]], after: int, *, without: str = "") -> Iterator[Record]:
    """Records numbered above `after` from `(first, records)` rows in order; those of one kind may be left out."""
    for first, text in rows:
        for number, (at, kind, body) in enumerate(orjson.loads(text), start=first):
            if number > after and kind != without:
                yield Record(number, from_micros(at), kind, body)

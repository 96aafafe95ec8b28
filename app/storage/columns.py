"""Column types that mean the same on SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import BigInteger, Text
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

from app.domain.clock import from_micros, to_micros


class Instant(TypeDecorator[datetime]):
    """An aware datetime kept as whole microseconds since 1970 (docs/adr/0002).

    One integer compares, sorts and binds alike on both databases and needs no conversion on the hot path.
    """

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        """Naive datetimes are refused: their subtraction from the epoch raises TypeError."""
        return None if value is None else to_micros(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        """Back to an aware datetime in UTC."""
        return self.plain(value)

    @staticmethod
    def plain(value: int | None) -> datetime | None:
        """What a stored value means, on every dialect."""
        return None if value is None else from_micros(value)

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[int | None], datetime | None]:
        """The plain function: a list calls it hundreds of times."""
        return self.plain


class Document(TypeDecorator[Any]):
    """A JSON value kept as text: byte for byte what orjson wrote, key order included."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        """None is SQL NULL, not the JSON word."""
        return None if value is None else orjson.dumps(value).decode()

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        """The parsed value."""
        return self.plain(value)

    @staticmethod
    def plain(value: str | None) -> Any:
        """What a stored value means, on every dialect."""
        return None if value is None else orjson.loads(value)

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[str | None], Any]:
        """The plain function, as above."""
        return self.plain

"""Numbers as people write them."""

from __future__ import annotations

from babel.numbers import format_decimal


class Number(int):
    """A number that stands in a message as the language writes it: `1,204`, `1.204` or `1 204`."""

    language: str

    def __new__(cls, value: int, language: str) -> Number:
        number = super().__new__(cls, value)
        number.language = language
        return number

    def __format__(self, spec: str) -> str:
        return super().__format__(spec) if spec else str(format_decimal(int(self), locale=self.language))

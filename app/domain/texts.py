"""Messages for people: English text that remembers how it was made, so that the edge can say it in another language.

A `Text` is a `str`: logs, stores and comparisons see English. Whoever answers a reader asks `app.languages` for the
same in the reader's language. `scripts/collect_texts.py` finds every pattern by the names `t` and `tn`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

_NOTHING: Mapping[str, object] = MappingProxyType({})


class Text(str):
    """English, made of a pattern and values.

    Attributes:
        pattern: What catalogues know it by; `{name}` stands for a value.
        plural: The pattern for any count but 1, where there is one; the count is the value `count`.
        values: What the names stand for; those that are texts themselves are translated too.
    """

    __slots__ = ("pattern", "plural", "values")
    pattern: str
    plural: str | None
    values: Mapping[str, object]

    def __new__(
        cls,
        english: str = "",
        pattern: str | None = None,
        values: Mapping[str, object] = _NOTHING,
        plural: str | None = None,
    ) -> Text:
        text = super().__new__(cls, english)
        text.pattern = english if pattern is None else pattern
        text.values = values
        text.plural = plural
        return text

    def fill(self, **values: object) -> Text:
        """The text of this pattern with values."""
        return t(self.pattern, **values)


def t(pattern: str, /, **values: object) -> Text:
    """A message. Without values its braces are plain text; an exception as value stands for what it says."""
    if not values:
        return Text(pattern)
    plain = {name: _said(value) for name, value in values.items()}
    return Text(pattern.format_map(plain), pattern, plain)


def tn(one: str, many: str, count: int, /, **values: object) -> Text:
    """A message with a `{count}` in it: `one` where that is 1, `many` where it is anything else, in English."""
    plain = {name: _said(value) for name, value in values.items()}
    plain["count"] = count
    return Text((one if count == 1 else many).format_map(plain), one, plain, many)


def joined(separator: str, parts: Iterable[object]) -> Text:
    """The parts, each of which may be a text, in a row."""
    values = {f"part{number}": _said(part) for number, part in enumerate(parts)}
    # No catalogue knows such a pattern; it is filled in as it stands, with the parts in the reader's language.
    pattern = separator.replace("{", "{{").replace("}", "}}").join(f"{{{name}}}" for name in values)
    return Text(pattern.format_map(values), pattern, values)


def all_of(parts: Iterable[object]) -> Text:
    """ "a", "a and b", "a, b and c"."""
    items = list(parts)
    if len(items) < 2:
        return joined("", items)
    return t("{first} and {last}", first=joined(", ", items[:-1]), last=items[-1])


def any_of(parts: Iterable[object]) -> Text:
    """ "a", "a or b", "a, b or c"."""
    items = list(parts)
    if len(items) < 2:
        return joined("", items)
    return t("{first} or {last}", first=joined(", ", items[:-1]), last=items[-1])


def _said(value: object) -> object:
    if not isinstance(value, BaseException):
        return value
    # `str` of an exception would make plain English of a text.
    return value.args[0] if value.args and isinstance(value.args[0], Text) else str(value)

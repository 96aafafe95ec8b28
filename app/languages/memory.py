"""From plain English back to the pattern it was made of.

Runs keep their errors, and occurrences their reasons, as English text. A reader of another language gets them in
that language all the same: the catalogue's own patterns are matched against the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache

from app.domain.texts import Text

_PLACE = re.compile(r"\\{([A-Za-z_][A-Za-z0-9_]*)\\}")
_FEWEST_LETTERS = 4
"""A pattern with fewer letters of its own would fit too many texts."""
_LONGEST = 1000
_REMEMBERED = 2048


class Memory:
    """Which message a text is.

    Args:
        patterns: Every message as English has it: its pattern, and its plural where it has one.
    """

    def __init__(self, patterns: Iterable[tuple[str, str | None]]) -> None:
        self._plurals = dict(patterns)
        self._remembered = lru_cache(maxsize=_REMEMBERED)(self._recall)

    def recall(self, text: str) -> Text | None:
        """The text with its pattern and values, as texts; None when no pattern fits."""
        # Longer ones are none of ours, and nothing to keep in memory.
        return self._remembered(text) if len(text) <= _LONGEST else None

    @cached_property
    def _forms(self) -> tuple[_Form, ...]:
        """Made when they are first needed: most processes never do."""
        return tuple(sorted(_forms(self._plurals.items()), key=lambda form: -form.weight))

    def _recall(self, text: str) -> Text | None:
        if text in self._plurals:
            plural = self._plurals[text]
            return Text(text) if plural is None else Text(text, text, {"count": "1"}, plural)
        for form in self._forms:
            if fit := form.expression.fullmatch(text):
                # A single word is a name of somebody's, even where it is also a message of ours: a step called "text".
                values = {name: Text(part) if " " in part else part for name, part in fit.groupdict().items()}
                return Text(text, form.pattern, values, form.plural)
        return None


@dataclass(frozen=True, slots=True)
class _Form:
    """A message with places for values; those with the most letters of their own are tried first."""

    pattern: str
    plural: str | None
    expression: re.Pattern[str]
    weight: int


def _forms(patterns: Iterable[tuple[str, str | None]]) -> Iterator[_Form]:
    for pattern, plural in patterns:
        for form in filter(None, (pattern, plural)):
            escaped = re.escape(form.replace("{{", "{").replace("}}", "}"))
            weight = sum(map(str.isalpha, _PLACE.sub("", escaped)))
            if _PLACE.search(escaped) and weight >= _FEWEST_LETTERS:
                yield _Form(pattern, plural, _expression(escaped), weight)


def _expression(escaped: str) -> re.Pattern[str]:
    seen: set[str] = set()

    def group(place: re.Match[str]) -> str:
        name = place[1]
        if name in seen:
            return f"(?P={name})"
        seen.add(name)
        return rf"(?P<{name}>\d+)" if name == "count" else f"(?P<{name}>.+?)"

    return re.compile(_PLACE.sub(group, escaped), re.DOTALL)

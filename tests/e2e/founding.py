"""The founding document as data: its examples by heading, and the comparison of an answer with a sample."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Set
from typing import Any, TypeVar

from tests.servers import REPOSITORY

PAGE = REPOSITORY / "docs" / "reference" / "extensions-api.ro.md"
Key = tuple[str, str, int]
"""Heading, language of the block, and which of them under that heading."""
Test = TypeVar("Test", bound=Callable[..., None])
_PIECE = re.compile(r"^#+ (?P<heading>[^\n]+)$|^```(?P<language>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_PLACE = re.compile(r"\[\d+\]")


def read_examples() -> dict[Key, str]:
    """Every block of the document, from top to bottom."""
    found: dict[Key, str] = {}
    heading = ""
    for piece in _PIECE.finditer(PAGE.read_text(encoding="utf-8")):
        if piece["heading"]:
            heading = piece["heading"]
            continue
        number = sum(1 for key in found if key[:2] == (heading, piece["language"]))
        found[heading, piece["language"], number] = piece["text"]
    return found


EXAMPLES: Mapping[Key, str] = read_examples()
WALKED: set[Key] = set()


def example(heading: str, language: str = "json", number: int = 0) -> str:
    """The text of one block."""
    return EXAMPLES[heading, language, number]


def walks(heading: str, *languages: str) -> Callable[[Test], Test]:
    """Decorator: says which blocks under a heading a test looks at; a language named twice is two of them."""

    def note(test: Test) -> Test:
        WALKED.update((heading, language, languages[:at].count(language)) for at, language in enumerate(languages))
        return test

    return note


def differences(sample: Any, real: Any, *, free: Set[str] = frozenset(), at: str = "") -> Iterator[str]:
    """What of a sample an answer lacks: keys, types, and values but for those at the `free` places.

    An answer may have further keys. Members of a list of objects are found by their `name`, or by their position.
    """
    place = _PLACE.sub("[]", at)
    if type(sample) is not type(real):
        yield f"{at}: {type(sample).__name__} was promised, {real!r} came"
    elif isinstance(sample, dict):
        for key, value in sample.items():
            inner = f"{at}.{key}" if at else key
            if key in real:
                yield from differences(value, real[key], free=free, at=inner)
            else:
                yield f"{inner} is missing"
    elif isinstance(sample, list) and sample and isinstance(sample[0], dict):
        for number, value in enumerate(sample):
            yield from differences(value, _fellow(value, number, real), free=free, at=f"{at}[{number}]")
    elif sample != real and place not in free:
        yield f"{at}: {sample!r} was promised, {real!r} came"


def _fellow(sample: Any, number: int, real: list[Any]) -> Any:
    if "name" in sample:
        return next((one for one in real if one.get("name") == sample["name"]), None)
    return real[number] if number < len(real) else None

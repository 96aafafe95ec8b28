"""Examples in Markdown: taken out of a page, and compared with what really came back."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REST = "…"
"""In shown answers: whatever else there is."""
_BLOCK = re.compile(r"^```(?P<language>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_CHANGING = (
    (re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}\b"), "<id>"),
    (re.compile(r"\b20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"), "<moment>"),
)


@dataclass(frozen=True, slots=True)
class Example:
    """Shell lines and the answer shown for them; `shown` is None where the page shows none."""

    command: str
    shown: str | None


def blocks(page: Path, *languages: str) -> list[tuple[str, str]]:
    """`(language, text)` of the page's fenced blocks in these languages, in order."""
    found = _BLOCK.finditer(page.read_text(encoding="utf-8"))
    return [(block["language"], block["text"]) for block in found if block["language"] in languages]


def examples(page: Path) -> list[Example]:
    """Every `sh` block, with the `json` or `text` block that follows it before the next one."""
    found: list[Example] = []
    for language, text in blocks(page, "sh", "json", "text"):
        if language == "sh":
            found.append(Example(text, None))
        elif found and found[-1].shown is None:
            found[-1] = Example(found[-1].command, text)
    return found


def differences(shown: str, real: str) -> list[str]:
    """What the answer lacks of what the page shows; ids and moments count as equal, whatever they are."""
    if shown.lstrip().startswith("{"):
        expected, actual = list(_documents(shown)), list(_documents(real))
        return list(_compare(expected, actual, "answer"))
    return list(_lines(shown.splitlines(), real.splitlines()))


def steady(text: str) -> str:
    """The text with ids and moments blotted out."""
    for pattern, word in _CHANGING:
        text = pattern.sub(word, text)
    return text


def _documents(text: str) -> Iterator[Any]:
    decoder, rest = json.JSONDecoder(), text.strip()
    while rest:
        value, end = decoder.raw_decode(rest)
        yield value
        rest = rest[end:].lstrip()


def _compare(shown: Any, real: Any, where: str) -> Iterator[str]:
    match shown, real:
        case dict(), dict():
            yield from _compare_members(shown, real, where)
        case list(), list() if len(shown) == len(real):
            for index, (one, other) in enumerate(zip(shown, real, strict=True)):
                yield from _compare(one, other, f"{where}[{index}]")
        case str(), str() if steady(shown) == steady(real):
            return
        case _ if shown != real or type(shown) is not type(real):
            yield f"{where} is {real!r}, the page shows {shown!r}"


def _compare_members(shown: dict[str, Any], real: dict[str, Any], where: str) -> Iterator[str]:
    named = {name: value for name, value in shown.items() if name != REST}
    for name, value in named.items():
        if name in real:
            yield from _compare(value, real[name], f"{where}.{name}")
        else:
            yield f"{where} has no {name!r}, which the page shows"
    unnamed = real.keys() - named.keys()
    # A page that leaves something out has to say so; one that does not shows everything.
    if unnamed and REST not in shown:
        yield f"{where} has {sorted(unnamed)} as well"


def _lines(shown: list[str], real: list[str]) -> Iterator[str]:
    """Lines in order; between two that the page shows, `…` stands for any others."""
    skipping, rest = False, iter(real)
    for line in shown:
        if line == REST:
            skipping = True
            continue
        found = next((other for other in rest if _same(line, other) or not skipping), None)
        if found is None or not _same(line, found):
            yield f"the page shows {line!r}, but there is {found!r}"
            return
        skipping = False


def _same(shown: str, real: str) -> bool:
    return steady(shown) == steady(real)

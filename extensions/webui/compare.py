"""Two texts beside each other: which lines went, which came, and a few around them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from .definition import as_yaml

AROUND = 2
MOST = 2000
"""Lines of each text that are looked at."""
DEFINED = ("title", "payload", "max_retries", "backoff_strategy", "backoff_seconds", "timeout_seconds")
"""What of a task its runs keep as it was."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line.

    Attributes:
        kind: `same`, `gone`, `new`, or `skip` in place of lines that are the same.
    """

    kind: str
    text: str = ""


def compared(before: str, after: str) -> Sequence[Line]:
    """What differs; nothing where nothing does."""
    old, new = before.splitlines()[:MOST], after.splitlines()[:MOST]
    groups = list(SequenceMatcher(None, old, new, autojunk=False).get_grouped_opcodes(AROUND))
    found: list[Line] = []
    for number, group in enumerate(groups):
        if number or group[0][1]:
            found.append(Line("skip"))
        found.extend(line for step in group for line in _lines(step, old, new))
    if groups and groups[-1][-1][2] < len(old):
        found.append(Line("skip"))
    return found


def changed_since(kept: Mapping[str, Any], task: Mapping[str, Any]) -> Sequence[Line]:
    """How a task differs from the definition that one of its runs keeps."""
    names = [name for name in DEFINED if kept[name] != task[name]]
    return compared(as_yaml({name: kept[name] for name in names}), as_yaml({name: task[name] for name in names}))


def _lines(step: tuple[str, int, int, int, int], old: Sequence[str], new: Sequence[str]) -> Iterator[Line]:
    kind, old_from, old_to, new_from, new_to = step
    if kind == "equal":
        yield from (Line("same", text) for text in old[old_from:old_to])
        return
    yield from (Line("gone", text) for text in old[old_from:old_to])
    yield from (Line("new", text) for text in new[new_from:new_to])

"""Which topics a pattern is for, as the platform reads it."""

from __future__ import annotations


def matches(pattern: str, topic: str) -> bool:
    """Whether one of the pattern's parts is for the topic and none of those that begin with `!` is.

    `*` stands for one segment, `**` at the end for all that follow; parts are separated by commas or blanks.
    """
    parts = pattern.replace(",", " ").split()
    wanted = [part for part in parts if not part.startswith("!")]
    unwanted = [part[1:] for part in parts if part.startswith("!")]
    return any(_fits(part, topic) for part in wanted) and not any(_fits(part, topic) for part in unwanted)


def _fits(part: str, topic: str) -> bool:
    asked, given = part.split("."), topic.split(".")
    if asked[-1] == "**":
        asked.pop()
        return len(given) > len(asked) and _same(asked, given)
    return len(asked) == len(given) and _same(asked, given)


def _same(asked: list[str], given: list[str]) -> bool:
    return all(word in ("*", other) for word, other in zip(asked, given, strict=False))

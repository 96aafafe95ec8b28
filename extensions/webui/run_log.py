"""The log of a run: its last lines, or those of a level and with some words in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .shell import Shell

LEVELS = ("debug", "info", "warning", "error")
MOST_LINES = 200
"""Shown at once, and read at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """What is shown of a log.

    Attributes:
        lines: Oldest first; the last `MOST_LINES` of those that fit.
        total: Lines of the whole log.
        level, find: What it is narrowed by; empty for nothing.
        wrap: Whether long lines go on below.
    """

    lines: Sequence[Mapping[str, Any]]
    total: int
    level: str
    find: str
    wrap: bool

    @property
    def narrowed(self) -> bool:
        """Whether lines are left out on the reader's wish."""
        return bool(self.level or self.find)


def read_log(shell: Shell, run_id: str, asked: Mapping[str, str]) -> Log:
    """The log as the address asks for it: `level`, `find` and `wrap`."""
    level = asked.get("level", "")
    level, find = level if level in LEVELS else "", asked.get("find", "").strip()[:200]
    lines, total = _narrowed(shell, run_id, level, find) if level or find else _last(shell, run_id)
    return Log(lines=lines, total=total, level=level, find=find, wrap=asked.get("wrap") != "off")


def whole_log(shell: Shell, run_id: str) -> list[Mapping[str, Any]]:
    """Every line, oldest first."""
    lines: list[Mapping[str, Any]] = []
    more = True
    while more:
        page = shell.context.api.get(f"/runs/{run_id}/logs", limit=MOST_LINES, offset=len(lines))
        lines += page.data["items"] if page.ok else []
        more = page.ok and page.data["has_more"]
    return lines


def _last(shell: Shell, run_id: str) -> tuple[Sequence[Mapping[str, Any]], int]:
    api, path = shell.context.api, f"/runs/{run_id}/logs"
    first = api.get(path, limit=MOST_LINES)
    if not first.ok or not first.data["has_more"]:
        return (first.data["items"], first.data["total"]) if first.ok else ((), 0)
    total = first.data["total"]
    last = api.get(path, limit=MOST_LINES, offset=total - MOST_LINES)
    return last.data["items"] if last.ok else (), total


def _narrowed(shell: Shell, run_id: str, level: str, find: str) -> tuple[Sequence[Mapping[str, Any]], int]:
    lines = whole_log(shell, run_id)
    wanted = LEVELS[LEVELS.index(level) :] if level else LEVELS
    kept = [line for line in lines if line["level"] in wanted and _has(line, find.casefold())]
    return kept[-MOST_LINES:], len(lines)


def _has(line: Mapping[str, Any], words: str) -> bool:
    return words in f"{line['step_id'] or ''} {line['message']}".casefold()

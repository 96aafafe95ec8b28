"""Reading `ORDINAUT_TOOL_LIMITS`."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from config.parsers import Parser, Refused

SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400, "month": 2_592_000}
MOST_CALLS = 100_000
MOST_AT_ONCE = 10_000
_NAME = re.compile(r"\*|[A-Za-z][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*(\.?\*)?")
_RATE = re.compile(rf"(\d{{1,9}})\s*(?:/|\bper\b)\s*(?:(\d{{1,4}})\s*)?({'|'.join(SECONDS)})s?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ToolRule:
    """A limit as it was set: `rates` are pairs of calls and seconds."""

    name: str
    rates: tuple[tuple[int, int], ...]
    concurrency: int | None


@dataclass(frozen=True, slots=True)
class ToolRules:
    """All of them, and the text that set them."""

    rules: tuple[ToolRule, ...]
    text: str

    def __str__(self) -> str:
        """As it was set."""
        return self.text


def _tool_rules(text: str) -> ToolRules:
    if not text:
        return ToolRules((), "")
    given = object_of(text)
    return ToolRules(tuple(_rule(name, wanted) for name, wanted in given.items()), text)


def object_of(text: str) -> dict[str, Any]:
    """An object of JSON, or the one in the file that the text names; a name twice is a mistake."""
    return _loaded(text if text.startswith("{") else _file_text(text))


def check_name(name: str) -> None:
    """Refuse what is neither the address of a tool nor the beginning of some."""
    if len(name) > 128 or not _NAME.fullmatch(name):
        raise Refused(f"{name[:40]!r} is no address of a tool, with or without a `*` at its end")


def _file_text(path: str) -> str:
    try:
        return Path(path).expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise Refused("it is neither an object of JSON nor a file that can be read") from None


def _loaded(text: str) -> dict[str, Any]:
    try:
        given = json.loads(text, object_pairs_hook=_once)
    except json.JSONDecodeError as error:
        raise Refused(f"it is not JSON: {error.msg} at line {error.lineno}, column {error.colno}") from None
    except RecursionError:
        raise Refused("it is nested too deeply") from None
    if not isinstance(given, dict):
        raise Refused("it is not an object")
    return given


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Refused("a name stands there twice")
    return found


def _rule(name: str, wanted: Any) -> ToolRule:
    check_name(name)
    if not isinstance(wanted, dict) or not wanted or not set(wanted) <= {"rate", "concurrency"}:
        raise Refused(f"{name} needs an object with `rate`, `concurrency` or both")
    at_once = wanted.get("concurrency")
    if "concurrency" in wanted and (type(at_once) is not int or not 1 <= at_once <= MOST_AT_ONCE):
        raise Refused(f"the concurrency of {name} has to be a whole number from 1 to {MOST_AT_ONCE}")
    return ToolRule(name, _rates(name, wanted["rate"]) if "rate" in wanted else (), at_once)


def _rates(name: str, text: Any) -> tuple[tuple[int, int], ...]:
    """The lowest for each length of time."""
    found: dict[int, int] = {}
    for part in re.split(r"[;,|]", text if isinstance(text, str) else ""):
        form = _RATE.fullmatch(part.strip())
        calls, seconds = (int(form[1]), int(form[2] or 1) * SECONDS[form[3].lower()]) if form else (0, 0)
        if not (1 <= calls <= MOST_CALLS and 1 <= seconds <= 366 * SECONDS["day"]):
            raise Refused(
                f"the rate of {name} has to be like `10/second` or `10/second;1000/hour`, of 1 to {MOST_CALLS} calls "
                "within a year at most"
            )
        found[seconds] = min(calls, found.get(seconds, calls))
    return tuple(sorted((calls, seconds) for seconds, calls in found.items()))


TOOL_LIMITS = Parser(
    "JSON, or a file with it",
    _tool_rules,
    'an object such as `{"http.request": {"rate": "10/second", "concurrency": 4}}`, or a file that holds one',
)

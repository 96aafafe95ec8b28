"""Evaluation of parsed JMESPath that cannot run away: steps, time and the size of results are bounded."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from math import isfinite
from typing import Any, Final

import orjson
from jmespath import functions
from jmespath.visitor import Options, TreeInterpreter

from app.domain.texts import t

RESULT_LIMIT: Final = 1024 * 1024
DEPTH_LIMIT: Final = 100
VISIT_LIMIT: Final = 1_000_000
SECONDS_LIMIT: Final = 1.0
ALLOCATION_LIMIT: Final = 16 * 1024 * 1024
INTEGER_LIMIT: Final = 2**63

_GROWING: Final = frozenset(
    {
        "multi_select_list",
        "multi_select_dict",
        "projection",
        "value_projection",
        "filter_projection",
        "flatten",
        "slice",
        "function_expression",
    }
)
_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,4})?")
_DURATION: Final = re.compile(r"([0-9]{1,9})([smhdw])")
_LONGEST: Final = 10_000 * 366 * 86_400
_UNITS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}


class EvaluationError(Exception):
    """An expression cannot be evaluated on this data; the message says why, without naming the expression."""


class MissingPath(EvaluationError):
    """An expression names a key or an index that the data does not have."""


def weigh(value: Any, room: int = RESULT_LIMIT) -> int:
    """Returns about how many characters `value` takes as JSON, shared parts counted every time they occur.

    Raises:
        EvaluationError: It weighs more than `room`, is nested deeper than 100 levels, or is not JSON.
    """
    total, depth, level = 0, 0, [value]
    while level:
        depth += 1
        if depth > DEPTH_LIMIT:
            raise EvaluationError(t("the result is nested deeper than {limit} levels", limit=DEPTH_LIMIT))
        below: list[Any] = []
        for item in level:
            total += _weigh_one(item, below)
            if total > room:
                raise EvaluationError(t("the result is larger than {limit} characters", limit=RESULT_LIMIT))
        level = below
    return total


def _weigh_one(item: Any, below: list[Any]) -> int:
    """Weighs one value without its members and appends those to `below`, each already paid for."""
    kind = type(item)
    if kind is str:
        return len(item) + 2
    if kind is dict or isinstance(item, Mapping):
        below.extend(item.values())
        return 2 + len(item) + sum(map(len, item))
    if kind is list or kind is tuple:
        below.extend(item)
        return 2 + len(item)
    return _weigh_scalar(item)


def _weigh_scalar(item: Any) -> int:
    if item is None or item is True or item is False:
        return 4
    if type(item) is int:
        if not -INTEGER_LIMIT <= item < INTEGER_LIMIT:
            raise EvaluationError(t("a number in the result does not fit 64 bits"))
        return 8
    if type(item) is float:
        if not isfinite(item):
            raise EvaluationError(t("a number in the result is not finite"))
        return 8
    raise EvaluationError(t("the result holds a {kind}, which is not JSON", kind=type(item).__name__))


def text_of(value: Any) -> str:
    """Writes a value inside text: text as it is, everything else as JSON (`true`, `null`, `{"a":1}`)."""
    if type(value) is str:
        return value
    if type(value) is int:
        return str(value)
    if isinstance(value, (list, tuple, Mapping)):
        weigh(value)
    return orjson.dumps(value, default=dict).decode()


def parse_duration(text: str) -> timedelta:
    """Reads `90s`, `24h`, `7d`, `1h30m`; units s m h d w, a day is 24 hours.

    Raises:
        EvaluationError: The text is no such duration.
    """
    parts = _DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise EvaluationError(t("`{text}` is not a duration such as 90s, 24h, 7d or 1h30m", text=text))
    seconds = sum(int(number) * _UNITS[unit] for number, unit in parts)
    if seconds > _LONGEST:
        raise EvaluationError(t("`{text}` is longer than 10,000 years", text=text))
    return timedelta(seconds=seconds)


def parse_shift(text: str) -> timedelta:
    """Reads a duration with or without a sign, `-7d`, `+1h30m`; raises what `parse_duration` raises."""
    amount = parse_duration(text[1:] if text[:1] in ("+", "-") else text)
    return -amount if text.startswith("-") else amount


def shift_time(moment: str | datetime, shift: timedelta) -> str:
    """Returns `moment` (RFC 3339 text, or an aware datetime) moved by `shift`, in UTC with `Z` (RFC 3339).

    Raises:
        EvaluationError: The text is no moment with an offset, or the result leaves the years 1 to 9999.
    """
    try:
        parsed = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
        if parsed.tzinfo is None:
            raise EvaluationError(t("`{moment}` has no offset from UTC", moment=moment))
        return (parsed.astimezone(UTC) + shift).isoformat().replace("+00:00", "Z")
    except (ValueError, OverflowError) as error:
        raise EvaluationError(
            t("`{moment}` cannot be moved by {shift}: {error}", moment=moment, shift=shift, error=error)
        ) from error


class Meter:
    """What one rendering has used so far: weight of what it made, nodes visited, memory, time.

    Args:
        most_visits: Nodes it may visit. Where little may be spent this decides, since it is the same each time.
        most_bytes: Of what it makes on its way.

    Attributes:
        exhausted: Whether it was ended because it used too much.
    """

    __slots__ = ("allocated", "deadline", "exhausted", "most_bytes", "most_visits", "visits", "weight")

    def __init__(self, *, most_visits: int = VISIT_LIMIT, most_bytes: int = ALLOCATION_LIMIT) -> None:
        self.most_visits = most_visits
        self.most_bytes = most_bytes
        self.exhausted = False
        self.weight = 0
        self.visits = 0
        self.allocated = 0
        self.deadline: float | None = None

    def add(self, value: Any) -> None:
        """Counts a value that becomes part of the rendered result."""
        if type(value) is str:
            self.weight += len(value)
            if self.weight <= RESULT_LIMIT:
                return
        self.weight += weigh(value, RESULT_LIMIT - self.weight)

    def visit(self) -> None:
        """Counts one node of an expression, and reads the clock at every 64th."""
        self.visits += 1
        if self.visits & 63:
            return
        if self.visits > self.most_visits:
            self.exhausted = True
            raise EvaluationError(t("evaluation takes more than {limit} steps", limit=self.most_visits))
        self.check_time()

    def check_time(self) -> None:
        """Ends an evaluation that has used up its second."""
        now = time.monotonic()
        if self.deadline is None:
            self.deadline = now + SECONDS_LIMIT
        elif now > self.deadline:
            self.exhausted = True
            raise EvaluationError(t("evaluation takes longer than {limit} s", limit=f"{SECONDS_LIMIT:g}"))

    def grew(self, result: Any) -> None:
        """Counts an intermediate result that was newly made."""
        self.check_time()
        if type(result) is str:
            self.allocated += len(result)
        elif isinstance(result, (list, dict)):
            self.allocated += 64 + 8 * len(result)
        if self.allocated > self.most_bytes:
            self.exhausted = True
            raise EvaluationError(t("evaluation makes more than {limit} bytes of results", limit=self.most_bytes))
        if isinstance(result, (str, list, dict)):
            weigh(result)


class Functions(functions.Functions):
    """JMESPath's functions; those that can multiply their input look at the size before they work."""

    @functions.signature({"types": []})
    def _func_to_string(self, value: Any) -> str:
        # Overridden so that text reads as templates write it: letters outside ASCII stay letters.
        return text_of(value)

    @functions.signature({"types": []})
    def _func_to_number(self, value: Any) -> int | float | None:
        # Python reads "nan", "1_000" and " 7 " as numbers; JSON, and so this function, does not.
        if isinstance(value, bool) or not isinstance(value, (int, float, str)):
            return None
        if not isinstance(value, str):
            return value
        if len(value) > 400 or not _NUMBER.fullmatch(value):
            return None
        return int(value) if value.lstrip("-").isdigit() else float(value)

    @functions.signature({"types": ["string"]}, {"types": ["array-string"]})
    def _func_join(self, separator: str, parts: list[str]) -> str:
        if sum(map(len, parts)) + len(separator) * len(parts) > 2 * RESULT_LIMIT:
            raise EvaluationError(t("the result is larger than {limit} characters", limit=RESULT_LIMIT))
        return separator.join(parts)

    @functions.signature({"types": ["string"]}, {"types": ["string"]})
    def _func_add_time(self, moment: str, shift: str) -> str:
        return shift_time(moment, parse_shift(shift))


_OPTIONS: Final = Options(custom_functions=Functions())


class Interpreter(TreeInterpreter):
    """Walks one expression; every visit and every new result is counted by the meter."""

    def __init__(self, meter: Meter) -> None:
        super().__init__(_OPTIONS)
        self._meter = meter

    def visit(self, node: Any, *args: Any, **kwargs: Any) -> Any:
        """Evaluates a node on a value.

        Raises:
            EvaluationError: A limit is reached, or a path of a strict node does not exist.
        """
        self._meter.visit()
        result = super().visit(node, *args, **kwargs)
        if node["type"] in _GROWING:
            self._meter.grew(result)
        return result

    def visit_strict_field(self, node: Any, value: Any) -> Any:
        """A field that has to be there; `null` as its value is fine."""
        name = node["value"]
        if isinstance(value, Mapping) and name in value:
            return value[name]
        raise MissingPath(t("there is no `{name}` in {value}", name=name, value=describe(value)))

    def visit_strict_index(self, node: Any, value: Any) -> Any:
        """An element of a list that has to be there."""
        position = node["value"]
        if isinstance(value, list) and -len(value) <= position < len(value):
            return value[position]
        raise MissingPath(t("there is no element {position} in {value}", position=position, value=describe(value)))


def describe(value: Any) -> str:
    """Says in a few words what a value is, for a message about something it lacks; never its contents."""
    if isinstance(value, Mapping):
        names = [str(name) for name in list(value)[:8]]
        more = ", …" if len(value) > len(names) else ""
        return t("an object with the keys {names}", names=", ".join(names) + more) if names else t("an empty object")
    if isinstance(value, list):
        return t("a list of {count}", count=len(value))
    kinds = {str: t("a text"), bool: t("a boolean"), int: t("a number"), float: t("a number")}
    return "null" if value is None else kinds.get(type(value), type(value).__name__)

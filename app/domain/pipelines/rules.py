"""What the value of each key of a step has to be."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from app.domain.pipelines import model
from app.domain.texts import t


@dataclass(frozen=True, slots=True)
class Rule:
    """What the value of a key has to be."""

    holds: Callable[[Any], bool]
    wanted: str
    hint: str


def kind_of(value: Any) -> str:
    """Names the JSON type of a value, with its article."""
    kinds = {dict: t("an object"), list: t("a list"), str: t("a text"), bool: t("a boolean"), int: t("a number")}
    return "null" if value is None else kinds.get(type(value), t("a number"))


def shown(value: Any) -> str:
    """Shows a value in a message: short ones as JSON, objects and lists by their type."""
    if isinstance(value, (dict, list)):
        return kind_of(value)
    text = orjson.dumps(value, default=str).decode()
    return text if len(text) <= 60 else text[:59] + "…"


def _is_name(value: Any) -> bool:
    return _matches(model.ID_PATTERN, value)


def _is_number(value: Any, low: float, high: float) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and low <= value <= high


def _is_error_type(value: Any) -> bool:
    return _matches(model.ERROR_TYPE_PATTERN, value)


def _matches(pattern: str, value: Any) -> bool:
    # JSON Schema wants ^ and $; Python's $ would let a newline at the end pass.
    fits = isinstance(value, str) and len(value) <= model.NAME_LIMIT
    return fits and re.fullmatch(pattern.strip("^$"), value) is not None


def _are_branches(value: Any) -> bool:
    return (
        isinstance(value, list)
        and 1 <= len(value) <= model.BRANCHES_LIMIT
        and all(isinstance(branch, list) and branch for branch in value)
    )


_NAME_HINT: Final = t("Letters, digits, _ and -, beginning with a letter or _; at most 100 characters.")

RULES: Final[Mapping[str, Rule]] = {
    "id": Rule(_is_name, t("a name"), _NAME_HINT),
    "uses": Rule(
        lambda value: isinstance(value, str) and value != "",
        t("the name of a tool"),
        t("For example http.request."),
    ),
    "with": Rule(lambda value: isinstance(value, dict), t("an object"), t('For example {"url": "${params.url}"}.')),
    "save_as": Rule(lambda value: value is None or _is_name(value), t("a name"), _NAME_HINT),
    "if": Rule(
        lambda value: value is None or isinstance(value, (str, bool)),
        t("an expression or a boolean"),
        t("For example steps.weather.temperature > 25."),
    ),
    "foreach": Rule(
        lambda value: isinstance(value, list) or (isinstance(value, str) and "${" in value),
        t("a list or a template"),
        t("For example ${steps.search.items}."),
    ),
    "max_parallel": Rule(
        lambda value: isinstance(value, int) and _is_number(value, 1, model.PARALLEL_LIMIT),
        t("a whole number from 1 to {limit}", limit=model.PARALLEL_LIMIT),
        t("The default is 1."),
    ),
    "parallel": Rule(
        _are_branches,
        t("a list of 1 to {limit} branches, each a list of steps", limit=model.BRANCHES_LIMIT),
        t('For example [[{"uses": "…"}], [{"uses": "…"}]].'),
    ),
    "timeout_seconds": Rule(
        lambda value: _is_number(value, 0, model.TIMEOUT_LIMIT) and value > 0,
        t("a number of seconds above 0 and up to {limit}", limit=model.TIMEOUT_LIMIT),
        t("The default is 30."),
    ),
    "max_retries": Rule(
        lambda value: isinstance(value, int) and _is_number(value, 0, model.RETRIES_LIMIT),
        t("a whole number from 0 to {limit}", limit=model.RETRIES_LIMIT),
        t("The default is 0."),
    ),
    "backoff_strategy": Rule(
        lambda value: value in model.BACKOFF_STRATEGIES,
        t("one of {names}", names=", ".join(model.BACKOFF_STRATEGIES)),
        t("The default is exponential_jitter."),
    ),
    "backoff_seconds": Rule(
        lambda value: _is_number(value, 0, model.BACKOFF_LIMIT),
        t("a number of seconds from 0 to {limit}", limit=model.BACKOFF_LIMIT),
        t("The default is 5."),
    ),
    "retry_on": Rule(
        lambda value: isinstance(value, list) and len(value) <= 50 and all(map(_is_error_type, value)),
        t("a list of error types in snake_case"),
        t('For example ["timeout"]; an empty list retries every error that another attempt may mend.'),
    ),
    "on_error": Rule(
        lambda value: value in model.ON_ERROR,
        t("one of {names}", names=", ".join(model.ON_ERROR)),
        t("With continue the output is {error}."),
    ),
    "on_unknown": Rule(
        lambda value: value in model.ON_UNKNOWN,
        t("one of {names}", names=", ".join(model.ON_UNKNOWN)),
        t("When left out, the tool says whether it may be called again."),
    ),
}

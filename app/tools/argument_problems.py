"""Sentences for what is wrong with the arguments of a tool.

A sentence names the argument and the rule, never the value: a value may be a secret.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from difflib import get_close_matches
from typing import Any

from jsonschema_rs import ValidationError

from app.domain.errors import Problem

_CHOICES = ("anyOf", "oneOf")
_SELECTORS = ("type", "const", "enum")
_TYPE_WORDS = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "object": "an object",
    "array": "a list",
    "null": "null",
}


def problems_of(errors: Iterable[ValidationError], known: Sequence[str]) -> list[Problem]:
    """Every problem once, in the order of the arguments; `known` are the tool's argument names."""
    found: dict[tuple[str, str], Problem] = {}
    for error in errors:
        for problem in _problems(error, known):
            found.setdefault((problem.pointer, problem.message), problem)
    return sorted(found.values(), key=lambda problem: problem.pointer)


def _problems(error: ValidationError, known: Sequence[str]) -> Iterator[Problem]:
    keyword = error.kind.name
    if keyword == "required":
        path = [*error.instance_path, error.kind.value]
        yield Problem(_pointer(path), f"{_field(path)} is missing")
    elif keyword in ("additionalProperties", "unevaluatedProperties"):
        for name in error.kind.value:
            yield _unknown(error.instance_path, str(name), known)
    elif keyword == "propertyNames":
        path = list(error.instance_path)
        yield Problem(_pointer(path), f"{_field(path)} has a member whose name is not allowed")
    elif keyword in _CHOICES:
        yield from _choice(error, known)
    else:
        path = list(error.instance_path)
        yield Problem(_pointer(path), f"{_field(path)} {_rule(keyword, error.kind.value)}")


def _choice(error: ValidationError, known: Sequence[str]) -> Iterator[Problem]:
    """The problems of the one alternative the caller clearly meant, else one sentence for all of them."""
    path = list(error.instance_path)
    branches: Any = error.kind.value if isinstance(error.kind.value, list) else []
    meant = [branch for branch in branches if branch and not any(map(_selects, branch))]
    if len(meant) == 1:
        for inner in meant[0]:
            yield from _problems(inner, known)
        return
    types = [inner.kind.value for branch in branches for inner in branch if inner.kind.name == "type"]
    if len(types) == len(branches) > 0:
        yield Problem(_pointer(path), f"{_field(path)} must be {_types(types)}")
    else:
        yield Problem(_pointer(path), f"{_field(path)} has none of the allowed forms")


def _selects(error: ValidationError) -> bool:
    return error.kind.name in _SELECTORS


def _unknown(parent: Sequence[str | int], name: str, known: Sequence[str]) -> Problem:
    path = [*parent, name]
    near = [] if parent else get_close_matches(name, known, n=1)
    hint = f"Did you mean `{near[0]}`?" if near else ""
    return Problem(_pointer(path), f"{_field(path)} is not known here", hint)


def _pointer(path: Iterable[str | int]) -> str:
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


def _field(path: Sequence[str | int]) -> str:
    return f"`{'.'.join(map(str, path))}`" if path else "The whole of the arguments"


def _types(names: Any) -> str:
    flat: list[str] = []
    for name in names if isinstance(names, list) else [names]:
        flat.extend(name if isinstance(name, list) else [name])
    words = [_TYPE_WORDS.get(name, name) for name in dict.fromkeys(flat)]
    return " or ".join(words)


def _at_least(limit: int, things: str) -> str:
    return "must not be empty" if limit == 1 else f"must have at least {limit} {things}"


_RULES: dict[str, Callable[[Any], str]] = {
    "type": lambda names: f"must be {_types(names)}",
    "enum": lambda options: "must be one of " + ", ".join(map(_shown, options)),
    "const": lambda value: f"must be {_shown(value)}",
    "minimum": lambda limit: f"must be at least {limit}",
    "maximum": lambda limit: f"must be at most {limit}",
    "exclusiveMinimum": lambda limit: f"must be more than {limit}",
    "exclusiveMaximum": lambda limit: f"must be less than {limit}",
    "multipleOf": lambda step: f"must be a multiple of {step}",
    "minLength": lambda limit: _at_least(limit, "characters"),
    "maxLength": lambda limit: f"must have at most {limit} characters",
    "minItems": lambda limit: _at_least(limit, "items"),
    "maxItems": lambda limit: f"must have at most {limit} items",
    "minProperties": lambda limit: _at_least(limit, "members"),
    "maxProperties": lambda limit: f"must have at most {limit} members",
    "uniqueItems": lambda _: "must not repeat an item",
    "pattern": lambda pattern: f"must match the pattern {pattern}",
    "format": lambda name: f"must be a valid {name}",
    "not": lambda _: "has a form that is not allowed",
}


def _rule(keyword: str, value: Any) -> str:
    rule = _RULES.get(keyword)
    return rule(value) if rule else f"does not satisfy `{keyword}` of the tool's schema"


def _shown(value: Any) -> str:
    return f"`{value}`" if isinstance(value, str) else str(value).lower() if value is not None else "null"

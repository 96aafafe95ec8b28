"""Sentences for what is wrong with the arguments of a tool.

A sentence names the argument and the rule, never the value: a value may be a secret.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from difflib import get_close_matches
from functools import reduce
from typing import Any

from jsonschema_rs import ValidationError

from app.domain.errors import Problem
from app.domain.texts import Text, t

_CHOICES = ("anyOf", "oneOf")
_SELECTORS = ("type", "const", "enum")
_TYPE_WORDS = {
    "string": t("text"),
    "integer": t("a whole number"),
    "number": t("a number"),
    "boolean": t("true or false"),
    "object": t("an object"),
    "array": t("a list"),
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
        yield Problem(_pointer(path), t("{field} is missing", field=_field(path)))
    elif keyword in ("additionalProperties", "unevaluatedProperties"):
        for name in error.kind.value:
            yield _unknown(error.instance_path, str(name), known)
    elif keyword == "propertyNames":
        path = list(error.instance_path)
        yield Problem(_pointer(path), t("{field} has a member whose name is not allowed", field=_field(path)))
    elif keyword in _CHOICES:
        yield from _choice(error, known)
    else:
        path = list(error.instance_path)
        yield Problem(_pointer(path), _broken(_field(path), keyword, error.kind.value))


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
        yield Problem(_pointer(path), t("{field} must be {what}", field=_field(path), what=_types(types)))
    else:
        yield Problem(_pointer(path), t("{field} has none of the allowed forms", field=_field(path)))


def _selects(error: ValidationError) -> bool:
    return error.kind.name in _SELECTORS


def _unknown(parent: Sequence[str | int], name: str, known: Sequence[str]) -> Problem:
    path = [*parent, name]
    near = [] if parent else get_close_matches(name, known, n=1)
    hint = t("Did you mean `{name}`?", name=near[0]) if near else ""
    return Problem(_pointer(path), t("{field} is not known here", field=_field(path)), hint)


def _pointer(path: Iterable[str | int]) -> str:
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


def _field(path: Sequence[str | int]) -> str:
    return f"`{'.'.join(map(str, path))}`" if path else t("The whole of the arguments")


def _types(names: Any) -> str:
    flat: list[str] = []
    for name in names if isinstance(names, list) else [names]:
        flat.extend(name if isinstance(name, list) else [name])
    words: list[str] = [_TYPE_WORDS.get(name, name) for name in dict.fromkeys(flat)]
    return reduce(lambda first, last: t("{first} or {last}", first=first, last=last), words)


def _shown(value: Any) -> str:
    return f"`{value}`" if isinstance(value, str) else str(value).lower() if value is not None else "null"


_RULES: dict[str, tuple[Text, Callable[[Any], object]]] = {
    "type": (t("{field} must be {what}"), _types),
    "enum": (t("{field} must be one of {what}"), lambda options: ", ".join(map(_shown, options))),
    "const": (t("{field} must be {what}"), _shown),
    "minimum": (t("{field} must be at least {what}"), str),
    "maximum": (t("{field} must be at most {what}"), str),
    "exclusiveMinimum": (t("{field} must be more than {what}"), str),
    "exclusiveMaximum": (t("{field} must be less than {what}"), str),
    "multipleOf": (t("{field} must be a multiple of {what}"), str),
    "minLength": (t("{field} must have at least {what} characters"), str),
    "maxLength": (t("{field} must have at most {what} characters"), str),
    "minItems": (t("{field} must have at least {what} items"), str),
    "maxItems": (t("{field} must have at most {what} items"), str),
    "minProperties": (t("{field} must have at least {what} members"), str),
    "maxProperties": (t("{field} must have at most {what} members"), str),
    "uniqueItems": (t("{field} must not repeat an item"), str),
    "pattern": (t("{field} must match the pattern {what}"), str),
    "format": (t("{field} must be a valid {what}"), str),
    "not": (t("{field} has a form that is not allowed"), lambda _: ""),
}
_LEASTS = frozenset({"minLength", "minItems", "minProperties"})


def _broken(field: str, keyword: str, value: Any) -> Text:
    """The sentence that names the rule."""
    if keyword in _LEASTS and value == 1:
        return t("{field} must not be empty", field=field)
    if keyword not in _RULES:
        return t("{field} does not satisfy `{keyword}` of the tool's schema", field=field, keyword=keyword)
    pattern, shown = _RULES[keyword]
    return pattern.fill(field=field, what=shown(value))

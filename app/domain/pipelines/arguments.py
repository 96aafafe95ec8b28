"""A tool's arguments before they are rendered: what can be said while some are still templates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from app.domain.errors import Problem
from app.domain.templates import holds_expression

# A schema with one of these judges an object or a list by values that may still be templates.
_JUDGING: Final = frozenset(
    {
        "$ref",
        "allOf",
        "anyOf",
        "const",
        "contains",
        "dependentSchemas",
        "enum",
        "if",
        "not",
        "oneOf",
        "unevaluatedProperties",
        "uniqueItems",
    }
)


def certain_problems(
    problems: Sequence[Problem], arguments: Mapping[str, Any], schema: Mapping[str, Any]
) -> tuple[Problem, ...]:
    """Keeps the problems that no rendering can mend; a template may become a value of any type.

    Args:
        problems: What the schema finds in the arguments as they are written; pointers relative to them.
        arguments: The arguments, templates unrendered.
        schema: The tool's JSON Schema.
    """
    templates = tuple(_templates(arguments, ""))
    return tuple(problem for problem in problems if not _may_vanish(problem, arguments, schema, templates))


def _templates(value: Any, pointer: str) -> Iterator[str]:
    """Yields the pointer of every string that holds an expression."""
    if isinstance(value, str):
        if holds_expression(value):
            yield pointer
    elif isinstance(value, Mapping):
        for key, member in value.items():
            yield from _templates(member, f"{pointer}/{escape_token(str(key))}")
    elif isinstance(value, list):
        for position, member in enumerate(value):
            yield from _templates(member, f"{pointer}/{position}")


def escape_token(key: str) -> str:
    """Writes a key as one token of a JSON pointer (RFC 6901)."""
    return key.replace("~", "~0").replace("/", "~1")


def _may_vanish(
    problem: Problem, arguments: Mapping[str, Any], schema: Mapping[str, Any], templates: tuple[str, ...]
) -> bool:
    place = problem.pointer
    if any(place == template or place.startswith(template + "/") for template in templates):
        return True
    if not any(template.startswith(place + "/") for template in templates):
        return False
    tokens = [token.replace("~1", "/").replace("~0", "~") for token in place.split("/")[1:]]
    judge, value = _descend(schema, arguments, tokens)
    if judge is not None and not _JUDGING & judge.keys():
        return False
    return not any(name in problem.message for name in _wrong_names(judge or {}, value))


def _descend(schema: Any, value: Any, tokens: list[str]) -> tuple[Mapping[str, Any] | None, Any]:
    """Follows a pointer through the schema and the value; the schema is None where it is not plain."""
    for token in tokens:
        if isinstance(value, list):
            value = value[int(token)]
            schema = schema.get("items") if isinstance(schema, Mapping) else None
        else:
            value = value[token]
            members = schema.get("properties", {}) if isinstance(schema, Mapping) else {}
            schema = members.get(token)
    return (schema if isinstance(schema, Mapping) else None), value


def _wrong_names(schema: Mapping[str, Any], value: Any) -> set[str]:
    """Names that are missing, or that must not be there, whatever the values turn out to be."""
    if not isinstance(value, Mapping):
        return set()
    wrong = set(schema.get("required", ())) - value.keys()
    if schema.get("additionalProperties") is False:
        wrong |= value.keys() - schema.get("properties", {}).keys()
    return wrong

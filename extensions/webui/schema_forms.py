"""Forms made from a JSON Schema: a field for each member, and what was filled in as the schema has it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .definition import Unreadable, as_yaml, from_yaml

MEMBER = "form."
"""Before the names of members, so that they never meet a form's own fields."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One member.

    Attributes:
        name: Of the field, with `MEMBER` before it.
        kind: `choice`, `yes_no`, `number`, `long` (a value of several lines, as YAML) or `text`.
        choices: For `choice`.
        hint: What the schema says of it.
    """

    name: str
    label: str
    kind: str
    needed: bool
    choices: Sequence[str] = ()
    hint: str = ""


def fields_of(schema: Mapping[str, Any] | None) -> list[Field]:
    """The fields of an object's members, in the schema's order."""
    known = schema or {}
    needed = known.get("required", ())
    return [_field(name, one, name in needed) for name, one in known.get("properties", {}).items()]


def _field(name: str, schema: Mapping[str, Any], needed: bool) -> Field:
    return Field(
        name=MEMBER + name,
        label=str(schema.get("title") or name),
        kind=_kind(schema),
        needed=needed,
        choices=[str(one) for one in schema.get("enum", ())],
        hint=str(schema.get("description", "")),
    )


def _kind(schema: Mapping[str, Any]) -> str:
    if "enum" in schema:
        return "choice"
    kind = schema.get("type")
    if kind == "boolean":
        return "yes_no"
    if kind in ("integer", "number"):
        return "number"
    return "text" if kind == "string" else "long"


def values_of(example: Mapping[str, Any]) -> dict[str, str]:
    """A value of the schema as the fields have it."""
    return {MEMBER + name: _written(value) for name, value in example.items()}


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    return as_yaml(value).rstrip("\n")


def sent(form: Mapping[str, str]) -> dict[str, str]:
    """The members among the fields that were sent."""
    return {name: value for name, value in form.items() if name.startswith(MEMBER)}


def filled(schema: Mapping[str, Any], values: Mapping[str, str]) -> dict[str, Any]:
    """What was filled in, each member as its schema has it; members that were left empty are left out."""
    properties = schema.get("properties", {})
    members = {name.removeprefix(MEMBER): text for name, text in values.items() if text != ""}
    return {name: _typed(properties.get(name, {}), text) for name, text in members.items()}


def _typed(schema: Mapping[str, Any], text: str) -> Any:
    if schema.get("type") == "string" or text in schema.get("enum", ()):
        return text
    try:
        return from_yaml(text)
    except Unreadable:
        return text  # the API says what it should have been

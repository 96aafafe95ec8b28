"""What pydantic found wrong, in plain English that names the field."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel, ValidationError

from app.domain.errors import InvalidInput, Problem

_TIME = "must be a time such as 2026-11-24T08:30:00Z (RFC 3339)"
_WHOLE = "must be a whole number"
_NUMBER = "must be a number"
_FLAG = "must be true or false"
_OBJECT = "must be an object"
_SENTENCES: Mapping[str, str] = MappingProxyType(
    {
        "missing": "is required",
        "extra_forbidden": "is not a known field",
        "string_type": "must be a string",
        "string_too_short": "must have at least {min_length} characters",
        "string_too_long": "must have at most {max_length} characters",
        "string_pattern_mismatch": "does not have the expected form: {pattern}",
        "string_unicode": "must be valid Unicode text",
        "int_type": _WHOLE,
        "int_parsing": _WHOLE,
        "int_from_float": _WHOLE,
        "int_parsing_size": "is too large a number",
        "float_type": _NUMBER,
        "float_parsing": _NUMBER,
        "finite_number": "must be a finite number",
        "bool_type": _FLAG,
        "bool_parsing": _FLAG,
        "list_type": "must be a list",
        "tuple_type": "must be a list",
        "dict_type": _OBJECT,
        "model_type": _OBJECT,
        "model_attributes_type": _OBJECT,
        "too_short": "must have at least {min_length} items",
        "too_long": "must have at most {max_length} items",
        "greater_than": "must be more than {gt}",
        "greater_than_equal": "must be {ge} or more",
        "less_than": "must be less than {lt}",
        "less_than_equal": "must be {le} or less",
        "literal_error": "must be one of {expected}",
        "enum": "must be one of {expected}",
        "none_required": "must be null",
        "datetime_type": _TIME,
        "datetime_parsing": _TIME,
        "datetime_from_date_parsing": _TIME,
        "datetime_object_invalid": _TIME,
        "timezone_aware": "needs a time zone, such as Z or +02:00",
    }
)


def invalid_input(error: ValidationError, model: type[BaseModel]) -> InvalidInput:
    """Everything pydantic found, as one refusal; values the client sent are never repeated back."""
    found = error.errors(include_url=False, include_input=False)
    names = [field.alias or name for name, field in model.model_fields.items()]
    return InvalidInput([_problem(one, names) for one in found])


def pointer_to(location: Iterable[int | str]) -> str:
    """The JSON pointer (RFC 6901) of a location: `("a/b", 0)` -> `/a~1b/0`."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in location)


def _problem(found: Mapping[str, Any], names: list[str]) -> Problem:
    location = found["loc"]
    name = f"'{'.'.join(str(part) for part in location)}'" if location else "The body"
    hint = ""
    if found["type"] == "extra_forbidden" and len(location) == 1:
        hint = _nearest(str(location[0]), names)
    return Problem(pointer_to(location), f"{name} {_sentence(found)}", hint)


def _sentence(found: Mapping[str, Any]) -> str:
    pattern = _SENTENCES.get(found["type"])
    if pattern is None:
        message = str(found["msg"]).removeprefix("Value error, ")
        return f"is not acceptable: {message}"
    return pattern.format_map({**found.get("ctx", {})})


def _nearest(name: str, names: list[str]) -> str:
    close = difflib.get_close_matches(name, names, n=1)
    return f"Did you mean '{close[0]}'?" if close else ""

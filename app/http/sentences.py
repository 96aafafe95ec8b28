"""What pydantic found wrong, in plain English that names the field."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel, ValidationError

from app.domain.errors import InvalidInput, Problem
from app.domain.texts import Text, any_of, t

_OR = re.compile(r", | or ")
"""How pydantic separates the values it expected."""
_TIME = t("{field} must be a time such as 2026-11-24T08:30:00Z (RFC 3339)")
_WHOLE = t("{field} must be a whole number")
_NUMBER = t("{field} must be a number")
_FLAG = t("{field} must be true or false")
_OBJECT = t("{field} must be an object")
_SENTENCES: Mapping[str, Text] = MappingProxyType(
    {
        "missing": t("{field} is required"),
        "extra_forbidden": t("{field} is not a known field"),
        "string_type": t("{field} must be a string"),
        "string_too_short": t("{field} must have at least {min_length} characters"),
        "string_too_long": t("{field} must have at most {max_length} characters"),
        "string_pattern_mismatch": t("{field} does not have the expected form: {pattern}"),
        "string_unicode": t("{field} must be valid Unicode text"),
        "int_type": _WHOLE,
        "int_parsing": _WHOLE,
        "int_from_float": _WHOLE,
        "int_parsing_size": t("{field} is too large a number"),
        "float_type": _NUMBER,
        "float_parsing": _NUMBER,
        "finite_number": t("{field} must be a finite number"),
        "bool_type": _FLAG,
        "bool_parsing": _FLAG,
        "list_type": t("{field} must be a list"),
        "tuple_type": t("{field} must be a list"),
        "dict_type": _OBJECT,
        "model_type": _OBJECT,
        "model_attributes_type": _OBJECT,
        "too_short": t("{field} must have at least {min_length} items"),
        "too_long": t("{field} must have at most {max_length} items"),
        "greater_than": t("{field} must be more than {gt}"),
        "greater_than_equal": t("{field} must be {ge} or more"),
        "less_than": t("{field} must be less than {lt}"),
        "less_than_equal": t("{field} must be {le} or less"),
        "literal_error": t("{field} must be one of {expected}"),
        "enum": t("{field} must be one of {expected}"),
        "none_required": t("{field} must be null"),
        "datetime_type": _TIME,
        "datetime_parsing": _TIME,
        "datetime_from_date_parsing": _TIME,
        "datetime_object_invalid": _TIME,
        "timezone_aware": t("{field} needs a time zone, such as Z or +02:00"),
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
    name = f"'{'.'.join(str(part) for part in location)}'" if location else t("The body")
    hint = ""
    if found["type"] == "extra_forbidden" and len(location) == 1:
        hint = _nearest(str(location[0]), names)
    return Problem(pointer_to(location), _sentence(name, found), hint)


def _sentence(name: str, found: Mapping[str, Any]) -> Text:
    context = found.get("ctx", {})
    pattern = _SENTENCES.get(found["type"])
    if pattern is None:
        reason = context.get("error", str(found["msg"]))
        return t("{field} is not acceptable: {reason}", field=name, reason=reason)
    facts = dict(context)
    if "expected" in facts:
        facts["expected"] = any_of(_OR.split(facts["expected"]))
    return pattern.fill(field=name, **facts)


def _nearest(name: str, names: list[str]) -> str:
    close = difflib.get_close_matches(name, names, n=1)
    return t("Did you mean '{name}'?", name=close[0]) if close else ""

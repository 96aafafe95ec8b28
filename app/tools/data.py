"""`data.set` and `data.transform`: values made of values, with nothing outside the run touched."""

from __future__ import annotations

from typing import Any

import orjson

from app.domain.expressions import TemplateError, TemplateSyntaxError, compile_expression
from app.domain.texts import joined, t
from ordinaut.tools import Tool, ToolCall, ToolFailed

MAX_BYTES = 1_048_576
"""Size of a value, as JSON, that these tools take and give."""


def data_set_tool() -> Tool:
    """`data.set`: gives a name to a value that later steps use."""
    return Tool(
        name="data.set",
        description=t("Returns the value it is given, so that later steps can refer to it by this step's id."),
        schema={
            "type": "object",
            "additionalProperties": False,
            "required": ["value"],
            "properties": {"value": {"description": "Any value, at most 1 MiB as JSON."}},
        },
        run=lambda call: _bounded(call.arguments["value"], "`value`"),
        pure=True,
        idempotent=True,
        examples=({"value": {"greeting": "Hello", "count": 3}},),
    )


def data_transform_tool() -> Tool:
    """`data.transform`: a JMESPath expression over data."""
    return Tool(
        name="data.transform",
        description=t("Evaluates a JMESPath expression on the data and returns its result."),
        schema={
            "type": "object",
            "additionalProperties": False,
            "required": ["expression", "data"],
            "properties": {
                "expression": {
                    "type": "string",
                    "minLength": 1,
                    "maxLength": 1000,
                    "description": "JMESPath; a path that does not exist gives null.",
                },
                "data": {"description": "Any value, at most 1 MiB as JSON."},
            },
        },
        run=_transform,
        pure=True,
        idempotent=True,
        examples=(
            {
                "expression": "items[?price > `10`].name",
                "data": {"items": [{"name": "Tea", "price": 12}]},
            },
        ),
    )


def _transform(call: ToolCall) -> Any:
    data = _bounded(call.arguments["data"], "`data`")
    try:
        expression = compile_expression(call.arguments["expression"], strict=False)
    except TemplateSyntaxError as error:
        message = joined(". ", [error.message, error.hint]) if error.hint else joined("", [error.message, "."])
        raise ToolFailed(message, type="invalid_arguments", retryable=False) from None
    try:
        result = expression.evaluate(data)
    except TemplateError as error:
        raise ToolFailed(error.message, type="transform_failed", retryable=False) from None
    return _bounded(result, t("The result"))


def _bounded(value: Any, what: str) -> Any:
    try:
        size = len(orjson.dumps(value))
    except (orjson.JSONEncodeError, RecursionError):
        raise ToolFailed(
            t("{what} cannot be written as JSON", what=what), type="invalid_value", retryable=False
        ) from None
    if size > MAX_BYTES:
        raise ToolFailed(
            t("{what} is larger than {limit} bytes", what=what, limit=MAX_BYTES),
            type="value_too_large",
            retryable=False,
            details={"bytes": size, "limit_bytes": MAX_BYTES},
        )
    return value

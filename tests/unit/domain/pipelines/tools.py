"""A few tools as validation sees them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import jsonschema_rs

from app.domain.errors import Problem

SCHEMAS: dict[str, dict[str, Any]] = {
    "http.request": {
        "type": "object",
        "properties": {
            "method": {"enum": ["GET", "POST"]},
            "url": {"type": "string", "format": "uri"},
            "headers": {"type": "object", "additionalProperties": {"type": "string"}},
            "json": {},
            "body": {"type": "string"},
            "expect_status": {"type": "array", "items": {"type": "integer"}},
        },
        "required": ["url"],
        "additionalProperties": False,
        "not": {"required": ["json", "body"]},
    },
    "data.set": {"type": "object", "properties": {"value": {}}, "required": ["value"]},
    "log.write": {
        "type": "object",
        "properties": {"message": {"type": "string"}, "level": {"$ref": "#/$defs/level"}},
        "required": ["message"],
        "$defs": {"level": {"enum": ["info", "error"]}},
    },
}


class FewTools:
    """`ToolSchemas` over the table above."""

    def get_schema(self, name: str) -> Mapping[str, Any] | None:
        return SCHEMAS.get(name)

    def names(self) -> Iterable[str]:
        return SCHEMAS

    def argument_problems(self, name: str, arguments: Mapping[str, Any]) -> list[Problem]:
        found = jsonschema_rs.Draft202012Validator(SCHEMAS[name]).iter_errors(dict(arguments))
        return [Problem("".join(f"/{key}" for key in one.instance_path), one.message) for one in found]

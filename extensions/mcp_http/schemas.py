"""JSON Schema of everything that goes in and out here."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ordinaut import ToolInfo

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_TEXT = {"type": "string"}
_SERVER = {
    "type": "object",
    "required": ["name", "version"],
    "properties": {"name": _TEXT, "version": _TEXT},
}
ENVELOPES: dict[str, Any] = {
    "handshake_request": {
        "type": "object",
        "required": ["client"],
        "properties": {
            "client": {
                "type": "object",
                "required": ["name"],
                "properties": {
                    "name": {"type": "string", "minLength": 1, "maxLength": 200},
                    "version": {"type": "string", "maxLength": 100},
                },
            }
        },
    },
    "handshake_response": {
        "type": "object",
        "required": ["server", "session_id"],
        "properties": {"server": _SERVER, "session_id": {"type": "string", "pattern": "^sess-[0-9a-f-]{36}$"}},
    },
    "invoke_request": {
        "type": "object",
        "additionalProperties": False,
        "required": ["tool"],
        "properties": {
            "tool": {"type": "string", "minLength": 1, "maxLength": 128},
            "parameters": {"type": "object", "default": {}},
        },
    },
    "invoke_response": {
        "type": "object",
        "required": ["success", "result"],
        "properties": {"success": {"const": True}, "result": {"description": "As the tool's `output` describes it."}},
    },
    "error": {
        "type": "object",
        "required": ["error", "message", "details"],
        "properties": {"error": _TEXT, "message": _TEXT, "details": {"type": "object"}},
    },
}


def document(tools: Iterable[ToolInfo]) -> dict[str, Any]:
    """The envelopes under `$defs`, and under `tools` what each takes (`parameters`) and gives (`output`)."""
    return {
        "$schema": DIALECT,
        "title": "Ordinaut tools over HTTP",
        "$defs": ENVELOPES,
        "tools": {tool.name: {"parameters": dict(tool.parameters), "output": tool.output_schema} for tool in tools},
    }

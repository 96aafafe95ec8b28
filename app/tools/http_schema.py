"""The arguments and the answer of `http.request`, as JSON Schema 2020-12."""

from __future__ import annotations

from typing import Any

MAX_SECONDS = 30
METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE")

_STATUS = {"type": "integer", "minimum": 100, "maximum": 599}
_STATUS_RANGE = {"type": "string", "pattern": "^([1-5]xx|[1-5][0-9]{2}-[1-5][0-9]{2})$"}
_SCALARS = ["string", "number", "boolean", "null"]

_PROPERTIES: dict[str, Any] = {
    "method": {"enum": list(METHODS), "default": "GET", "description": "The HTTP method."},
    "url": {
        "type": "string",
        "minLength": 1,
        "maxLength": 8192,
        "description": "Absolute http or https URL without user name and password.",
    },
    "headers": {
        "type": "object",
        "maxProperties": 50,
        "additionalProperties": {"type": ["string", "number", "boolean"], "maxLength": 8192},
        "description": "Headers to send. Host, Content-Length and the like are set by the tool.",
    },
    "query": {
        "type": "object",
        "maxProperties": 200,
        "additionalProperties": {"type": [*_SCALARS, "array"], "items": {"type": _SCALARS}},
        "description": "Added to the URL's query; a list repeats its name, null is left out.",
    },
    "json": {"description": "Any value, sent as JSON. Not together with `body`."},
    "body": {"type": "string", "maxLength": 1_048_576, "description": "Text, sent as UTF-8."},
    "auth": {
        "description": "Credentials for the Authorization header; they never leave the URL's origin.",
        "oneOf": [
            {
                "type": "object",
                "additionalProperties": False,
                "required": ["type", "username", "password"],
                "properties": {
                    "type": {"const": "basic"},
                    "username": {"type": "string", "maxLength": 1024, "pattern": "^[^:]*$"},
                    "password": {"type": "string", "maxLength": 4096},
                },
            },
            {
                "type": "object",
                "additionalProperties": False,
                "required": ["type", "token"],
                "properties": {
                    "type": {"const": "bearer"},
                    "token": {"type": "string", "minLength": 1, "maxLength": 8192},
                },
            },
        ],
    },
    "expect_status": {
        "description": "Statuses that are no error: a number, `2xx`, `200-204`, or a list of these.",
        "default": "2xx",
        "anyOf": [
            _STATUS,
            _STATUS_RANGE,
            {"type": "array", "minItems": 1, "maxItems": 50, "items": {"anyOf": [_STATUS, _STATUS_RANGE]}},
        ],
    },
    "timeout_seconds": {
        "type": "number",
        "exclusiveMinimum": 0,
        "maximum": MAX_SECONDS,
        "default": MAX_SECONDS,
        "description": "How long the whole exchange may take, redirects included.",
    },
    "follow_redirects": {
        "type": "boolean",
        "default": True,
        "description": "Follow up to three redirects, each checked like the first URL.",
    },
}

SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["url"],
    "properties": _PROPERTIES,
}

OUTPUT_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["status", "headers", "body", "elapsed_ms"],
    "properties": {
        "status": {"type": "integer", "description": "The status of the last answer."},
        "headers": {
            "type": "object",
            "additionalProperties": {"type": "string"},
            "description": "Names in lower case; values of Set-Cookie and the like are masked.",
        },
        "body": {"description": "The value when the answer is JSON, else text; null when it is empty."},
        "elapsed_ms": {"type": "integer", "description": "Milliseconds from start to the end of the body."},
    },
}

EXAMPLES: tuple[dict[str, Any], ...] = (
    {"url": "https://api.example.com/items", "query": {"page": 1, "tag": ["a", "b"]}},
    {
        "method": "POST",
        "url": "https://api.example.com/items",
        "json": {"name": "Tea"},
        "auth": {"type": "bearer", "token": "${secrets.example_token}"},
        "expect_status": [201, 409],
    },
)

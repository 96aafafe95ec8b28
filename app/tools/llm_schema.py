"""The arguments and the answer of `llm.complete`, as JSON Schema 2020-12."""

from __future__ import annotations

from typing import Any

_TEXT = {"type": "string", "maxLength": 500_000}
_COUNT = {"type": ["integer", "null"]}

_PROPERTIES: dict[str, Any] = {
    "prompt": {**_TEXT, "description": "What to ask. Not together with `messages`."},
    "system": {**_TEXT, "description": "What the model is to keep to; goes before the rest."},
    "messages": {
        "type": "array",
        "minItems": 1,
        "maxItems": 200,
        "description": "A conversation: objects with `role` (`system`, `user`, `assistant`) and `content`.",
        "items": {
            "type": "object",
            "additionalProperties": False,
            "required": ["role", "content"],
            "properties": {
                "role": {"enum": ["system", "user", "assistant"]},
                "content": {
                    "type": ["string", "array"],
                    "maxLength": 500_000,
                    "maxItems": 100,
                    "items": {"type": "object"},
                },
            },
        },
    },
    "model": {"type": "string", "minLength": 1, "maxLength": 200, "description": "Else ORDINAUT_LLM_MODEL."},
    "temperature": {"type": "number", "minimum": 0, "maximum": 2, "description": "0 is the least surprising."},
    "max_tokens": {"type": "integer", "minimum": 1, "maximum": 1_000_000, "description": "The longest answer."},
    "response_schema": {
        "type": "object",
        "description": "A JSON Schema 2020-12: the answer is to be JSON that fits it, and is checked.",
    },
}

SCHEMA: dict[str, Any] = {"type": "object", "additionalProperties": False, "properties": _PROPERTIES}

OUTPUT_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["text", "json", "model", "finish_reason", "usage"],
    "properties": {
        "text": {"type": "string", "description": "The answer as it came."},
        "json": {"description": "Its value where `response_schema` is given, else null."},
        "model": {"type": ["string", "null"], "description": "Which model says it has answered."},
        "finish_reason": {"type": ["string", "null"], "description": "`stop`, `length` and so on."},
        "usage": {
            "type": "object",
            "required": ["input_tokens", "output_tokens", "total_tokens"],
            "properties": {"input_tokens": _COUNT, "output_tokens": _COUNT, "total_tokens": _COUNT},
            "description": "`input_tokens`, `output_tokens`, `total_tokens`; null where the service does not count.",
        },
    },
}

EXAMPLES: tuple[dict[str, Any], ...] = (
    {"system": "Answer in one sentence.", "prompt": "What is new in ${steps.news.body}?", "max_tokens": 200},
    {
        "messages": [{"role": "user", "content": "Is this a complaint? ${event.payload.text}"}],
        "temperature": 0,
        "response_schema": {
            "type": "object",
            "required": ["complaint"],
            "properties": {"complaint": {"type": "boolean"}},
        },
    },
)

"""`log.write`: a line in the run's log."""

from __future__ import annotations

from app.domain.texts import t
from ordinaut.tools import Tool, ToolCall

LEVELS = ("debug", "info", "warning", "error")


def log_write_tool() -> Tool:
    """`log.write`: message and level, both also returned."""
    level = {"enum": list(LEVELS), "default": "info", "description": "How much it matters."}
    message = {"type": "string", "maxLength": 10_000, "description": "One line of text."}
    return Tool(
        name="log.write",
        description=t("Writes a line into the run's log and returns it."),
        schema={
            "type": "object",
            "additionalProperties": False,
            "required": ["message"],
            "properties": {"message": message, "level": level},
        },
        output_schema={
            "type": "object",
            "required": ["level", "message"],
            "properties": {
                "level": {"enum": list(LEVELS), "description": "As given, or `info`."},
                "message": {"type": "string", "description": "As given."},
            },
        },
        run=_write,
        pure=True,
        idempotent=True,
        examples=({"message": "Backup finished", "level": "info"},),
    )


def _write(call: ToolCall) -> dict[str, str]:
    level, message = call.arguments.get("level", "info"), call.arguments["message"]
    call.log(level, message)
    return {"level": level, "message": message}

"""Tools that answer with blocks, tell how far they are, and take their arguments in unusual ways."""

from __future__ import annotations

from typing import Any

from ordinaut import ExtensionContext, ToolCall, ToolFailed

NOTHING: dict[str, Any] = {"type": "object", "properties": {}}
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC"
SILENCE = "UklGRiYAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQIAAACAgA=="
IMAGE = {"type": "image", "data": PIXEL, "mimeType": "image/png"}
ADDRESS = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {
        "address": {
            "$anchor": "addressDef",
            "type": "object",
            "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
        }
    },
    "properties": {
        "name": {"type": "string"},
        "address": {"$ref": "#/$defs/address"},
        "contactMethod": {"type": "string", "enum": ["phone", "email"]},
        "phone": {"type": "string"},
        "email": {"type": "string"},
    },
    "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
    "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
    "then": {"required": ["phone"]},
    "else": {"required": ["email"]},
    "additionalProperties": False,
}
REGION = {
    "type": "object",
    "properties": {"region": {"type": "string", "x-mcp-header": "Region"}},
    "required": ["region"],
}


def text(words: str) -> dict[str, str]:
    """A block of text."""
    return {"type": "text", "text": words}


def resource(uri: str, mime_type: str, words: str) -> dict[str, Any]:
    """A block that holds a resource."""
    return {"type": "resource", "resource": {"uri": uri, "mimeType": mime_type, "text": words}}


BLOCKS: dict[str, list[dict[str, Any]]] = {
    "test_simple_text": [text("This is a simple text response for testing.")],
    "test_image_content": [IMAGE],
    "test_audio_content": [{"type": "audio", "data": SILENCE, "mimeType": "audio/wav"}],
    "test_embedded_resource": [
        resource("test://embedded-resource", "text/plain", "This is an embedded resource content.")
    ],
    "test_multiple_content_types": [
        text("Multiple content types test:"),
        IMAGE,
        resource("test://mixed-content-resource", "application/json", '{"test":"data","value":123}'),
    ],
}


def add_content(context: ExtensionContext) -> None:
    """The tools of `tools-call-*`, `json-schema-2020-12` and `http-custom-header-server-validation`."""
    for name, blocks in BLOCKS.items():
        add_tool(context, name, lambda blocks=blocks: {"content": blocks})
    add_tool(context, "test_error_handling", fail)
    add_tool(context, "test_tool_with_progress", advance)
    add_tool(context, "test_tool_with_logging", tell)
    add_tool(context, "test_logging_tool", tell)
    add_tool(context, "greet", greet, {"type": "object", "properties": {"name": {"type": "string"}}})
    add_tool(context, "json_schema_2020_12_tool", keep, ADDRESS)
    add_tool(context, "test_headers", keep, REGION)


def add_tool(context: ExtensionContext, name: str, func: Any, schema: dict[str, Any] = NOTHING, **options: Any) -> None:
    """A tool that assistants find under its own name, and that answers with blocks."""
    told = {"description": func.__doc__ or f"What the suite calls {name}.", "returns_content": True, **options}
    context.tool_registry.register_tool(name, func, schema, expose_to_mcp=True, mcp_name=name, **told)


def fail() -> None:
    """Fails on purpose."""
    raise ToolFailed("This tool intentionally returns an error for testing", retryable=False)


def advance(call: ToolCall) -> dict[str, Any]:
    """Tells three times how far it is."""
    for done in (0, 50, 100):
        call.dialog.progress(done, 100)
    return {"content": [text("Advanced")]}


def tell(call: ToolCall) -> dict[str, Any]:
    """Logs three lines."""
    for line in ("Tool execution started", "Tool processing data", "Tool execution completed"):
        call.log("info", line)
    return {"content": [text("Told")]}


def greet(name: str = "you") -> dict[str, Any]:
    """Greets at once."""
    return {"content": [text(f"Hello, {name}!")]}


def keep(**arguments: Any) -> dict[str, Any]:
    """Says what it was called with."""
    return {"content": [text(str(sorted(arguments)))], "data": arguments}

"""The extension that the founding document's examples call; tests copy it to a folder outside the checkout."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from flask import Blueprint

from ordinaut import Capability, Extension, ExtensionContext, ExtensionInfo, Socket


class ExtensiaMea(Extension):
    """Asks for more than it is allowed, as the document's 403 shows."""

    def info(self) -> ExtensionInfo:
        return ExtensionInfo(id="extensia_mea", name="Extensia mea", version="1.0.0")

    def requested_capabilities(self) -> set[Capability]:
        return {Capability.ROUTES, Capability.TOOLS}

    def health(self) -> Mapping[str, str]:
        return {"database": "healthy", "external_api": "healthy", "background_tasks": "healthy"}

    def setup(self, context: ExtensionContext) -> Blueprint:
        pages = Blueprint("extensia_mea", __name__)

        @pages.get("/protejat")
        def protejat() -> dict[str, Any]:
            return {"protejat": True}

        @pages.get("/securizat")
        def securizat() -> dict[str, Any]:
            return {"agent_id": context.routes.caller().agent_id}

        @pages.get("/instrumente")
        def instrumente() -> dict[str, Any]:
            return {"tools": len(context.tool_registry.list_tools())}

        @pages.get("/stricat")
        def stricat() -> dict[str, Any]:
            raise ImportError(f"{import_module('json').__name__} has nothing of that name")

        @context.routes.websocket("/events")
        def events(ws: Socket) -> None:
            while True:
                ws.send_json({"primit": ws.receive_json()})

        return pages


def get_extension() -> ExtensiaMea:
    """What the host calls."""
    return ExtensiaMea()

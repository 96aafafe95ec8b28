"""The platform's tools over plain HTTP, for assistants that speak no more than JSON."""

from __future__ import annotations

from typing import Any

from ordinaut import Capability, Extension, ExtensionContext, ExtensionInfo

from .views import make_blueprint

VERSION = "0.2.0"


class McpHttp(Extension):
    """One door for assistants: what tools there are, and calling one."""

    def info(self) -> ExtensionInfo:
        """As the manifest has it."""
        return ExtensionInfo(
            id="mcp_http",
            name="MCP HTTP",
            version=VERSION,
            description="The platform's tools for AI assistants, over plain HTTP",
        )

    def requested_capabilities(self) -> set[Capability]:
        """Addresses, the registry of tools, and events to stream."""
        return {Capability.ROUTES, Capability.TOOLS, Capability.EVENTS_SUB}

    def setup(self, context: ExtensionContext) -> Any:
        """The routes."""
        return make_blueprint(context, VERSION)


def get_extension() -> Extension:
    """Called by the host."""
    return McpHttp()

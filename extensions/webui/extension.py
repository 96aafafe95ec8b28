"""The web page: tasks and runs as they are, drawn by the server."""

from __future__ import annotations

from typing import Any

from ordinaut import Capability, Extension, ExtensionContext, ExtensionInfo

from .views import make_blueprint


class WebUi(Extension):
    """A page, its files, and the two addresses its scripts will use."""

    def info(self) -> ExtensionInfo:
        """As the manifest has it."""
        return ExtensionInfo(id="webui", name="Web UI", version="0.1.0", description="A web page of tasks and runs")

    def requested_capabilities(self) -> set[Capability]:
        """Addresses, the tools of the use cases, files, and the news that keep pages up to date."""
        return {Capability.ROUTES, Capability.TOOLS, Capability.STATIC, Capability.EVENTS_SUB}

    def setup(self, context: ExtensionContext) -> Any:
        """The routes."""
        return make_blueprint(context)


def get_extension() -> Extension:
    """Called by the host."""
    return WebUi()

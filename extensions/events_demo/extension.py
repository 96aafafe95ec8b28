"""Publishing events and watching them arrive: the smallest whole use of the event bus."""

from __future__ import annotations

from typing import Any

from ordinaut import Capability, Extension, ExtensionContext, ExtensionInfo

from .views import make_blueprint


class EventsDemo(Extension):
    """Three addresses over one bus."""

    def info(self) -> ExtensionInfo:
        """As the manifest has it."""
        return ExtensionInfo(
            id="events_demo",
            name="Events Demo",
            version="0.1.0",
            description="Publish events and watch them arrive, by server-sent events or WebSocket",
        )

    def requested_capabilities(self) -> set[Capability]:
        """Addresses, and both ends of the bus."""
        return {Capability.ROUTES, Capability.EVENTS_PUB, Capability.EVENTS_SUB}

    def setup(self, context: ExtensionContext) -> Any:
        """The routes."""
        return make_blueprint(context)


def get_extension() -> Extension:
    """Called by the host."""
    return EventsDemo()

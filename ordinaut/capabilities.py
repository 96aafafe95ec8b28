"""What an extension may be granted; the founding names."""

from __future__ import annotations

from enum import StrEnum


class Capability(StrEnum):
    """A door that an extension asks for and the operator opens."""

    ROUTES = "ROUTES"
    """HTTP and WebSocket addresses under `/ext/<id>/`."""
    TOOLS = "TOOLS"
    """The registry of tools."""
    EVENTS_PUB = "EVENTS_PUB"
    """Publishing events."""
    EVENTS_SUB = "EVENTS_SUB"
    """Reading events, live or as a durable subscriber."""
    BACKGROUND_TASKS = "BACKGROUND_TASKS"
    """Work that runs for long, once in the whole cluster."""
    STATIC = "STATIC"
    """Files of the folder `static/`, served under `/ext/<id>/static/`."""

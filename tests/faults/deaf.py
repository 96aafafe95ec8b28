"""An extension with a tool that listens to nobody, copied into a folder of its own."""

from __future__ import annotations

import time
from typing import Any

from ordinaut import Capability, Extension, ExtensionContext, ExtensionInfo


class Deaf(Extension):
    """See the module."""

    def info(self) -> ExtensionInfo:
        """As in the manifest."""
        return ExtensionInfo(id="deaf", name="Deaf", version="1")

    def requested_capabilities(self) -> set[Capability]:
        """What it needs."""
        return {Capability.TOOLS}

    def setup(self, context: ExtensionContext) -> None:
        """Give the tool."""
        context.tool_registry.register_tool("wait", self.wait, {"type": "object"})

    def wait(self, **arguments: Any) -> None:
        """Takes as long as it takes."""
        while True:
            time.sleep(60)


def get_extension() -> Deaf:
    """The extension."""
    return Deaf()

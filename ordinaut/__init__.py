"""The public face of Ordinaut: everything an author of extensions and tools imports."""

from ordinaut.api import ApiAnswer
from ordinaut.callers import Caller
from ordinaut.capabilities import Capability
from ordinaut.contexts import ExtensionContext, NavigationEntry, Socket, TaskInfo, ToolInfo
from ordinaut.dialog import Dialog, InputNeeded
from ordinaut.errors import CapabilityDenied, RequestRefused
from ordinaut.events import Event
from ordinaut.extension import Extension, ExtensionInfo
from ordinaut.tools import Tool, ToolCall, ToolFailed

__all__ = [
    "ApiAnswer",
    "Caller",
    "Capability",
    "CapabilityDenied",
    "Dialog",
    "Event",
    "Extension",
    "ExtensionContext",
    "ExtensionInfo",
    "InputNeeded",
    "NavigationEntry",
    "RequestRefused",
    "Socket",
    "TaskInfo",
    "Tool",
    "ToolCall",
    "ToolFailed",
    "ToolInfo",
    "__version__",
]
__version__ = "0.1.0"

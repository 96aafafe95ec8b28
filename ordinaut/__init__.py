"""The public face of Ordinaut: everything an author of tools imports."""

from ordinaut.tools import Tool, ToolCall, ToolFailed

__all__ = ["Tool", "ToolCall", "ToolFailed", "__version__"]
__version__ = "0.1.0"

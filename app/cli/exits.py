"""Exit codes of every command, and the error that ends a start with a sentence."""

from __future__ import annotations

OK = 0
FAILED = 1
"""The operation or the run failed."""
USAGE = 2
"""The command line cannot be understood."""
INVALID = 6
"""An input or a setting cannot be used."""
UNREACHABLE = 7
"""A server does not answer."""
INTERRUPTED = 130
"""Ctrl-C before anything had been started."""


class CannotStart(Exception):
    """The start is refused; the message is a sentence that tells the cure."""

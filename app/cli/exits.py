"""Exit codes of every command, and the error that ends a start with a sentence."""

from __future__ import annotations

OK = 0
FAILED = 1
"""The operation or the run failed."""
USAGE = 2
"""The command line cannot be understood."""
NOT_FOUND = 3
"""What was named is not there."""
DENIED = 4
"""Nobody is logged in, or may not do this."""
CONFLICT = 5
"""It does not fit how things stand: changed by somebody else, ended already."""
INVALID = 6
"""An input or a setting cannot be used."""
UNREACHABLE = 7
"""A server does not answer."""
TIMED_OUT = 8
"""The time was up before there was an answer."""
INTERRUPTED = 130
"""Ctrl-C."""


class CannotStart(Exception):
    """The start is refused; the message is a sentence that tells the cure."""

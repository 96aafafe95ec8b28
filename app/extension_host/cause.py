"""On whose behalf an extension's code is at work right now, and how many events have led to it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar

from app.domain.events import led_by
from ordinaut import Caller, Dialog

_caller: ContextVar[Caller | None] = ContextVar("ordinaut_caller", default=None)
_dialog: ContextVar[Dialog | None] = ContextVar("ordinaut_dialog", default=None)


def caller_here() -> Caller | None:
    """The caller that this thread or coroutine works for; None when nobody has said."""
    return _caller.get()


@contextmanager
def within(caller: Caller | None = None, *, depth: int | None = None) -> Iterator[None]:
    """Say it for the block, for what it calls, and for the coroutines and copied contexts that begin in it.

    Args:
        depth: How many events have led here; left out, as many as before.
    """
    token = _caller.set(caller)
    try:
        with nullcontext() if depth is None else led_by(depth):
            yield
    finally:
        _caller.reset(token)


def dialog_here() -> Dialog | None:
    """What can be told and asked of whoever called the tool that is at work here; None when nobody listens."""
    return _dialog.get()


@contextmanager
def speaking(dialog: Dialog | None) -> Iterator[None]:
    """Say so for the call of a tool; a tool that calls another speaks for itself alone."""
    token = _dialog.set(dialog)
    try:
        yield
    finally:
        _dialog.reset(token)

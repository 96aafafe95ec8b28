"""On whose behalf an extension's code is at work right now, and how many events have led to it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar

from app.domain.events import led_by
from ordinaut import Caller

_caller: ContextVar[Caller | None] = ContextVar("ordinaut_caller", default=None)


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

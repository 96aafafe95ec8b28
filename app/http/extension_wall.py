"""The wall around extensions' code in the web process: what would end the process ends one answer."""

from __future__ import annotations

from asyncio import CancelledError
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from app.http.errors import EXTENSION

ENDINGS = (SystemExit, KeyboardInterrupt, GeneratorExit, CancelledError)
"""What code may raise that is no `Exception`: gunicorn ends a worker by it, and by exit code 3 the whole server."""


class TriedToEnd(RuntimeError):
    """An extension raised what ends processes, where nothing but the connection can be given up any more."""


def walled(answer: Iterable[bytes], environ: Mapping[str, Any]) -> Iterable[bytes]:
    """The body of an extension's answer, which nothing in it can end the process from; files stay as they are."""
    if EXTENSION not in environ or isinstance(answer, environ.get("wsgi.file_wrapper", ())):
        return answer
    return _Walled(answer)


class _Walled:
    """A body whose parts may raise anything."""

    def __init__(self, answer: Iterable[bytes]) -> None:
        self._answer = answer
        self._parts = iter(answer)

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            return next(self._parts)
        except ENDINGS as error:
            raise TriedToEnd(type(error).__name__) from error

    def close(self) -> None:
        """Let the body clean up."""
        close = getattr(self._answer, "close", None)
        if close is None:
            return
        try:
            close()
        except ENDINGS as error:
            raise TriedToEnd(type(error).__name__) from error

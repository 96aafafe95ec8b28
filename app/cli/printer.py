"""Prints the lines of many programs on one output, each with its program's name before it."""

from __future__ import annotations

import os
from collections.abc import Sequence

_COLOURS = (36, 32, 33, 35, 34, 31)
_LONGEST = 65_536


class Printer:
    """Writes to a file descriptor; a reader that has gone away silences it and stops nothing.

    Lines that hold one of the `muted` texts are left out.
    """

    def __init__(self, descriptor: int, *, width: int, coloured: bool, muted: Sequence[bytes] = ()) -> None:
        self._muted = muted
        self._descriptor = descriptor
        self._width = width
        self._coloured = coloured
        self._colours: dict[str, int] = {}
        self._unfinished: dict[str, bytes] = {}

    def line(self, name: str, text: str) -> None:
        """One line of `name`."""
        self._write(name, [text.encode()])

    def feed(self, name: str, data: bytes) -> None:
        """A piece of the output of `name`; an unfinished last line waits for its rest."""
        *lines, rest = (self._unfinished.get(name, b"") + data).split(b"\n")
        if len(rest) > _LONGEST:
            lines, rest = [*lines, rest], b""
        self._unfinished[name] = rest
        self._write(name, lines)

    def end(self, name: str) -> None:
        """The output of `name` is over: print what is left of it."""
        rest = self._unfinished.pop(name, b"")
        if rest:
            self._write(name, [rest])

    def _write(self, name: str, lines: list[bytes]) -> None:
        prefix = self._prefix(name)
        shown = (line for line in lines if not any(words in line for words in self._muted))
        data = b"".join(prefix + line.rstrip(b"\r") + b"\n" for line in shown)
        try:
            while data and self._descriptor >= 0:
                data = data[os.write(self._descriptor, data) :]
        except OSError:
            self._descriptor = -1

    def _prefix(self, name: str) -> bytes:
        text = f"{name:{self._width}} | "
        if not self._coloured:
            return text.encode()
        colour = self._colours.setdefault(name, _COLOURS[len(self._colours) % len(_COLOURS)])
        return f"\x1b[{colour}m{text}\x1b[0m".encode()

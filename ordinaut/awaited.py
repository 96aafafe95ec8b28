"""What has been done when it is returned, and may be awaited all the same."""

from __future__ import annotations

from collections.abc import Generator


class Done:
    """Nothing is left to wait for."""

    def __await__(self) -> Generator[None, None, None]:
        """Goes on at once."""
        yield from ()


class EventId(str):
    """An event's id, which may be awaited and is itself then."""

    __slots__ = ()

    def __await__(self) -> Generator[None, None, str]:
        """The id as a plain string."""
        yield from ()
        return str(self)

"""The doorbell of an installation without Redis: workers poll."""

from __future__ import annotations


class SilentRunQueue:
    """See `app.domain.ports.RunQueue`."""

    def ring(self, count: int = 1) -> None:
        """Nobody hears it."""

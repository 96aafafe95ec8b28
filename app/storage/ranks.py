"""Where a run stands among all that are queued."""

from __future__ import annotations

from datetime import datetime, timedelta

from app.domain.clock import to_micros

PRIORITY_STEP = timedelta(minutes=1)


def rank_of(available_at: datetime, priority: int) -> int:
    """Order of claiming: a run of priority 9 stands behind one of priority 1 that came up to 8 minutes later."""
    return to_micros(available_at + PRIORITY_STEP * (priority - 1))

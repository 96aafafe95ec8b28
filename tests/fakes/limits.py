"""Dedupe keys and bursts of events in memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from app.domain.debounce import Quiet
from app.domain.runs import NewRun
from ordinaut import Event


@dataclass(slots=True)
class LimitRows:
    """What the database holds of them: run and end of each key's window; start, end and last event of each burst."""

    keys: dict[tuple[str, str], tuple[str, datetime]] = field(default_factory=dict)
    bursts: dict[str, tuple[datetime, datetime, Event]] = field(default_factory=dict)

    def copied(self) -> LimitRows:
        """The same in containers of their own."""
        return LimitRows(dict(self.keys), dict(self.bursts))


class MemoryDedupeStore:
    """See `app.domain.dedupe.DedupeStore`."""

    def __init__(self, rows: LimitRows) -> None:
        self._rows = rows

    def accept(self, run: NewRun, now: datetime) -> str | None:
        if run.dedupe_key is None:
            return None
        run_id, until = self._rows.keys.get((run.task_id, run.dedupe_key), ("", now))
        if until > now:
            return run_id
        end = now + timedelta(seconds=run.dedupe_window_seconds)
        self._rows.keys[run.task_id, run.dedupe_key] = (run.id, end)
        return None

    def release(self, task_id: str, run_id: str) -> None:
        kept = {key: one for key, one in self._rows.keys.items() if (key[0], one[0]) != (task_id, run_id)}
        self._rows.keys = kept

    def purge(self, now: datetime, limit: int) -> int:
        over = [key for key, (_, until) in self._rows.keys.items() if until <= now][:limit]
        for key in over:
            del self._rows.keys[key]
        return len(over)


class MemoryDebounceStore:
    """See `app.domain.debounce.DebounceStore`."""

    def __init__(self, rows: LimitRows) -> None:
        self._rows = rows

    def put(self, task_id: str, event: Event, quiet: Quiet, now: datetime) -> datetime | None:
        before = self._rows.bursts.get(task_id)
        first = now if before is None else before[0]
        end = now + timedelta(seconds=quiet.seconds)
        latest = end if quiet.most is None else first + timedelta(seconds=quiet.most)
        self._rows.bursts[task_id] = (first, min(end, latest), event)
        return None if before is None else before[2].published_at

    def next_at(self) -> datetime | None:
        return min((end for _, end, _ in self._rows.bursts.values()), default=None)

    def due(self, now: datetime, limit: int) -> list[str]:
        over = sorted((end, task_id) for task_id, (_, end, _) in self._rows.bursts.items() if end <= now)
        return [task_id for _, task_id in over[:limit]]

    def take(self, task_id: str, now: datetime) -> Event | None:
        burst = self._rows.bursts.get(task_id)
        if burst is None or burst[1] > now:
            return None
        del self._rows.bursts[task_id]
        return burst[2]

"""Bursts of events that wait for quiet: a row for each task, which carries the last event."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import orjson

from app.domain.clock import from_micros, to_micros
from app.domain.debounce import Quiet
from app.domain.json_text import to_json
from app.storage.statements import Statements
from ordinaut import Event

_EVENT = "event_id, topic, data, published_at, source, depth"


class SqlDebounceStore:
    """See `app.domain.debounce.DebounceStore`; made for one transaction that holds the task's row."""

    def __init__(self, statements: Statements) -> None:
        self._sql = statements

    def put(self, task_id: str, event: Event, quiet: Quiet, now: datetime) -> datetime | None:
        """Let the event stand for its burst, and wait anew; when the event whose place it takes was published."""
        before = self._sql.run("SELECT published_at, first_at FROM debounces WHERE task_id = ?", (task_id,))
        first = from_micros(before[0][1]) if before else now
        fire_at = now + timedelta(seconds=quiet.seconds)
        if quiet.most is not None:
            fire_at = min(fire_at, first + timedelta(seconds=quiet.most))
        self._sql.run(
            f"INSERT INTO debounces (task_id, first_at, fire_at, {_EVENT}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (task_id) DO UPDATE SET fire_at = excluded.fire_at, event_id = excluded.event_id,"
            " topic = excluded.topic, data = excluded.data, published_at = excluded.published_at,"
            " source = excluded.source, depth = excluded.depth",
            (
                task_id,
                to_micros(first),
                to_micros(fire_at),
                event.id,
                event.topic,
                to_json(event.data).decode(),
                to_micros(event.published_at),
                event.source,
                event.depth,
            ),
        )
        return from_micros(before[0][0]) if before else None

    def next_at(self) -> datetime | None:
        """When the next burst is over."""
        rows = self._sql.run("SELECT fire_at FROM debounces ORDER BY fire_at LIMIT 1")
        return from_micros(rows[0][0]) if rows else None

    def due(self, now: datetime, limit: int) -> Sequence[str]:
        """Ids of tasks whose burst is over, soonest first."""
        rows = self._sql.run(
            "SELECT task_id FROM debounces WHERE fire_at <= ? ORDER BY fire_at LIMIT ?", (to_micros(now), limit)
        )
        return [task_id for (task_id,) in rows]

    def take(self, task_id: str, now: datetime) -> Event | None:
        """The last event of a burst that is over, for whoever takes it first."""
        rows = self._sql.run(
            f"DELETE FROM debounces WHERE task_id = ? AND fire_at <= ? RETURNING {_EVENT}", (task_id, to_micros(now))
        )
        for event_id, topic, data, published_at, source, depth in rows:
            return Event(
                id=event_id,
                topic=topic,
                data=orjson.loads(data),
                published_at=from_micros(published_at),
                source=source,
                depth=depth,
            )
        return None

"""Events in memory: a twin of `app.storage.events`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from app.domain.clock import from_micros
from app.domain.debounce import Quiet
from app.domain.events import (
    Allotment,
    Draft,
    Published,
    StoredEvent,
    TopicPattern,
    TopicSummary,
    event_id,
    position_at,
    published_us,
)
from app.domain.paging import Page
from app.domain.runs import NewRun
from app.domain.tasks import BY_EVENT, OccurrenceRecord
from app.domain.triggers import TriggeredTask, TriggerRow
from ordinaut import Event

if TYPE_CHECKING:
    from tests.fakes.stores import MemoryUnitOfWork, Rows


@dataclass(slots=True)
class EventRows:
    """What the database holds of events."""

    events: dict[int, Event] = field(default_factory=dict)
    keys: dict[str, int] = field(default_factory=dict)
    triggered: dict[int, tuple[str, ...]] = field(default_factory=dict)
    marks: dict[str, int] = field(default_factory=lambda: {"last": 0, "relayed": 0, "trimmed": 0, "triggers": 0})

    def copied(self) -> EventRows:
        """The same in containers of their own."""
        return EventRows(dict(self.events), dict(self.keys), dict(self.triggered), dict(self.marks))


class MemoryEventStore:
    """See `app.domain.event_store.EventStore`."""

    def __init__(self, unit: MemoryUnitOfWork, rows: Rows) -> None:
        self._unit = unit
        self._all = rows
        self._rows = rows.events

    def allot(self, count: int) -> Allotment:
        marks = self._rows.marks
        first = max(marks["last"] + 1, position_at(time.time_ns() // 1000))
        marks["last"] = first + count - 1
        return Allotment(first, marks["triggers"], datetime.now(UTC))

    def lock(self) -> None:
        pass

    def add(self, new: Sequence[tuple[int, Draft, Sequence[str]]]) -> None:
        for position, draft, task_ids in new:
            self._rows.triggered[position] = tuple(task_ids)
            self._rows.events[position] = draft.at(position)
            if draft.key is not None:
                self._rows.keys[draft.key] = position

    def by_key(self, key: str) -> Published | None:
        position = self._rows.keys.get(key, -1)
        event = self._rows.events.get(position)
        return None if event is None else Published(event, self._rows.triggered[position])

    def triggers_version(self) -> int:
        return self._rows.marks["triggers"]

    def triggers_changed(self) -> None:
        self._rows.marks["triggers"] += 1

    def triggers(self) -> list[TriggerRow]:
        return [
            TriggerRow(task.id, task.schedule_kind, task.schedule_expr or "")
            for task in self._all.tasks.values()
            if task.status == "active" and task.schedule_kind in BY_EVENT
        ]

    def interests(self) -> list[str]:
        return []

    def triggered(self, task_ids: Sequence[str]) -> list[TriggeredTask]:
        found = [self._all.tasks[key] for key in sorted(task_ids) if key in self._all.tasks]
        names = TriggeredTask.__dataclass_fields__
        return [
            TriggeredTask(**{name: getattr(task, name) for name in names}) for task in found if task.status == "active"
        ]

    def busy(self, task_ids: Sequence[str]) -> dict[str, int]:
        return self._unit.runs.busy_tasks(task_ids)

    def accept(self, run: NewRun, now: datetime) -> str | None:
        return self._unit.dedupe.accept(run, now)

    def hold(self, task_id: str, event: Event, quiet: Quiet, now: datetime) -> datetime | None:
        return self._unit.debounces.put(task_id, event, quiet, now)

    def start(self, runs: Sequence[NewRun], records: Sequence[OccurrenceRecord]) -> None:
        for run in runs:
            self._unit.runs.add([run], run.scheduled_for)
        self._unit.tasks.add_occurrences(records)

    def count_fired(self, fired: Sequence[tuple[str, int]]) -> None:
        for task_id, count in fired:
            task = self._all.tasks[task_id]
            total = task.fired_count + count
            done = task.max_runs is not None and task.max_runs <= total
            self._all.tasks[task_id] = replace(task, fired_count=total, status="completed" if done else task.status)

    def end_waits(self, news: Sequence[StoredEvent]) -> int:
        return 0

    def last(self) -> int:
        return self._rows.marks["last"]

    def trimmed(self) -> int:
        return self._rows.marks["trimmed"]

    def after(self, position: int, pattern: TopicPattern | None, limit: int) -> list[StoredEvent]:
        return [StoredEvent(at, self._rows.events[at]) for at in sorted(self._rows.events) if at > position][:limit]

    def before(self, position: int, pattern: TopicPattern | None, limit: int) -> list[StoredEvent]:
        order = sorted(self._rows.events, reverse=True)
        return [StoredEvent(at, self._rows.events[at]) for at in order if at < position][:limit]

    def topics(self, *, limit: int, offset: int, without: Sequence[str] = ()) -> Page[TopicSummary]:
        found: dict[str, list[int]] = {}
        for position, event in sorted(self._rows.events.items()):
            if event.topic.partition(".")[0] not in without:
                found.setdefault(event.topic, []).append(position)
        summaries = tuple(
            TopicSummary(
                topic=topic,
                events=len(at),
                last_event_id=event_id(at[-1]),
                last_published_at=from_micros(published_us(at[-1])),
            )
            for topic, at in sorted(found.items())
        )
        return Page(summaries[offset : offset + limit], len(summaries), limit, offset)

    def relayed(self) -> int:
        return self._rows.marks["relayed"]

    def mark_relayed(self, position: int) -> None:
        self._rows.marks["relayed"] = max(position, self._rows.marks["relayed"])

    def trim(self, before: int, limit: int) -> int:
        old = [at for at in sorted(self._rows.events) if at < before][:limit]
        for position in old:
            del self._rows.events[position]
        if old:
            self._rows.marks["trimmed"] = old[-1]
        return len(old)

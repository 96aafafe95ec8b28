"""Events in SQL: allotted under one lock, so that the order of their ids is the order of their commits."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import orjson

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
    published_us,
)
from app.domain.json_text import to_json
from app.domain.paging import Page
from app.domain.runs import NewRun
from app.domain.tasks import OccurrenceRecord
from app.domain.triggers import TriggeredTask, TriggerRow
from app.storage.debounce import SqlDebounceStore
from app.storage.dedupe import SqlDedupeStore
from app.storage.gates import Gates
from app.storage.runs import new_row
from app.storage.statements import NOW, Statements, bound, marks
from app.storage.tables import AT_WORK, IN_TASK_LINE, TRIGGERS
from app.storage.waits import SqlWaitStore
from ordinaut import Event

# The database's clock in milliseconds, as the position before the first of that millisecond.
_ALLOT = {
    True: "GREATEST(position, ((extract(epoch from clock_timestamp()) * 1000)::bigint << 20) - 1)",
    False: "MAX(position, (now_us() / 1000 << 20) - 1)",
}
MOST_TOPICS = 200
"""Topics that a pattern is compared with one by one."""
_EVENT = "position, topic, data, source, depth"
_TASK = (
    "id, title, definition_id, schedule_kind, schedule_expr, priority, max_retries, overlap, starts_at, ends_at,"
    " snoozed_until, snooze_reason, max_runs, fired_count, concurrency_key, concurrency_limit, depth,"
    " dedupe_key, dedupe_window_seconds, debounce_seconds, debounce_max_wait_seconds, grant_status, granted_until"
)
# Few tasks have a template to be filled in from their params.
_PARAMS = "CASE WHEN concurrency_key IS NOT NULL OR dedupe_key IS NOT NULL THEN payload END"
_RECORD = ("task_id", "nominal_at", "effective_at", "outcome", "reason", "run_id")


class SqlEventStore:
    """See `app.domain.ports.EventStore`."""

    def __init__(self, statements: Statements, gates: Gates) -> None:
        self._sql = statements
        self._gates = gates

    # Publishing.

    def allot(self, count: int) -> Allotment:
        """Take the next `count` positions and the publishers' lock, until the transaction ends."""
        now = NOW[self._sql.postgresql]
        ((last, version, now_us),) = self._sql.run(
            f"UPDATE event_marks SET position = {_ALLOT[self._sql.postgresql]} + ? WHERE name = 'last'"
            f" RETURNING position, (SELECT position FROM event_marks WHERE name = 'triggers'), {now}",
            (count,),
        )
        return Allotment(first=last - count + 1, version=version, now=from_micros(now_us))

    def lock(self) -> None:
        """Take the publishers' lock alone; whoever will publish in this transaction takes it before any other."""
        self._sql.run("UPDATE event_marks SET position = position WHERE name = 'last'")

    def add(self, new: Sequence[tuple[int, Draft, Sequence[str]]]) -> None:
        """Store events at positions that were allotted, with the tasks they start."""
        self._sql.many(
            f"INSERT INTO events ({_EVENT}, idempotency_key, triggered) VALUES (?, ?, ?, ?, ?, ?, ?)",
            [
                (at, one.topic, to_json(one.data).decode(), one.source, one.depth, one.key, _listed(one, task_ids))
                for at, one, task_ids in new
            ],
        )

    def by_key(self, key: str) -> Published | None:
        """What was published under this key."""
        rows = self._sql.run(f"SELECT {_EVENT}, triggered FROM events WHERE idempotency_key = ?", (key,))
        if not rows:
            return None
        *event, triggered = rows[0]
        return Published(_stored(event).event, tuple(orjson.loads(triggered or "[]")))

    # What events start.

    def triggers_version(self) -> int:
        """Rises whenever a trigger comes, goes or changes."""
        return self._mark("triggers")

    def triggers_changed(self) -> None:
        """Raise the version."""
        self._sql.run("UPDATE event_marks SET position = position + 1 WHERE name = 'triggers'")

    def triggers(self) -> list[TriggerRow]:
        """All there are."""
        # In the order of their own index: SQLite would otherwise go through every active task.
        order = "ORDER BY schedule_kind, id"
        rows = self._sql.run(f"SELECT id, schedule_kind, schedule_expr FROM tasks WHERE {TRIGGERS.text} {order}")
        return [TriggerRow(*row) for row in rows]

    def interests(self) -> list[str]:
        """Patterns of durable readers that are not tasks."""
        # Of the waits only those that may be for what the platform tells: it alone is stored for known readers only.
        rows = self._sql.run(
            "SELECT pattern FROM extension_subscriptions UNION SELECT topics FROM webhooks WHERE enabled"
            " UNION SELECT topic FROM waits WHERE platform = 1"
        )
        return [pattern for (pattern,) in rows]

    def triggered(self, task_ids: Sequence[str]) -> list[TriggeredTask]:
        """Of these tasks, those that are active, by id."""
        if not task_ids:
            return []
        # Locked, so that a task which is being deleted counts either as there or as gone.
        locked = " FOR NO KEY UPDATE" if self._sql.postgresql else ""
        rows = self._sql.run(
            f"SELECT {_TASK}, {_PARAMS} FROM tasks"
            f" WHERE id IN ({marks(task_ids)}) AND status = 'active' ORDER BY id{locked}",
            task_ids,
        )
        return [_task(row) for row in rows]

    def busy(self, task_ids: Sequence[str]) -> dict[str, int]:
        """How many runs of each of the tasks have not ended, backfills left aside; tasks without are left out."""
        if not task_ids:
            return {}
        these = f"SELECT task_id FROM runs WHERE task_id IN ({marks(task_ids)})"
        query = (
            f"SELECT task_id, COUNT(*) FROM ({these} AND {AT_WORK.text} UNION ALL {these} AND {IN_TASK_LINE.text})"
            " AS unended GROUP BY task_id"
        )
        return {row[0]: row[1] for row in self._sql.run(query, (*task_ids, *task_ids))}

    def accept(self, run: NewRun, now: datetime) -> str | None:
        """The id of an earlier run with the same dedupe key; else the key is this one's."""
        return SqlDedupeStore(self._sql).accept(run, now)

    def hold(self, task_id: str, event: Event, quiet: Quiet, now: datetime) -> datetime | None:
        """Let the event wait for quiet; when the event whose place it takes was published."""
        return SqlDebounceStore(self._sql).put(task_id, event, quiet, now)

    def start(self, runs: Sequence[NewRun], records: Sequence[OccurrenceRecord]) -> None:
        """Queue runs and write down what became of each event for each task; each `(task, event)` once."""
        through = self._gates.made(runs)
        rows = [bound(new_row(run, run.scheduled_for, through=run.id in through)) for run in runs]
        if rows:
            names = ", ".join(rows[0])
            self._sql.many(
                f"INSERT INTO runs ({names}) VALUES ({marks(rows[0])}) ON CONFLICT (origin) DO NOTHING",
                [tuple(row.values()) for row in rows],
            )
        self._sql.many(
            f"INSERT INTO occurrences ({', '.join(_RECORD)}) VALUES ({marks(_RECORD)})"
            " ON CONFLICT (task_id, nominal_at) DO NOTHING",
            [tuple(bound({name: getattr(record, name) for name in _RECORD}).values()) for record in records],
        )

    def count_fired(self, fired: Sequence[tuple[str, int]]) -> None:
        """Count runs that events have started, by task; a task that has had all of its runs is completed."""
        self._sql.many(
            "UPDATE tasks SET fired_count = fired_count + ?, status = CASE WHEN max_runs <= fired_count + ?"
            " THEN 'completed' ELSE status END WHERE id = ?",
            [(count, count, task_id) for task_id, count in fired],
        )

    def end_waits(self, news: Sequence[StoredEvent]) -> int:
        """Queue the runs that wait for one of these events, which have just been added; how many."""
        return SqlWaitStore(self._sql).published(news)

    # Reading.

    def last(self) -> int:
        """Position of the newest event; 0 before the first."""
        return self._mark("last")

    def trimmed(self) -> int:
        """Up to where history has been deleted."""
        return self._mark("trimmed")

    def after(self, position: int, pattern: TopicPattern | None, limit: int) -> list[StoredEvent]:
        """Up to `limit` events past a position, in order; where topics are named one by one, only those."""
        literals = None if pattern is None else pattern.literals
        where = "" if literals is None else f" AND topic IN ({marks(literals)})"
        rows = self._sql.run(
            f"SELECT {_EVENT} FROM events WHERE position > ?{where} ORDER BY position LIMIT ?",
            (position, *(literals or ()), limit),
        )
        return [_stored(row) for row in rows]

    def before(self, position: int, pattern: TopicPattern | None, limit: int) -> list[StoredEvent]:
        """The same backwards, from just below the position."""
        literals = None if pattern is None else pattern.literals or self._meant(pattern)
        if literals == ():
            return []
        where = "" if literals is None else f" AND topic IN ({marks(literals)})"
        rows = self._sql.run(
            f"SELECT {_EVENT} FROM events WHERE position < ?{where} ORDER BY position DESC LIMIT ?",
            (position, *(literals or ()), limit),
        )
        return [_stored(row) for row in rows]

    def _meant(self, pattern: TopicPattern) -> tuple[str, ...] | None:
        """The stored topics that it means; None where there are too many topics to go through.

        From one topic to the next by the index: what few events are for is found without reading all the others. Not
        for who reads forwards: a topic that is new by the next statement would be passed over.
        """
        rows = self._sql.run(
            "WITH RECURSIVE found(topic) AS (SELECT MIN(topic) FROM events UNION ALL"
            " SELECT (SELECT MIN(topic) FROM events WHERE topic > found.topic) FROM found"
            " WHERE found.topic IS NOT NULL) SELECT topic FROM found WHERE topic IS NOT NULL LIMIT ?",
            (MOST_TOPICS + 1,),
        )
        if len(rows) > MOST_TOPICS:
            return None
        meant = tuple(topic for (topic,) in rows if pattern.matches(topic))
        return meant if len(meant) < len(rows) else None

    def topics(self, *, limit: int, offset: int, without: Sequence[str] = ()) -> Page[TopicSummary]:
        """Topics that have stored events, by name, but for those that begin with one of these segments."""
        where = " AND ".join(["position >= 0", *(f"substr(topic, 1, {len(one) + 1}) <> ?" for one in without)])
        heads = [f"{one}." for one in without]
        ((total,),) = self._sql.run(f"SELECT COUNT(DISTINCT topic) FROM events WHERE {where}", heads)
        rows = self._sql.run(
            f"SELECT topic, COUNT(*), MAX(position) FROM events WHERE {where}"
            " GROUP BY topic ORDER BY topic LIMIT ? OFFSET ?",
            (*heads, limit, offset),
        )
        return Page(tuple(_summary(*row) for row in rows), total, limit, offset)

    # Upkeep.

    def relayed(self) -> int:
        """Up to where events are known to have reached Redis."""
        return self._mark("relayed")

    def mark_relayed(self, position: int) -> None:
        """Move that place forward."""
        self._sql.run(
            "UPDATE event_marks SET position = ? WHERE name = 'relayed' AND position < ?", (position, position)
        )

    def trim(self, before: int, limit: int) -> int:
        """Delete the oldest events below a position, `limit` at most; how many."""
        rows = self._sql.run(
            "SELECT position FROM events WHERE position < ? ORDER BY position LIMIT ?", (before, limit)
        )
        if not rows:
            return 0
        newest = rows[-1][0]
        self._sql.run("DELETE FROM events WHERE position <= ?", (newest,))
        self._sql.run("UPDATE event_marks SET position = ? WHERE name = 'trimmed' AND position < ?", (newest, newest))
        return len(rows)

    def _mark(self, name: str) -> int:
        ((position,),) = self._sql.run("SELECT position FROM event_marks WHERE name = ?", (name,))
        return int(position)


def _listed(draft: Draft, task_ids: Sequence[str]) -> str | None:
    return None if draft.key is None else orjson.dumps(list(task_ids)).decode()


def _stored(row: Sequence[Any]) -> StoredEvent:
    position, topic, data, source, depth = row
    event = Event(
        id=event_id(position),
        topic=topic,
        data=orjson.loads(data),
        published_at=from_micros(published_us(position)),
        source=source,
        depth=depth,
    )
    return StoredEvent(position, event)


def _summary(topic: str, count: int, last: int) -> TopicSummary:
    moment = from_micros(published_us(last))
    return TopicSummary(topic=topic, events=count, last_event_id=event_id(last), last_published_at=moment)


def _task(row: Sequence[Any]) -> TriggeredTask:
    names = [name.strip() for name in _TASK.split(",")]
    values = dict(zip(names, row[:-1], strict=True))
    values["payload"] = {} if row[-1] is None else orjson.loads(row[-1])
    for name in ("starts_at", "ends_at", "snoozed_until", "granted_until"):
        values[name] = None if values[name] is None else from_micros(values[name])
    return TriggeredTask(**values)

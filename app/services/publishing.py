"""What publishing does inside a transaction: events, and with them the runs of the tasks they are for."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from app.domain.debounce import Quiet
from app.domain.dedupe import deduped_reason
from app.domain.event_store import EventStore
from app.domain.events import Draft, Published, StoredEvent, event_document
from app.domain.ids import new_id
from app.domain.run_limits import MOST_UNENDED, taken
from app.domain.runs import NewRun
from app.domain.tasks import OccurrenceRecord
from app.domain.texts import t
from app.domain.triggers import Decision, TriggeredTask, TriggerIndex, decide
from ordinaut import Event

INTERESTS_SECONDS = 1.0
"""How long a durable reader that is not a task may be unknown."""


class Triggers:
    """The triggers as this process knows them; read anew when their version has risen."""

    def __init__(self) -> None:
        self.index = TriggerIndex()
        self._interests_at = 0.0
        self._looked_at = 0.0

    def at(self, events: EventStore, version: int, *, keep: bool = True) -> TriggerIndex:
        """The index of at least this version.

        Without `keep` it is not remembered: a transaction that changes triggers sees changes which may not stand.
        """
        index, now = self.index, time.monotonic()
        if index.version >= version and now - self._interests_at <= INTERESTS_SECONDS:
            return index
        interests = tuple(sorted(events.interests()))
        # Mostly nothing has changed: thousands of triggers are not read anew each second, under everybody's lock.
        if index.version < version or interests != index.asked:
            index = TriggerIndex.of(version, events.triggers(), interests)
        if keep:
            self.index, self._interests_at = index, now
        return index

    def fresh(self, seconds: float) -> bool:
        """Whether the last look is no older than so many seconds."""
        return time.monotonic() - self._looked_at <= seconds

    def look(self, events: EventStore) -> TriggerIndex:
        """The index as the store has it now."""
        index = self.at(events, events.triggers_version())
        self._looked_at = time.monotonic()
        return index


class Publisher:
    """Stores events and starts what they are for, inside somebody else's transaction."""

    def __init__(self, triggers: Triggers) -> None:
        self.triggers = triggers

    def matched(self, drafts: Sequence[Draft]) -> tuple[TriggerIndex, list[tuple[str, ...]]]:
        """What the events are for, as far as is known: to be worked out before the lock is taken."""
        index = self.triggers.index
        return index, [index.hits(draft) for draft in drafts]

    def store(
        self,
        events: EventStore,
        drafts: Sequence[Draft],
        known: tuple[TriggerIndex, list[tuple[str, ...]]] | None = None,
        *,
        keep: bool = True,
    ) -> list[Published]:
        """Publish these, in order; what was published under a key before is answered as it was."""
        allotment = events.allot(len(drafts))
        index = self.triggers.at(events, allotment.version, keep=keep)
        hits = known[1] if known and known[0] is index else [index.hits(draft) for draft in drafts]
        earlier = [events.by_key(draft.key) if draft.key else None for draft in drafts]
        news = [
            (allotment.first + number, draft, ids)
            for number, (draft, ids, before) in enumerate(zip(drafts, hits, earlier, strict=True))
            if before is None
        ]
        started = Starting(events, allotment.now, {task_id for *_, ids in news for task_id in ids})
        made = {at: started.by(draft.at(at), started.meant(index, draft, ids)) for at, draft, ids in news}
        events.add([(at, draft, made[at].triggered) for at, draft, _ in news])
        started.write()
        woken = events.end_waits([StoredEvent(at, made[at].event) for at, *_ in news]) if news else 0
        if woken:
            made[news[0][0]] = replace(made[news[0][0]], woken=woken)
        return [made[allotment.first + number] if before is None else before for number, before in enumerate(earlier)]


class Starting:
    """The runs that a few events start; policies are kept as if the events had come one by one."""

    def __init__(self, events: EventStore, now: datetime, task_ids: set[str]) -> None:
        self._events = events
        self._now = now
        ordered = sorted(task_ids)
        self.tasks = {task.id: task for task in events.triggered(ordered)}
        limited_ids = [task.id for task in self.tasks.values() if task.overlap in MOST_UNENDED]
        self._busy = dict(events.busy(limited_ids))
        self._runs: list[NewRun] = []
        self._records: list[OccurrenceRecord] = []
        self._fired: dict[str, int] = {}

    def meant(self, index: TriggerIndex, draft: Draft, task_ids: Sequence[str]) -> list[str]:
        """Those that the event is for, once nobody can edit them any more: an edit may have come after the index."""
        return [one for one in task_ids if one in self.tasks and index.still(self.tasks[one], draft)]

    def by(self, event: Event, task_ids: Sequence[str], *, quiet: bool = False) -> Published:
        """Decide about one event; `quiet` says that the burst it stood for is over."""
        document = event_document(event) if task_ids else {}
        started: list[str] = []
        for task_id in task_ids:
            task = self.tasks.get(task_id)
            fired = self._fired.get(task_id, 0)
            if task is None or (task.max_runs is not None and task.fired_count + fired >= task.max_runs):
                continue
            waits = task.debounce_seconds is not None and not quiet
            busy = 0 if waits else self._busy.get(task_id, 0)
            decision = decide(task, min(event.published_at, self._now), event.depth + 1, busy=busy)
            if decision is None:
                continue
            if decision.outcome != "fired":
                self._keep(task_id, event.published_at, decision)
            elif waits:
                self._hold(task, event)
            elif self._start(task, event, document):
                started.append(task_id)
        return Published(event, tuple(started))

    def _start(self, task: TriggeredTask, event: Event, document: dict[str, object]) -> bool:
        """Make the run, unless a limit forbids it."""
        run = taken(_run(task, event, document, self._now), task)
        if not isinstance(run, NewRun):
            self._keep(task.id, event.published_at, Decision("dropped_limit", run))
            return False
        earlier = self._events.accept(run, self._now)
        if earlier is not None:
            reason = deduped_reason(run.dedupe_window_seconds)
            self._keep(task.id, event.published_at, Decision("deduped", reason), earlier)
            return False
        self._runs.append(run)
        self._busy[task.id] = self._busy.get(task.id, 0) + 1
        self._fired[task.id] = self._fired.get(task.id, 0) + 1
        self._keep(task.id, event.published_at, Decision("fired"), run.id)
        return True

    def _hold(self, task: TriggeredTask, event: Event) -> None:
        """Wait whether more such events come."""
        quiet = Quiet(seconds=task.debounce_seconds or 0, most=task.debounce_max_wait_seconds)
        before = self._events.hold(task.id, event, quiet, self._now)
        if before is not None:
            self._keep(task.id, before, Decision("deduped", t("A later event of the same burst stands for it")))

    def _keep(self, task_id: str, at: datetime, decision: Decision, run_id: str | None = None) -> None:
        self._records.append(
            OccurrenceRecord(
                task_id=task_id,
                nominal_at=at,
                effective_at=at,
                outcome=decision.outcome,
                reason=decision.reason,
                run_id=run_id,
            )
        )

    def write(self) -> None:
        """Store everything that was decided."""
        if self._records:
            self._events.start(self._runs, self._records)
            self._events.count_fired(sorted(self._fired.items()))
            completed = [
                task.id
                for task in self.tasks.values()
                if task.max_runs is not None and task.fired_count + self._fired.get(task.id, 0) >= task.max_runs
            ]
            if completed:
                self._events.triggers_changed()


def _run(task: TriggeredTask, event: Event, document: dict[str, object], now: datetime) -> NewRun:
    return NewRun(
        id=new_id(),
        task_id=task.id,
        definition_id=task.definition_id,
        trigger="event",
        nominal_at=event.published_at,
        # Ids go on where a clock was put back: the moment they tell may be ahead, and no run must wait for it.
        scheduled_for=min(event.published_at, now),
        priority=task.priority,
        max_attempts=task.max_retries + 1,
        origin=f"event:{event.id}:{task.id}",
        event=document,
        depth=max(event.depth + 1, task.depth),
    )

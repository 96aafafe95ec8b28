"""What the platform tells of itself: changes of tasks, runs and steps, as events.

An event that a durable reader is for (an `event` or `condition` task, an extension's subscription) is stored in the
transaction of the change; every other one is announced live once the change stands, and kept by nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import orjson

from app.domain.access import sees_all
from app.domain.approvals import approval_facts
from app.domain.clock import Clock
from app.domain.errors import Forbidden
from app.domain.event_store import EventStore, RunEnd
from app.domain.events import Draft, depth_here, run_depth
from app.domain.execution import Checkpoint, Claimed, Exchange, Line, Settlement
from app.domain.ports import RunQueue, UnitOfWork, UnitsOfWork
from app.domain.runs import Run
from app.domain.scopes import READ_ALL
from app.domain.tasks import BY_EVENT, Task
from app.domain.texts import t
from app.domain.triggers import TriggerIndex, named_families
from app.domain.waits import ApprovalWait
from app.services.announcing import Announcer
from app.services.publishing import Publisher, Triggers
from ordinaut import Caller

SOURCE = "ordinaut"
FRESH_SECONDS = 1.0
"""How long a worker that takes up no runs may go by the triggers it knows."""
RINGS = 4


def task_facts(task: Task, **more: Any) -> dict[str, Any]:
    """What is told of a task."""
    return {
        "task_id": task.id,
        "title": task.title,
        "status": task.status,
        "schedule_kind": task.schedule_kind,
        "created_by": task.created_by,
        "version": task.version,
        **({} if task.expose_as_tool is None else {"expose_as_tool": task.expose_as_tool}),
        **more,
    }


def run_facts(run: Run | RunEnd, status: str) -> dict[str, Any]:
    """What is told of a run that no worker holds."""
    run_id = run.run_id if isinstance(run, RunEnd) else run.id
    facts = {"run_id": run_id, "task_id": run.task_id, "trigger": run.trigger, "attempt": run.attempt}
    return {**facts, "status": status, "error": run.error}


def check_may_hear(task: Task, caller: Caller) -> None:
    """Refuse a trigger for what the platform tells, which is about everybody's tasks, to who may not see them.

    Raises:
        Forbidden: the task's pattern or condition names topics of the platform's.
    """
    if task.schedule_kind in BY_EVENT and not sees_all(caller) and named_families(task.schedule_kind, _expr(task)):
        raise Forbidden(
            t("Only who may see everybody's tasks may have a task started by what the platform tells of itself"),
            required_scopes=[READ_ALL],
            granted_scopes=sorted(caller.scopes),
        )


def _expr(task: Task) -> str:
    return task.schedule_expr or ""


class Telling:
    """What one transaction has to tell."""

    def __init__(self, herald: Herald, unit: UnitOfWork, index: TriggerIndex) -> None:
        self._herald = herald
        self._index = index
        self._unit = unit
        self._live: list[Draft] = []
        self._started = 0
        self._stored = False
        unit.after_commit(self._committed)

    def tell(self, topic: str, data: Mapping[str, Any], *, depth: int | None = None) -> None:
        """Tell it: stored where somebody durable listens, else live once the transaction stands."""
        depth = depth_here() if depth is None else depth
        draft = Draft(topic=topic, data=data, source=SOURCE, depth=depth)
        if not self._index.must_store(draft):
            self._live.append(draft)
            return
        # The index is not remembered: this transaction may have changed triggers, and may yet fail.
        published = self._herald.publisher.store(self._unit.events, [draft], keep=False)
        self._stored = True
        self._started += sum(len(one.triggered) + one.woken for one in published)

    def _committed(self) -> None:
        self._herald.spread(self._live, stored=self._stored, started=self._started)


class Herald:
    """Opens tellings, and spreads the news once they stand."""

    def __init__(
        self,
        *,
        publisher: Publisher,
        clock: Clock,
        queue: RunQueue | None = None,
        announcer: Announcer | None = None,
        published: Callable[[], None] = lambda: None,
    ) -> None:
        self.publisher = publisher
        self._announcer = announcer
        self._queue = queue
        self._clock = clock
        self._published = published

    @classmethod
    def silent(cls, clock: Clock, queue: RunQueue | None = None) -> Herald:
        """One whose announcements reach nobody; what durable readers are for is stored all the same."""
        return cls(publisher=Publisher(Triggers()), clock=clock, queue=queue)

    def opened(self, unit: UnitOfWork, *topics: str) -> Telling:
        """For a transaction that may tell on these topics: to be called before it locks any row."""
        index = self.publisher.triggers.look(unit.events)
        if any(index.may_hear(topic) for topic in topics):
            unit.events.lock()
        return Telling(self, unit, index)

    @property
    def listened_to(self) -> bool:
        """Whether announcements reach anybody."""
        return self._announcer is not None and self._announcer.wanted

    def spread(self, live: Sequence[Draft], *, stored: bool, started: int) -> None:
        """A transaction stands: announce, ring, and let the stored events be carried on."""
        if live and self._announcer is not None and self._announcer.wanted:
            moment = self._clock.now()
            self._announcer.put([draft.unstored(moment) for draft in live])
        if stored:
            self._published()
        if started and self._queue is not None:
            self._queue.ring(min(started, RINGS))


class RunWitness:
    """Tells of runs and steps in the hands of workers; see `app.domain.event_store.Witness`.

    For one ledger, and for one thread that visits it at a time.
    """

    def __init__(self, *, units: UnitsOfWork, herald: Herald) -> None:
        self._units = units
        self._herald = herald
        self._index = TriggerIndex()
        self._behind = False
        self._begin()

    def _begin(self) -> None:
        self._stored = False
        self._started = 0
        self._lost: list[Draft] = []

    def expects(self, settle: Sequence[Settlement], checkpoint: Checkpoint | None, want: int) -> bool:
        """Whether any of this will have to be stored."""
        self._begin()
        self._index = index = self._fresh()
        if not index.families & _FAMILIES:
            return False
        return (bool(want) and index.may_hear("run.started")) or any(map(index.must_store, _ends(settle, checkpoint)))

    def seen(self, version: int) -> None:
        """A claim came upon this version of the triggers: know at least as much before its runs end."""
        self._behind = self._behind or version > self._herald.publisher.triggers.index.version

    def expects_rescues(self) -> bool:
        """The same for runs that are lost with their worker."""
        self._begin()
        self._index = index = self._fresh()
        return index.may_hear("run.failed") or index.may_hear("run.canceled")

    def _fresh(self) -> TriggerIndex:
        triggers = self._herald.publisher.triggers
        if self._behind or not triggers.fresh(FRESH_SECONDS):
            self._behind = False
            with self._units(read_only=True) as unit:
                return triggers.look(unit.events)
        return triggers.index

    def saw(
        self,
        events: EventStore,
        settled: Sequence[Settlement],
        checkpoint: Checkpoint | None,
        claimed: Sequence[Claimed],
    ) -> None:
        """It happened: store what has a durable reader."""
        self._store(events, [*_ends(settled, checkpoint), *_starts(claimed)])

    def rescued(self, events: EventStore | None, ended: Sequence[RunEnd]) -> None:
        """Runs that were lost with their worker have ended."""
        self._lost = [_ended(end) for end in ended]
        if events is not None:
            self._store(events, self._lost)

    def _store(self, events: EventStore, drafts: Sequence[Draft]) -> None:
        kept = [draft for draft in drafts if self._index.must_store(draft)]
        if kept:
            published = self._herald.publisher.store(events, kept)
            self._stored, self._started = True, sum(len(one.triggered) + one.woken for one in published)

    def committed(self, settle: Sequence[Settlement], checkpoint: Checkpoint | None, answer: Exchange) -> None:
        """The transaction stands: announce the rest, if anybody listens."""
        live: list[Draft] = []
        if self._herald.listened_to:
            accepted = [one for one in settle if one.run.id in answer.accepted]
            kept = checkpoint if checkpoint is not None and checkpoint.run.id in answer.accepted else None
            told = [*_ends(accepted, kept), *_starts(answer.claimed), *self._lost]
            live = [draft for draft in told if not self._index.must_store(draft)]
        self._herald.spread(live, stored=self._stored, started=self._started)


_FAMILIES = frozenset({"run", "step", "approval"})


def _starts(claimed: Iterable[Claimed]) -> Iterator[Draft]:
    for run in claimed:
        if run.part is None:
            yield _draft("run.started", run, _facts(run, "running"))


def _ends(settled: Iterable[Settlement], checkpoint: Checkpoint | None) -> Iterator[Draft]:
    """Steps and runs that have ended, in the order in which they did."""
    if checkpoint is not None:
        yield from _steps(checkpoint.run, checkpoint.lines)
    for one in settled:
        yield from _steps(one.run, one.lines)
        if one.status == "waiting":
            if one.run.part is None:
                reason = None if one.parking is None else one.parking.wait.kind
                yield _draft("run.waiting", one.run, {**_facts(one.run, "waiting"), "reason": reason})
            yield from _asked(one)
        elif one.status != "queued" and one.run.part is None:
            error = None if one.error is None else orjson.loads(one.error)
            yield _draft(f"run.{one.status}", one.run, {**_facts(one.run, one.status), "error": error})


def _asked(one: Settlement) -> Iterator[Draft]:
    if one.parking is not None and isinstance(one.parking.wait, ApprovalWait):
        more = {"task_id": one.run.task_id, "step_id": one.parking.step_id, "status": "pending"}
        yield _draft("approval.requested", one.run, approval_facts(one.parking.wait.approval, **more))


def _steps(run: Claimed, lines: Iterable[Line]) -> Iterator[Draft]:
    for _, kind, body in lines:
        if kind == "step" and body["status"] in _FINISHED:
            told = {name: body.get(name) for name in _STEP}
            yield _draft(
                "step.finished", run, {"run_id": _root(run), "task_id": run.task_id, **told, "step_id": body["id"]}
            )


_FINISHED = frozenset({"succeeded", "failed", "skipped"})
_STEP = ("step_id", "uses", "status", "attempt", "started_at", "finished_at", "error")


def _root(run: Claimed) -> str:
    """The run that people see."""
    return run.id if run.part is None else str(run.part["root"])


def _facts(run: Claimed, status: str) -> dict[str, Any]:
    return {
        "run_id": run.id,
        "task_id": run.task_id,
        "trigger": run.trigger,
        "attempt": run.attempt,
        "status": status,
    }


def _draft(topic: str, run: Claimed, data: Mapping[str, Any]) -> Draft:
    return Draft(topic=topic, data=data, source=SOURCE, depth=run_depth(run.event, run.depth))


def _ended(end: RunEnd) -> Draft:
    return Draft(topic=f"run.{end.status}", data=run_facts(end, end.status), source=SOURCE, depth=end.depth)

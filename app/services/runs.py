"""Looking at runs, waiting for them, watching them live, and stopping them."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, Protocol

from app.domain.access import owner_filter
from app.domain.clock import Clock
from app.domain.errors import Conflict, NotFound, Unavailable
from app.domain.journal import StepView, has_parts, steps_with_parts
from app.domain.paging import Page
from app.domain.ports import UnitsOfWork
from app.domain.run_stories import Place
from app.domain.runs import ENDED, Record, Run, RunFilter, RunStats
from app.domain.tasks import Definition
from app.domain.texts import t
from app.services.audit_trail import entry
from app.services.lifecycle import Herald
from app.services.ownership import may_see, run_changed, run_seen, visible_runs
from app.services.run_ends import cancel_run
from app.services.run_stories import Told, told_since
from ordinaut import Caller

HEARTBEAT_SECONDS = 2.0
"""How often a silent stream speaks up, so that whoever sends it can look whether the client is still there."""
WAIT_LIMIT_SECONDS = 50.0
PARTS_SECONDS = 0.5
"""How often a stream looks at the parts of its run: what they do moves neither the run's journal nor its status."""
TROUBLE_PAUSE_SECONDS = 1.0
"""How long a stream waits before it asks a database that did not answer again."""

State = tuple[int, str]
"""`(journal_length, status)` of a run: when either moves, there is something to read."""


class Watch(Protocol):
    """One reader's watch over one run."""

    def wait(self, known: State, timeout: float) -> Literal["changed", "timeout", "stopping"]:
        """Sleep until the run differs from `known`, at most `timeout` seconds, or until the process stops."""


class Hub(Protocol):
    """Tells readers in this process when a run they watch has changed; `app.realtime.hub`."""

    def watch(self, run_id: str) -> AbstractContextManager[Watch]: ...


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """Nothing happened, and the line is still open."""


@dataclass(frozen=True, slots=True)
class End:
    """The run has ended and everything about it was sent; `status` is None when it was deleted meanwhile."""

    status: str | None


Signal = Told | Heartbeat | End


@dataclass(frozen=True, slots=True)
class Waited:
    """A run after a wait, and whether the time was up before it ended."""

    run: Run
    timed_out: bool


@dataclass(frozen=True, slots=True)
class Cancelled:
    """What a cancellation did: the run has ended (`canceled`) or will end by its worker (`running`)."""

    run_id: str
    status: Literal["canceled", "running"]


@dataclass(frozen=True, slots=True)
class Window:
    """Statistics and the time they cover."""

    days: int
    since: datetime
    stats: RunStats


class RunService:
    """The use cases of runs."""

    def __init__(self, *, units: UnitsOfWork, clock: Clock, hub: Hub, herald: Herald | None = None) -> None:
        self._herald = herald or Herald.silent(clock)
        self._units = units
        self._clock = clock
        self._hub = hub

    def get(self, run_id: str, *, caller: Caller) -> tuple[Run, list[StepView]]:
        """The run with its steps, or NotFound."""
        with self._units(read_only=True) as unit:
            run = run_seen(unit, unit.runs.get(run_id), caller)
            records = unit.runs.journal(run_id)
            parts = unit.runs.parts(run_id, "log") if has_parts(records) else ()
        return run, list(steps_with_parts(records, parts).values())

    def definition(self, run_id: str, *, caller: Caller) -> tuple[Definition, bool]:
        """What the run does, as it was when the run was queued, and whether its task still has it; or NotFound."""
        with self._units(read_only=True) as unit:
            run = run_seen(unit, unit.runs.get(run_id), caller)
            definition = unit.tasks.definition(run.definition_id)
            return definition, unit.tasks.get(run.task_id).definition_id == definition.id

    def page(self, where: RunFilter, *, caller: Caller, limit: int, offset: int) -> Page[Run]:
        """Runs that the caller may see, newest first."""
        with self._units(read_only=True) as unit:
            return unit.runs.page(visible_runs(where, caller), limit=limit, offset=offset)

    def steps(self, run_id: str, *, caller: Caller) -> list[StepView]:
        """The steps that have begun, in that order, or NotFound."""
        return self.get(run_id, caller=caller)[1]

    def logs(self, run_id: str, *, caller: Caller, limit: int, offset: int) -> Page[Record]:
        """Log lines, those of its parts too, oldest first, or NotFound."""
        with self._units(read_only=True) as unit:
            run_seen(unit, unit.runs.get(run_id), caller)
            records = unit.runs.journal(run_id)
            parts = unit.runs.parts(run_id) if has_parts(records) else ()
        lines = sorted(_lines(records, *parts), key=lambda record: record.at)
        return Page(tuple(lines[offset : offset + limit]), len(lines), limit, offset)

    def latest(self, task_id: str, *, caller: Caller) -> Run:
        """The task's newest run; NotFound when there is no such task or it never ran."""
        with self._units(read_only=True) as unit:
            may_see(unit.tasks.get(task_id), caller)
            run = unit.runs.latest(task_id)
        if run is None:
            raise NotFound(t("This task has no runs yet"), task_id=task_id)
        return run

    def stats(self, task_id: str, *, caller: Caller, days: int) -> Window:
        """One task's runs counted over the last `days`, or NotFound."""
        since = self._clock.now() - timedelta(days=days)
        with self._units(read_only=True) as unit:
            may_see(unit.tasks.get(task_id), caller)
            return Window(days, since, unit.runs.stats(since=since, task_id=task_id))

    def summary(self, *, caller: Caller, days: int) -> Window:
        """The runs that the caller may see, counted over the last `days`."""
        since = self._clock.now() - timedelta(days=days)
        with self._units(read_only=True) as unit:
            return Window(days, since, unit.runs.stats(since=since, owner=owner_filter(caller)))

    def cancel(self, run_id: str, *, caller: Caller) -> Cancelled:
        """End a run that no worker holds, or ask the worker that holds it to stop.

        Raises:
            NotFound: there is no such run.
            Forbidden: its task is another agent's.
            Conflict: it has ended already.
        """
        with self._units() as unit:
            telling = self._herald.opened(unit, "run.canceled")
            run = run_changed(unit, unit.runs.get(run_id), caller)
            now = self._clock.now()
            status = cancel_run(unit, run, now, telling)
            if status is not None:
                action = "run.canceled" if status == "canceled" else "run.cancel_requested"
                unit.audit.add(entry(now, caller, action, run_id))
                return Cancelled(run_id, status)
            run = unit.runs.get(run_id)
        message = t("The run cannot be canceled: it is {status}", status=run.status)
        raise Conflict(message, run_id=run_id, status=run.status)

    def wait(self, run_id: str, *, caller: Caller, timeout: float, gone: Callable[[], bool] = lambda: False) -> Waited:
        """The run once it has ended, or as it stands after `timeout` seconds (at most 50), or NotFound.

        Args:
            gone: Whether nobody waits for the answer any more; asked every few seconds.
        """
        self._run(run_id, caller)
        deadline = time.monotonic() + min(timeout, WAIT_LIMIT_SECONDS)
        with self._hub.watch(run_id) as watch:
            while True:
                run = self._run(run_id)
                left = deadline - time.monotonic()
                if run.status in ENDED:
                    return Waited(run, timed_out=False)
                if left <= 0 or gone():
                    return Waited(run, timed_out=True)
                if watch.wait((run.journal_length, run.status), min(left, HEARTBEAT_SECONDS)) == "stopping":
                    return Waited(run, timed_out=True)

    def stream(self, run_id: str, *, caller: Caller, after: Place | None) -> Iterator[Signal]:
        """What happens to a run from the place `after` on, until it ends or the process stops.

        Without `after` it begins with a record 0 that says the run was queued. Of the parts in which some of its work
        goes on, steps and log lines are told. A heartbeat comes every few seconds, also while the database is away.
        NotFound is raised here, before anything is sent.
        """
        run = self._run(run_id, caller)
        return self._signals(run, after)

    def _signals(self, run: Run, after: Place | None) -> Iterator[Signal]:
        if after is None:
            yield Told(Record(0, run.created_at, "state", {"status": "queued", "attempt": 0}), "0")
        place = after or Place()
        with self._hub.watch(run.id) as watch:
            while True:
                # A short unit for each look: a stream may stay open for days.
                seen, told, place = self._look(run.id, place)
                yield from told
                if seen is None or seen[1] in ENDED:
                    yield End(seen[1] if seen else None)
                    return
                if (yield from _until_changed(watch, seen, in_parts=bool(place.waits_for))) == "stopping":
                    return

    def _look(self, run_id: str, place: Place) -> tuple[State | None, list[Told], Place]:
        """The run's state, what was recorded after `place`, and the place after that; state None when the run is gone.

        While the database is away the state is one that no run has, so that the reader asks again soon.
        """
        ahead = place.copied()
        try:
            with self._units(read_only=True) as unit:
                run = unit.runs.get(run_id)
                return (run.journal_length, run.status), told_since(unit.runs, run_id, ahead), ahead
        except NotFound:
            return None, [], place
        except Unavailable:
            return AWAY, [], place

    def _run(self, run_id: str, caller: Caller | None = None) -> Run:
        """The run; those who look again have been let in before."""
        with self._units(read_only=True) as unit:
            run = unit.runs.get(run_id)
            return run if caller is None else run_seen(unit, run, caller)


def _lines(*journals: Sequence[Record]) -> list[Record]:
    return [record for records in journals for record in records if record.kind == "log"]


AWAY: State = (-1, "")


def _until_changed(watch: Watch, seen: State, *, in_parts: bool) -> Generator[Signal, None, str]:
    """Heartbeats until there is something to read, or may be; its value is why it ended."""
    quiet = TROUBLE_PAUSE_SECONDS if seen == AWAY else PARTS_SECONDS if in_parts else HEARTBEAT_SECONDS
    while (reason := watch.wait(seen, quiet)) == "timeout":
        yield Heartbeat()
        if seen == AWAY or in_parts:
            break
    return reason

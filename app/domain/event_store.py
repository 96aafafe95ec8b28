"""Where events are kept, how they travel between processes, and who is told of what the platform does itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from app.domain.debounce import Quiet
from app.domain.events import Allotment, Draft, Published, StoredEvent, TopicPattern, TopicSummary
from app.domain.execution import Checkpoint, Claimed, Exchange, Settlement
from app.domain.paging import Page
from app.domain.runs import NewRun
from app.domain.tasks import OccurrenceRecord
from app.domain.triggers import TriggeredTask, TriggerRow
from ordinaut import Event


class EventStore(Protocol):
    """Events inside a transaction.

    Whoever publishes holds one lock until the commit, so that ids rise in the order of commits and a reader that goes
    by "greater than the last I saw" misses nothing. To never wait for each other in a circle, a transaction that will
    publish takes it (`lock`, `allot`) before it locks any other row.
    """

    def allot(self, count: int) -> Allotment:
        """Take the lock and the next `count` positions."""

    def lock(self) -> None:
        """Take the lock."""

    def add(self, new: Sequence[tuple[int, Draft, Sequence[str]]]) -> None:
        """Store events at positions that were allotted, with the ids of the tasks they start."""

    def by_key(self, key: str) -> Published | None:
        """What was published under this key."""

    def triggers_version(self) -> int:
        """Rises whenever a trigger comes, goes or changes."""

    def triggers_changed(self) -> None:
        """Raise it: to be called by whoever stores an `event` or `condition` task."""

    def triggers(self) -> Sequence[TriggerRow]: ...

    def interests(self) -> Sequence[str]:
        """Patterns of durable readers that are not tasks."""

    def triggered(self, task_ids: Sequence[str]) -> Sequence[TriggeredTask]:
        """Those of the tasks that are active, by id."""

    def busy(self, task_ids: Sequence[str]) -> Mapping[str, int]:
        """How many runs of each of the tasks have not ended; tasks without are left out."""

    def accept(self, run: NewRun, now: datetime) -> str | None:
        """See `app.domain.dedupe.DedupeStore`."""

    def hold(self, task_id: str, event: Event, quiet: Quiet, now: datetime) -> datetime | None:
        """Let the event wait for quiet; see `app.domain.debounce.DebounceStore.put`."""

    def start(self, runs: Sequence[NewRun], records: Sequence[OccurrenceRecord]) -> None:
        """Queue runs and write occurrences; each `(task, event)` once."""

    def count_fired(self, fired: Sequence[tuple[str, int]]) -> None:
        """Count so many runs more for each task; one that has had all of its runs is completed."""

    def end_waits(self, news: Sequence[StoredEvent]) -> int:
        """Events have just been added: queue the runs that wait for one of them; how many."""

    def last(self) -> int:
        """Position of the newest event; 0 before the first."""

    def trimmed(self) -> int:
        """Up to where history has been deleted."""

    def after(self, position: int, pattern: TopicPattern | None, limit: int) -> Sequence[StoredEvent]:
        """The next events in order; the pattern may be taken as a hint only."""

    def before(self, position: int, pattern: TopicPattern | None, limit: int) -> Sequence[StoredEvent]:
        """The same backwards."""

    def topics(self, *, limit: int, offset: int, without: Sequence[str] = ()) -> Page[TopicSummary]:
        """Topics that have stored events, by name, but for those that begin with one of these segments."""

    def relayed(self) -> int:
        """Up to where events are known to have reached Redis."""

    def mark_relayed(self, position: int) -> None: ...

    def trim(self, before: int, limit: int) -> int:
        """Delete the oldest events below a position; how many."""


class Heard:
    """What came over the wire: that there may be new events in the store, and events that are not stored."""

    __slots__ = ("live", "stored")

    def __init__(self, *, stored: bool = False, live: Sequence[Event] = ()) -> None:
        self.stored = stored
        self.live = live


class BusReader(Protocol):
    """One process's ear at the wire; not shared between threads."""

    def wait(self, seconds: float, *, live: bool) -> Heard:
        """Sleep until something comes, at most so long; `live` says whether announcements are wanted.

        Raises:
            Unavailable: the wire is cut.
        """

    def close(self) -> None:
        """Hang up."""


class EventBus(Protocol):
    """The wire between processes: a copy of the newest events, and announcements that nobody keeps.

    Every method may raise Unavailable; nothing depends on the wire but how soon readers hear of something.
    """

    def top(self) -> int:
        """Position of the newest copy; 0 when there is none."""

    def append(self, events: Sequence[StoredEvent]) -> None:
        """Copy events in order; one that is there already is passed over."""

    def announce(self, events: Sequence[Event]) -> None:
        """Tell whoever listens now."""

    def wanted(self) -> bool:
        """Whether anybody listens to announcements."""

    def reader(self) -> BusReader:
        """A new ear."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnd:
    """How a run ended that no worker settled."""

    run_id: str
    task_id: str
    trigger: str
    status: str
    attempt: int
    depth: int = 0
    error: Mapping[str, Any] | None = None


class Witness(Protocol):
    """Is told what happens to runs inside the ledger's transactions, and again once they stand."""

    def expects(self, settle: Sequence[Settlement], checkpoint: Checkpoint | None, want: int) -> bool:
        """Whether any of this will have to be stored as an event."""

    def seen(self, version: int) -> None:
        """The version of the triggers as a claim found it."""

    def expects_rescues(self) -> bool:
        """The same for runs that are lost with their worker."""

    def saw(
        self,
        events: EventStore,
        settled: Sequence[Settlement],
        checkpoint: Checkpoint | None,
        claimed: Sequence[Claimed],
    ) -> None:
        """It happened, in a transaction that holds the publishers' lock."""

    def rescued(self, events: EventStore | None, ended: Sequence[RunEnd]) -> None:
        """Runs that were lost with their worker have ended.

        The transaction holds the publishers' lock, and `events` is there, if `expects_rescues` said so.
        """

    def committed(self, settle: Sequence[Settlement], checkpoint: Checkpoint | None, answer: Exchange) -> None:
        """The transaction stands."""

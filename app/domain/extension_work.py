"""What extensions do on the worker side: leases, durable subscriptions, dead letters and background tasks."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from app.domain.paging import Page
from ordinaut import Event, TaskInfo

STARTING = "starting"
"""Somebody holds the lease, and its process has not reported yet."""
RUNNING = "running"
"""Somebody holds the lease, and its process is at work."""
FREE = "free"
"""Nobody holds it; whoever comes first may take it."""
IDLE = "idle"
"""This code of the extension found nothing to do; nobody need take it until the code changes."""
CRASHED = "crashed"
"""Its process ended by itself; it may be taken once its pause is over."""
HELD = frozenset({STARTING, RUNNING})

LIVE = frozenset({"starting", "running", "restarting"})
"""States of a background task that is still to be worked on."""

FIRST_PAUSE = 0.5
LONGEST_PAUSE = 60.0


def pause_after(failures: int) -> float:
    """Seconds to wait after so many failures in a row: half a second, doubled each time, a minute at most."""
    return min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(failures - 1, 10))


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How the worker side of extensions keeps time; all in seconds but `attempts`.

    Attributes:
        lease: How long a process may be silent before another may take its extension.
        handler: How long one delivery of an event may take.
        attempts: How often an event is tried before it becomes a dead letter.
        drain: How long a stopping process may finish what it has begun.
        poll: How often it looks for new events unasked.
    """

    lease: float
    handler: float
    attempts: int
    drain: float
    poll: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """One process's right to run an extension; everything it writes names the fence.

    Attributes:
        fence: Rises with every taking; a process with an older one may write nothing more.
        careful: The last holder died: count each delivery before it is made.
    """

    extension_id: str
    fence: int
    careful: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseState:
    """A lease as it stands, by the database's clock.

    Attributes:
        version: Of the code that last took it.
        held: Whether it is taken and has not run out.
        rested: Whether the pause after a crash is over.
    """

    extension_id: str
    owner: str | None
    fence: int
    status: str
    version: str
    held: bool
    rested: bool
    crashes: int
    error: str | None

    def open_to(self, version: str) -> bool:
        """Whether a process with this version of the code may take it."""
        return not self.held and self.rested and not (self.status == IDLE and self.version == version)


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """How a lease is given back.

    Attributes:
        status: FREE, IDLE or CRASHED.
        error: Why, in one line.
        pause: Seconds before it may be taken again; left out, as long as `pause_after` says after a crash, else none.
    """

    status: str = FREE
    error: str | None = None
    pause: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """A durable reader of events.

    Attributes:
        cursor: Id of the last event that is done with.
        event_id: The event that is being tried again; None when there is none.
        attempts: How often that one has been tried.
        error: How the last attempt ended.
    """

    extension_id: str
    pattern: str
    cursor: str
    event_id: str | None = None
    attempts: int = 0
    error: str | None = None

    def attempts_at(self, event_id: str) -> int:
        """How often this event has been tried, as far as is known."""
        return self.attempts if self.event_id == event_id else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """An event that a handler could not take.

    Attributes:
        at: When it was given up.
        redelivering: Somebody asked for it to be tried once more.
    """

    id: str
    extension_id: str
    pattern: str
    event: Event
    error: str
    attempts: int
    at: datetime
    redelivering: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Errands:
    """What others ask of an extension's process: tasks to stop, dead letters to deliver once more."""

    stops: tuple[str, ...]
    letters: tuple[DeadLetter, ...]


class ExtensionWorkStore(Protocol):
    """The worker side of extensions, inside a unit of work; every time is the database's."""

    # Leases.

    def leases(self) -> list[LeaseState]:
        """All there are, by extension."""

    def lease(self, extension_id: str) -> LeaseState | None: ...

    def take(self, extension_id: str, *, owner: str, version: str, seconds: float) -> Lease | None:
        """Take a lease that is open to this version; None when somebody else has it."""

    def renew(self, lease: Lease, *, seconds: float, status: str, good_life: float) -> bool:
        """Hold it for `seconds` more; crashes are forgotten after `good_life` seconds. False when it is lost."""

    def release(self, lease: Lease, how: Release) -> bool:
        """Give it back; False when it is no longer this one's to give."""

    def hold(self, lease: Lease) -> None:
        """Keep everybody from taking the lease until the unit ends.

        Raises:
            LeaseLost: somebody else has taken it, or it was given back.
        """

    def forget_absent(self, present: Collection[str], seconds: float) -> list[str]:
        """Remove leases, subscriptions and tasks of other extensions that nobody has run for so long; their ids."""

    # Subscriptions.

    def subscribe(self, extension_id: str, pattern: str, *, cursor: str) -> Subscription:
        """The subscription, new at `cursor` or as it stands."""

    def unsubscribe(self, extension_id: str, pattern: str) -> None: ...

    def keep_only(self, extension_id: str, patterns: Collection[str]) -> list[str]:
        """End the extension's other subscriptions; their patterns."""

    def subscriptions(self, extension_id: str | None = None) -> list[Subscription]:
        """Of one extension or of all, by extension and pattern."""

    def save_subscription(self, subscription: Subscription) -> None:
        """Store cursor, event, attempts and error; nothing when it has ended."""

    # Dead letters.

    def add_letter(self, letter: DeadLetter) -> None: ...

    def letter(self, extension_id: str, letter_id: str) -> DeadLetter:
        """The letter, or NotFound."""

    def letters(self, extension_id: str, *, limit: int, offset: int) -> Page[DeadLetter]:
        """Newest first."""

    def save_letter(self, letter: DeadLetter) -> None:
        """Store error, attempts and whether it is to be delivered once more."""

    def delete_letter(self, extension_id: str, letter_id: str) -> None:
        """Remove it, or NotFound."""

    def letters_to_redeliver(self, extension_id: str, limit: int) -> list[DeadLetter]:
        """Oldest first."""

    # Background tasks.

    def save_task(self, extension_id: str, task: TaskInfo) -> None:
        """Store the task under its name; a wish to stop it stays until it has ended."""

    def forget_tasks(self, extension_id: str) -> None:
        """Remove all tasks of an extension."""

    def forget_task(self, extension_id: str, name: str) -> None:
        """Remove one, with any wish to stop it."""

    def tasks(self, extension_id: str) -> list[TaskInfo]:
        """By name."""

    def ask_to_stop(self, extension_id: str, name: str) -> bool:
        """Note that the task is to stop; False when there is none that runs."""

    def stops(self, extension_id: str) -> Sequence[str]:
        """Names of tasks that are to stop."""


class ExtensionWorkUnit(Protocol):
    """The part of a unit of work that belongs to extensions, see `app.domain.ports.UnitOfWork`."""

    @property
    def extension_work(self) -> ExtensionWorkStore: ...


class ExtensionWorkUnits(Protocol):
    """Opens such units, see `app.domain.ports.UnitsOfWork`."""

    def __call__(self, *, read_only: bool = False) -> AbstractContextManager[ExtensionWorkUnit]: ...

"""What the process that runs an extension writes down; every write is refused once its lease has passed on."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

from app.domain.clock import Clock
from app.domain.errors import NotFound
from app.domain.extension_work import (
    RUNNING,
    DeadLetter,
    Errands,
    ExtensionWorkStore,
    ExtensionWorkUnits,
    Lease,
    Release,
    Subscription,
)
from app.domain.ids import new_id
from ordinaut import Event, TaskInfo

GOOD_LIFE = 60.0
"""Seconds after which earlier crashes are forgotten."""
LETTERS_AT_ONCE = 10


class ExtensionSession:
    """One process's hold of one extension.

    Args:
        seconds: How long a renewed lease holds.

    Every method but `renew` and `release` raises LeaseLost when the extension is with another process, and each
    raises Unavailable when the database does not answer.
    """

    def __init__(self, lease: Lease, *, owner: str, units: ExtensionWorkUnits, clock: Clock, seconds: float) -> None:
        self.lease = lease
        self.owner = owner
        self.clock = clock
        self._units = units
        self._seconds = seconds

    @property
    def extension_id(self) -> str:
        """Whose work it is."""
        return self.lease.extension_id

    @contextmanager
    def _work(self) -> Iterator[ExtensionWorkStore]:
        with self._units() as unit:
            unit.extension_work.hold(self.lease)
            yield unit.extension_work

    # The lease.

    def begin(self) -> None:
        """Report that the process is at work; what the last one did in the background has ended with it."""
        with self._work() as work:
            work.renew(self.lease, seconds=self._seconds, status=RUNNING, good_life=GOOD_LIFE)
            work.forget_tasks(self.extension_id)

    def renew(self) -> bool:
        """Hold it for longer; False when it is lost."""
        with self._units() as unit:
            return unit.extension_work.renew(self.lease, seconds=self._seconds, status=RUNNING, good_life=GOOD_LIFE)

    def release(self, how: Release) -> bool:
        """Give it back; False when it was lost before."""
        with self._units() as unit:
            return unit.extension_work.release(self.lease, how)

    # Subscriptions.

    def subscribe(self, pattern: str, *, newest: str) -> Subscription:
        """The subscription as it stands; a new one begins after the event `newest`."""
        with self._work() as work:
            return work.subscribe(self.extension_id, pattern, cursor=newest)

    def unsubscribe(self, pattern: str) -> None:
        """End it."""
        with self._work() as work:
            work.unsubscribe(self.extension_id, pattern)

    def keep_only(self, patterns: Collection[str]) -> list[str]:
        """End subscriptions that the present code no longer makes; their patterns."""
        with self._work() as work:
            return work.keep_only(self.extension_id, patterns)

    def advance(self, subscription: Subscription, cursor: str) -> Subscription:
        """Everything up to `cursor` is done with."""
        return self._save(replace(subscription, cursor=cursor, event_id=None, attempts=0, error=None))

    def attempt(self, subscription: Subscription, event_id: str, error: str | None = None) -> Subscription:
        """Count one more attempt at an event."""
        attempts = subscription.attempts_at(event_id) + 1
        return self._save(replace(subscription, event_id=event_id, attempts=attempts, error=error))

    def explain(self, subscription: Subscription, error: str) -> Subscription:
        """Say how the attempt that was counted last has ended."""
        return self._save(replace(subscription, error=error))

    def bury(self, subscription: Subscription, event: Event, error: str) -> Subscription:
        """Give an event up: it becomes a dead letter, and the subscription goes on behind it."""
        letter = DeadLetter(
            id=new_id(),
            extension_id=self.extension_id,
            pattern=subscription.pattern,
            event=event,
            error=error,
            attempts=subscription.attempts_at(event.id),
            at=self.clock.now(),
        )
        done = replace(subscription, cursor=event.id, event_id=None, attempts=0, error=None)
        with self._work() as work:
            work.add_letter(letter)
            work.save_subscription(done)
        return done

    def _save(self, subscription: Subscription) -> Subscription:
        with self._work() as work:
            work.save_subscription(subscription)
        return subscription

    # What others ask for.

    def errands(self) -> Errands:
        """What is to be done for others; only reads."""
        with self._units(read_only=True) as unit:
            work = unit.extension_work
            return Errands(
                stops=tuple(work.stops(self.extension_id)),
                letters=tuple(work.letters_to_redeliver(self.extension_id, LETTERS_AT_ONCE)),
            )

    def retry_letter(self, letter: DeadLetter) -> DeadLetter:
        """Count the attempt before it is made: a letter that ends the process is not tried for ever."""
        return self._save_letter(replace(letter, attempts=letter.attempts + 1, redelivering=False))

    def letter_failed(self, letter: DeadLetter, error: str) -> None:
        """It stays, with its new error."""
        self._save_letter(replace(letter, error=error, redelivering=False))

    def letter_delivered(self, letter: DeadLetter) -> None:
        """It is done with, also where somebody has deleted it meanwhile."""
        with self._work() as work, suppress(NotFound):
            work.delete_letter(letter.extension_id, letter.id)

    def _save_letter(self, letter: DeadLetter) -> DeadLetter:
        with self._work() as work:
            work.save_letter(letter)
        return letter

    # Background tasks.

    def save_task(self, task: TaskInfo, *, anew: bool = False) -> None:
        """Store a task as it stands; `anew` drops an older one of that name with any wish to stop it."""
        with self._work() as work:
            if anew:
                work.forget_task(self.extension_id, task.name)
            work.save_task(self.extension_id, task)

    def forget_task(self, name: str) -> None:
        """Tell of it no more."""
        with self._work() as work:
            work.forget_task(self.extension_id, name)

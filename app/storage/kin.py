"""What the settlements of some runs mean for others: those that waited for a child, and those that limits hold back."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from app.domain.clock import SECOND
from app.domain.events import TopicPattern, position_at
from app.domain.execution import Settlement
from app.domain.runs import ENDED, RunError
from app.domain.texts import t
from app.domain.waits import (
    LOOK_BACK_EVENTS,
    LOOK_BACK_VISITS,
    EventWait,
    OpenWait,
    Resolution,
    match_meter,
)
from app.storage.events import SqlEventStore
from app.storage.gates import concerned
from app.storage.waits import SqlWaitStore, heard

PAGE = 500
"""Events looked through at a time for one that came before the wait was stored."""


@dataclass(frozen=True, slots=True)
class Kin:
    """Those of some settlements that concern other runs: runs that begin to wait, and children that have ended.

    It is there, perhaps empty, where a limit has to do with one of them as well.
    """

    parked: Sequence[Settlement]
    ended: Sequence[Settlement]

    @classmethod
    def among(cls, settlements: Sequence[Settlement]) -> Kin | None:
        """None where there are none, as mostly."""
        parked = [one for one in settlements if one.parking is not None]
        ended = [one for one in settlements if one.run.parent_run_id is not None and one.status in ENDED]
        return cls(parked, ended) if parked or ended or concerned(settlements) else None

    @property
    def listens(self) -> bool:
        """Whether a run begins to wait for an event: that takes the publishers' lock, before any other."""
        return any(one.parking is not None and one.parking.wait.kind == "event" for one in self.parked)

    def settled(self, waits: SqlWaitStore, events: SqlEventStore | None, accepted: Collection[str]) -> None:
        """These settlements stand, as far as they were accepted; `events` holds the publishers' lock."""
        waits.ended([one for one in self.ended if one.run.id in accepted])
        for one in self.parked:
            if one.parking is not None and one.run.id in accepted:
                wait_id = waits.park(one.run.id, one.parking)
                if wait_id is not None and events is not None and isinstance(one.parking.wait, EventWait):
                    _look_back(waits, events, wait_id, one.parking.wait)


def _look_back(waits: SqlWaitStore, events: SqlEventStore, wait_id: str, wait: EventWait) -> None:
    """End a wait at once if what it is for has been published since its step began."""
    if wait.hears_platform:
        events.triggers_changed()  # what the platform tells is stored only for readers that are known
    stored, pattern = waits.get(wait_id), TopicPattern.parse(wait.topic)
    # By the database's clock, whatever this machine's shows.
    position = position_at(waits.now() - wait.lookback_us - int((time.monotonic() - wait.asked_at) * SECOND)) - 1
    if stored is not None and (resolution := _found(stored, events, position, pattern)) is not None:
        waits.resolve(wait_id, resolution)


def _found(wait: OpenWait, events: SqlEventStore, position: int, pattern: TopicPattern) -> Resolution | None:
    """How a wait ends by what was published since; bounded, since whoever publishes meanwhile stands in line."""
    meter, seen = match_meter(LOOK_BACK_VISITS), 0
    while found := events.after(position, pattern, PAGE):
        seen += len(found)
        if seen > LOOK_BACK_EVENTS:
            message = t("It looked back at more than {limit} events", limit=LOOK_BACK_EVENTS)
            return Resolution(error=RunError(type="lookback_too_long", message=message))
        if (resolution := heard(wait, found, meter)) is not None:
            return resolution
        position = found[-1].position
    return None

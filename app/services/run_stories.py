"""The records of a run and of the parts in which its work goes on, in an order that can be taken up anywhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.domain.ports import RunStore
from app.domain.run_stories import Place
from app.domain.runs import Record

TOLD_OF_PARTS = frozenset({"step", "log"})
"""How a part stands is no news of its run."""


@dataclass(frozen=True, slots=True)
class Told:
    """A record as readers get it.

    Attributes:
        place: Where they are once they have it; with it they go on there.
        part: Of a record of a part: `{step, branch?}`; None for the run's own.
    """

    record: Record
    place: str
    part: Mapping[str, Any] | None = None


def told_since(runs: RunStore, run_id: str, place: Place) -> list[Told]:
    """What is to be told after `place`, which moves on."""
    story = _Story(runs, place)
    story.read(run_id, place, None)
    return story.told


class _Story:
    def __init__(self, runs: RunStore, whole: Place) -> None:
        self.told: list[Told] = []
        self._runs = runs
        self._whole = whole

    def read(self, run_id: str, place: Place, part: Mapping[str, Any] | None) -> None:
        """The new records of one journal, and of the parts that it waits for."""
        # Which parts a run waits for is said by its last two records.
        known = place.number if place.known else max(0, place.number - 2)
        for record in self._runs.journal(run_id, after=known):
            if record.number <= place.number:
                place.look_back(record)
                continue
            self._read_parts(place)
            place.move(record)
            if part is None or record.kind in TOLD_OF_PARTS:
                self.told.append(Told(record, str(self._whole), part))
        place.known = True
        self._read_parts(place)

    def _read_parts(self, place: Place) -> None:
        if not place.waits_for:
            return
        found = self._runs.part_lengths(place.waits_for)
        for position, part_id in enumerate(place.waits_for):
            if part_id not in found:
                continue
            part, length = found[part_id]
            inner = place.parts.setdefault(position, Place())
            if inner.number < length or inner.waits_for or not inner.known:
                self.read(part_id, inner, _piece(part))


def _piece(part: Mapping[str, Any]) -> dict[str, Any]:
    return {name: part[name] for name in ("step", "branch") if name in part}

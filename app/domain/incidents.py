"""Incidents: from the moment an expectation of a task does not hold until it does again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol

from app.domain.clock import rfc3339
from app.domain.expectations import IncidentKind, Watched
from app.domain.paging import Page
from app.domain.ports import UnitOfWork

Resolution = Literal["recovered", "not_watched"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """One time that a task did not keep an expectation; there is at most one open for each of them.

    Attributes:
        task_title, owner: The task's, as they are now.
        limit_seconds: What was expected.
        counted_from: From when that time was counted.
        breached_at: When it was over.
        run_id: The run that is late, where it is one.
        opened_at: When it was noticed.
        resolution: Whether the expectation holds again, or nothing is expected any more.
    """

    id: str
    task_id: str
    task_title: str = ""
    owner: str = ""
    kind: IncidentKind
    limit_seconds: int
    counted_from: datetime
    breached_at: datetime
    run_id: str | None = None
    opened_at: datetime
    resolved_at: datetime | None = None
    resolution: Resolution | None = None
    acknowledged_at: datetime | None = None
    acknowledged_by: str | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentFilter:
    """What a list may be narrowed by; None leaves a member out."""

    open: bool | None = None
    task_id: str | None = None
    kind: str | None = None
    owner: str | None = None


class IncidentStore(Protocol):
    """Incidents, and the facts by which they are judged, inside a unit of work."""

    def watched(self, task_id: str | None = None) -> Sequence[Watched]:
        """The tasks of which something is expected: all, or that one if it is among them."""

    def unwatch(self, task_id: str) -> None:
        """Nothing is left to watch of a completed task."""

    def standing(self) -> AbstractSet[tuple[str, str]]:
        """Task and kind of every open incident."""

    def of_task(self, task_id: str) -> Sequence[Incident]:
        """The open ones of a task."""

    def late_run(self, task_id: str, kind: IncidentKind) -> str | None:
        """Id of the run that was scheduled first of those that have not begun, or ended, as is expected."""

    def open(self, incident: Incident) -> bool:
        """Store it; False when one of its task and kind is open already."""

    def resolve(self, incident_id: str, at: datetime, resolution: Resolution) -> bool:
        """End it; False when it has ended already."""

    def acknowledge(self, incident_id: str, at: datetime, by: str, note: str | None) -> None:
        """Note that somebody has seen it."""

    def get(self, incident_id: str) -> Incident:
        """The incident, or NotFound."""

    def page(self, where: IncidentFilter, *, limit: int, offset: int) -> Page[Incident]:
        """Newest first."""

    def purge(self, before: datetime, limit: int) -> int:
        """Delete at most so many that were resolved before then; how many."""


class IncidentUnit(UnitOfWork, Protocol):
    """A unit of work with incidents."""

    @property
    def incidents(self) -> IncidentStore: ...


class IncidentUnits(Protocol):
    """Opens such units, see `app.domain.ports.UnitsOfWork`."""

    def __call__(self, *, read_only: bool = False) -> AbstractContextManager[IncidentUnit]: ...


def incident_facts(incident: Incident) -> Mapping[str, Any]:
    """What events tell of an incident."""
    facts: dict[str, Any] = {
        "incident_id": incident.id,
        "kind": incident.kind,
        "task_id": incident.task_id,
        "title": incident.task_title,
        "run_id": incident.run_id,
        "limit_seconds": incident.limit_seconds,
        "counted_from": rfc3339(incident.counted_from),
        "breached_at": rfc3339(incident.breached_at),
        "opened_at": rfc3339(incident.opened_at),
    }
    if incident.resolved_at is not None:
        facts |= {"resolved_at": rfc3339(incident.resolved_at), "resolution": incident.resolution}
    return facts

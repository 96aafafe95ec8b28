"""Incidents: judged by beat and web processes alike, each opened and ended once, told of, and looked at."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import replace
from datetime import datetime, timedelta

from app.domain.access import check_changed, check_seen, owner_filter
from app.domain.clock import Clock
from app.domain.errors import NotFound, Unavailable
from app.domain.expectations import Breach, Watched, breaches
from app.domain.ids import new_id
from app.domain.incidents import (
    Incident,
    IncidentFilter,
    IncidentUnit,
    IncidentUnits,
    Resolution,
    incident_facts,
)
from app.domain.paging import Page
from app.domain.texts import t
from app.services.audit_trail import SYSTEM, Difference, entry
from app.services.lifecycle import Herald, Telling
from app.telemetry import emit
from ordinaut import Caller

BEAT_SECONDS = 5.0
"""How often beat judges…"""
WEB_SECONDS = 15.0
"""…and each web process, so that a beat that is gone is noticed."""
MOST_AT_ONCE = 200
"""Tasks whose incidents are changed in one judgement; the others follow in the next."""
PURGE_SECONDS = 3600.0
PURGE_BATCH = 500


class IncidentService:
    """Any number may judge at the same time: what one does the others find done."""

    def __init__(self, *, units: IncidentUnits, clock: Clock, herald: Herald) -> None:
        self._units = units
        self._clock = clock
        self._herald = herald

    def judge(self) -> None:
        """Open the incidents there are, and end those that are over."""
        now = self._clock.now()
        with self._units(read_only=True) as unit:
            watched, standing = unit.incidents.watched(), unit.incidents.standing()
        for task_id in _changed(watched, standing, now)[:MOST_AT_ONCE]:
            self._settle(task_id)

    def _settle(self, task_id: str) -> None:
        """Judge one task anew while its row is held: what was read before may have changed, or be changing."""
        with self._units() as unit:
            telling = self._herald.opened(unit, "incident.opened", "incident.resolved")
            try:
                task = unit.tasks.get(task_id, lock=True)
            except NotFound:
                return  # its incidents went with it
            now = self._clock.now()
            watched = next(iter(unit.incidents.watched(task_id)), None)
            found = {breach.kind: breach for breach in breaches(watched, now)} if watched is not None else {}
            standing = unit.incidents.of_task(task_id)
            expected = watched.expected(now) if watched is not None else {}
            for incident in standing:
                if incident.kind not in found:
                    over: Resolution = "recovered" if incident.kind in expected else "not_watched"
                    _end(unit, telling, replace(incident, resolved_at=now, resolution=over))
            known = {incident.kind for incident in standing}
            for breach in found.values():
                if breach.kind not in known:
                    _begin(unit, telling, replace(_incident(unit, task_id, breach, now), task_title=task.title))
            if watched is not None and watched.over:
                unit.incidents.unwatch(task_id)

    def get(self, incident_id: str, *, caller: Caller) -> Incident:
        """The incident; NotFound where there is none, or it is about another agent's task."""
        with self._units(read_only=True) as unit:
            incident = unit.incidents.get(incident_id)
        check_seen(caller, incident.owner, t("Incident not found"), incident_id=incident_id)
        return incident

    def page(self, where: IncidentFilter, *, caller: Caller, limit: int, offset: int) -> Page[Incident]:
        """Those of tasks that the caller may see, newest first."""
        with self._units(read_only=True) as unit:
            return unit.incidents.page(replace(where, owner=owner_filter(caller)), limit=limit, offset=offset)

    def acknowledge(self, incident_id: str, note: str | None, *, caller: Caller) -> Incident:
        """Note that the caller has seen it; the last who says so is shown. NotFound, Forbidden."""
        with self._units() as unit:
            incident = unit.incidents.get(incident_id)
            check_changed(caller, incident.owner, t("Incident not found"), incident_id=incident_id)
            now = self._clock.now()
            unit.incidents.acknowledge(incident_id, now, caller.agent_id, note)
            told = Difference(after={"task_id": incident.task_id, "note": note})
            unit.audit.add(entry(now, caller, "incident.acknowledged", incident_id, told))
            return unit.incidents.get(incident_id)

    def purge(self, before: datetime) -> bool:
        """Delete a batch of those that were over by then; whether there may be more."""
        with self._units() as unit:
            return unit.incidents.purge(before, PURGE_BATCH) == PURGE_BATCH


def _changed(watched: Iterable[Watched], standing: AbstractSet[tuple[str, str]], now: datetime) -> list[str]:
    """The tasks for which what is open is not what there is, and those of which nothing is left to watch."""
    watched = list(watched)
    over = {one.task_id for one in watched if one.over}
    found = {(one.task_id, breach.kind) for one in watched for breach in breaches(one, now)}
    return sorted(over | {task_id for task_id, _ in found ^ standing})


def _incident(unit: IncidentUnit, task_id: str, breach: Breach, now: datetime) -> Incident:
    return Incident(
        id=new_id(),
        task_id=task_id,
        kind=breach.kind,
        limit_seconds=breach.limit_seconds,
        counted_from=breach.counted_from,
        breached_at=breach.breached_at,
        run_id=unit.incidents.late_run(task_id, breach.kind),
        opened_at=now,
    )


def _begin(unit: IncidentUnit, telling: Telling, incident: Incident) -> None:
    if unit.incidents.open(incident):
        _tell(unit, telling, "incident.opened", incident, incident.opened_at)


def _end(unit: IncidentUnit, telling: Telling, incident: Incident) -> None:
    assert incident.resolved_at is not None
    assert incident.resolution is not None
    if unit.incidents.resolve(incident.id, incident.resolved_at, incident.resolution):
        _tell(unit, telling, "incident.resolved", incident, incident.resolved_at)


def _tell(unit: IncidentUnit, telling: Telling, topic: str, incident: Incident, at: datetime) -> None:
    facts: Mapping[str, object] = incident_facts(incident)
    telling.tell(topic, facts)
    unit.audit.add(entry(at, SYSTEM, topic, incident.id, Difference(after=facts)))
    name, kind, task_id = topic, incident.kind, incident.task_id
    unit.after_commit(lambda: emit(name, incident_id=incident.id, kind=kind, task_id=task_id))


class IncidentWatch:
    """Judges every so often.

    Args:
        service: Judges.
        clock: By which resolved incidents grow old.
        seconds: From one judgement to the next.
        retention_days: How long resolved incidents are kept; None leaves deleting them to another process.
    """

    def __init__(
        self, *, service: IncidentService, clock: Clock, seconds: float, retention_days: int | None = None
    ) -> None:
        self._service = service
        self._clock = clock
        self._seconds = seconds
        self._retention = None if retention_days is None else timedelta(days=retention_days)
        self._due = self._purge_due = 0.0

    def look(self) -> None:
        """Do what has come due; cheap to ask at every tick."""
        now = time.monotonic()
        if now >= self._due:
            self._due = now + self._seconds
            self._service.judge()
        if self._retention is not None and now >= self._purge_due:
            more = self._service.purge(self._clock.now() - self._retention)
            self._purge_due = now + (0.0 if more else PURGE_SECONDS)

    def start(self) -> None:
        """Go on by itself in this process, from a thread, until it ends."""
        threading.Thread(target=self._forever, name="incidents", daemon=True).start()

    def _forever(self) -> None:
        silence = threading.Event()
        while not silence.wait(self._seconds):
            try:
                self.look()
            except Unavailable:
                continue  # who cannot ask judges later
            except Exception as error:  # noqa: BLE001 - a thread that dies would leave a dead beat unnoticed
                emit("incident.not_judged", error=error)

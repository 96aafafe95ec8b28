"""Grants: looking at what tasks are to be allowed, and accepting or refusing it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from app.domain.clock import Clock
from app.domain.errors import InvalidInput, NotFound, Problem
from app.domain.grants import (
    Grant,
    GrantFilter,
    Outside,
    Terms,
    check_judge,
    check_latest,
    check_open,
    grant_facts,
    grant_hold,
)
from app.domain.paging import Page
from app.domain.permissions import Permission, covered
from app.domain.ports import UnitOfWork, UnitsOfWork
from app.domain.tasks import Standing
from app.domain.texts import t
from app.services.audit_trail import Difference, entry
from app.services.granting import ACCEPTED, with_grant
from app.services.lifecycle import Herald, Telling
from app.services.ownership import may_see
from ordinaut import Caller

REFUSED = "grant.refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Acceptance:
    """How far a grant is accepted; what is None stays as it is offered.

    Attributes:
        endless: Whether it never ends.
        unlimited: Whether it allows any number of calls.
        permissions: Fewer than are asked for.
    """

    until: datetime | None = None
    endless: bool = False
    outside: Outside | None = None
    calls_per_day: int | None = None
    unlimited: bool = False
    permissions: Sequence[Permission] | None = None
    comment: str | None = None

    def terms(self, offered: Terms) -> Terms:
        """The terms that count."""
        until = None if self.endless else self.until or offered.until
        calls = None if self.unlimited else self.calls_per_day or offered.calls_per_day
        return Terms(until=until, outside=self.outside or offered.outside, calls_per_day=calls)


class GrantService:
    """The use cases of grants."""

    def __init__(self, *, units: UnitsOfWork, clock: Clock, herald: Herald) -> None:
        self._units = units
        self._clock = clock
        self._herald = herald

    def page(self, where: GrantFilter, *, limit: int, offset: int) -> Page[Grant]:
        """Newest first; whoever may decide sees all."""
        with self._units(read_only=True) as unit:
            return unit.grants.page(where, limit=limit, offset=offset)

    def get(self, grant_id: str) -> Grant:
        """The grant, or NotFound."""
        with self._units(read_only=True) as unit:
            return unit.grants.get(grant_id)

    def of_task(self, task_id: str, *, caller: Caller) -> Grant:
        """The grant that counts for the task; NotFound, also where it needs none."""
        with self._units(read_only=True) as unit:
            may_see(unit.tasks.get(task_id), caller)
            found = unit.grants.latest(task_id)
        if found is None:
            raise NotFound(t("The task has no grant: what it does was never to be accepted"), task_id=task_id)
        return found

    def accept(self, grant_id: str, wish: Acceptance, *, caller: Caller) -> Grant:
        """Let the task do this from now on; one that has ended can be accepted anew.

        Raises:
            NotFound; Forbidden for whoever asks; Conflict for one that is accepted or was replaced, or is not the
            latest one of the task; InvalidInput for an end that is past, or more permissions than are asked for.
        """
        now = self._clock.now()
        with self._units() as unit:
            telling = self._herald.opened(unit, ACCEPTED)
            grant = _held(unit, grant_id, caller)
            if grant.status != "accepted" or grant_hold("accepted", grant.terms.until, now) is None:
                check_open(grant, "accepted")
            check_latest(grant, unit.grants.latest(grant.task_id))
            terms, permissions = wish.terms(grant.terms), _narrowed(grant, wish)
            if terms.until is not None and terms.until <= now:
                raise InvalidInput.at("/until", t("'until' must lie in the future"))
            for one in unit.grants.standing(grant.task_id):
                if one.id != grant.id:
                    unit.grants.save(replace(one, status="replaced"))
            said = replace(_said(grant, "accepted", now, caller, wish.comment), terms=terms, permissions=permissions)
            return _stored(unit, telling, ACCEPTED, (grant, said), caller)

    def refuse(self, grant_id: str, comment: str | None, *, caller: Caller) -> Grant:
        """Keep the task from doing it, also one that was accepted before.

        Raises:
            NotFound; Forbidden for whoever asks; Conflict for one that is refused or was replaced.
        """
        with self._units() as unit:
            telling = self._herald.opened(unit, REFUSED)
            grant = _held(unit, grant_id, caller)
            check_open(grant, "refused")
            said = _said(grant, "refused", self._clock.now(), caller, comment)
            return _stored(unit, telling, REFUSED, (grant, said), caller)


def _held(unit: UnitOfWork, grant_id: str, caller: Caller) -> Grant:
    """The grant, nobody else deciding meanwhile."""
    unit.tasks.get(unit.grants.get(grant_id).task_id, lock=True)
    grant = unit.grants.get(grant_id)
    check_judge(grant, caller)
    return grant


def _narrowed(grant: Grant, wish: Acceptance) -> tuple[Permission, ...]:
    if wish.permissions is None:
        return grant.permissions
    more = [
        Problem(f"/permissions/{place}", t("This goes beyond what is asked for"))
        for place, one in enumerate(wish.permissions)
        if not covered([one], grant.permissions)
    ]
    if more:
        raise InvalidInput(more)
    return tuple(wish.permissions)


def _said(grant: Grant, status: Standing, now: datetime, caller: Caller, comment: str | None) -> Grant:
    return replace(grant, status=status, decided_by=caller.agent_id, decided_at=now, comment=comment)


def _stored(unit: UnitOfWork, telling: Telling, topic: str, change: tuple[Grant, Grant], caller: Caller) -> Grant:
    before, after = change
    at = after.decided_at
    assert at is not None
    unit.grants.save(after)
    latest = unit.grants.latest(after.task_id)
    if latest is not None and latest.id == after.id:
        # Another one that is asked for counts, where there is one: then the task stays as it is.
        task = unit.tasks.get(after.task_id)
        unit.tasks.save(replace(with_grant(task, after), version=task.version + 1, updated_at=at))
    told = grant_facts(after)
    change_told = Difference(before={"status": before.status}, after={**told, "comment": after.comment})
    unit.audit.add(entry(at, caller, topic, after.id, change_told))
    telling.tell(topic, told)
    return after

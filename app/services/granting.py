"""What a change of a task means for what it may do; inside the unit of work of the change."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from app.domain.errors import NotFound
from app.domain.grants import Grant, GrantPolicy, Terms, grant_facts, keeps
from app.domain.ids import new_id
from app.domain.permissions import Permission, permissions_of, touches_nothing
from app.domain.ports import Tools, UnitOfWork
from app.domain.tasks import Task
from app.services.audit_trail import SYSTEM, Difference, entry
from app.services.lifecycle import Telling
from ordinaut import Caller

REQUESTED, ACCEPTED = "grant.requested", "grant.accepted"
TOLD = (REQUESTED, ACCEPTED)
"""What a change of a task may tell of its grant."""


class Grantor:
    """Computes grants; does nothing at all while the policy is off."""

    def __init__(self, *, tools: Tools, policy: GrantPolicy) -> None:
        self._tools = tools
        self._policy = policy

    def governs(self, caller: Caller) -> bool:
        """Whether what this caller writes needs to be accepted."""
        return self._policy.governs(caller)

    def asked(self, unit: UnitOfWork, before: Task | None, task: Task, caller: Caller) -> tuple[Task, Grant | None]:
        """What is foreseen, with an end to all grants whose place it takes."""
        after, grant = self.foreseen(unit, before, task, caller)
        if after is not task and before is not None:
            for one in unit.grants.standing(task.id):
                if one.status != "accepted" or (grant is not None and grant.status == "accepted"):
                    unit.grants.save(replace(one, status="replaced"))
        return after, grant

    def foreseen(self, unit: UnitOfWork, before: Task | None, task: Task, caller: Caller) -> tuple[Task, Grant | None]:
        """The task with the state of its grant, and the grant to be stored with it, where a new one is needed.

        What stays inside of an accepted grant keeps it; anything else has to be accepted anew.

        Args:
            before: The task as it stands; None for a new one.
            caller: Who writes it.
        """
        if not self._policy.on or (before is not None and before.payload == task.payload):
            return task, None
        governed = self._policy.governs(caller)
        if not governed and (before is None or before.grant_status is None):
            return task, None
        wanted = self._wanted(task)
        standing = unit.grants.standing(task.id) if before is not None else ()
        accepted = next((one for one in standing if keeps(one, wanted, task.updated_at)), None)
        if accepted is not None:
            return with_grant(task, accepted), None
        grant = self._new(task, wanted, caller)
        if not governed or not wanted:
            # An admin who writes it accepts it; and there is nothing to accept in what touches nothing.
            judge = SYSTEM if governed else caller
            grant = replace(grant, status="accepted", decided_by=judge.agent_id, decided_at=task.updated_at)
        return with_grant(task, grant), grant

    def _wanted(self, task: Task) -> tuple[Permission, ...]:
        return permissions_of(task.payload["pipeline"], task.payload["params"], self._harmless)

    def _harmless(self, tool: str) -> bool:
        try:
            return touches_nothing(self._tools.get(tool))
        except NotFound:
            return False  # a server that has gone may come back

    def _new(self, task: Task, wanted: tuple[Permission, ...], caller: Caller) -> Grant:
        now = task.updated_at
        return Grant(
            id=new_id(),
            task_id=task.id,
            task_title=task.title,
            owner=task.created_by,
            asked_by=caller.agent_id,
            asked_at=now,
            permissions=wanted,
            terms=self._offered(now) if wanted else Terms(until=None, outside=self._policy.outside, calls_per_day=None),
        )

    def _offered(self, now: datetime) -> Terms:
        policy = self._policy
        return Terms(until=now + timedelta(days=policy.days), outside=policy.outside, calls_per_day=policy.calls)


def with_grant(task: Task, grant: Grant) -> Task:
    """The task with the state of the grant that counts for it."""
    if grant.status == "accepted":
        return replace(task, grant_status="accepted", granted_until=grant.terms.until)
    return replace(task, grant_status="refused" if grant.status == "refused" else "pending", granted_until=None)


def requested(unit: UnitOfWork, grant: Grant | None, telling: Telling) -> None:
    """Store a grant whose task stands, and tell of it where somebody has to accept it."""
    if grant is None:
        return
    unit.grants.add(grant)
    action = REQUESTED if grant.status == "pending" else ACCEPTED
    by = Caller(grant.decided_by or grant.asked_by, frozenset())
    unit.audit.add(entry(grant.asked_at, by, action, grant.id, Difference(after=grant_facts(grant))))
    telling.tell(action, grant_facts(grant))

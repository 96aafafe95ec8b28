"""Approvals: looking at what runs ask, and answering."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from app.domain.access import sees_all
from app.domain.approvals import (
    Approval,
    ApprovalFilter,
    ApprovalUnit,
    ApprovalUnits,
    Decision,
    Forms,
    Outcome,
    approval_facts,
    check_decider,
    check_decision,
    check_open,
    may_see,
    resolution,
    timeout_outcome,
)
from app.domain.clock import Clock
from app.domain.errors import Conflict, InvalidInput, NotFound
from app.domain.json_size import json_problem
from app.domain.paging import Page
from app.domain.ports import RunQueue
from app.domain.texts import joined, t
from app.domain.waits import OpenWait
from app.services.audit_trail import SYSTEM, Difference, entry
from app.services.lifecycle import Herald, Telling
from ordinaut import Caller


class ApprovalService:
    """The use cases of approvals."""

    def __init__(self, *, units: ApprovalUnits, queue: RunQueue, clock: Clock, herald: Herald, forms: Forms) -> None:
        self._units = units
        self._queue = queue
        self._clock = clock
        self._herald = herald
        self._forms = forms

    def page(self, where: ApprovalFilter, *, caller: Caller, limit: int, offset: int) -> Page[Approval]:
        """Those that the caller may see, newest first."""
        seen = replace(where, seen_by=None if sees_all(caller) else caller)
        with self._units(read_only=True) as unit:
            return unit.approvals.page(seen, limit=limit, offset=offset)

    def get(self, approval_id: str, *, caller: Caller) -> Approval:
        """The approval; NotFound also for those who may not see it."""
        with self._units(read_only=True) as unit:
            return seen(unit, approval_id, caller)

    def decide(self, approval_id: str, decision: Decision, *, caller: Caller) -> Approval:
        """Decide, and let the run go on; of several who do it at once the first one counts.

        Raises:
            NotFound; Forbidden for those who are no approvers; Gone when the time is up; Conflict when it is decided
            or the run has ended; InvalidInput for an option that is not there or a form that does not fit.
        """
        with self._units() as unit:
            telling = self._herald.opened(unit, "approval.decided")
            approval = unit.approvals.get(approval_id)
            self.decide_within(unit, approval, decision, caller, telling)
            return unit.approvals.get(approval_id)

    def decide_within(
        self, unit: ApprovalUnit, approval: Approval, decision: Decision, caller: Caller, telling: Telling
    ) -> None:
        """The same inside a unit of work that has opened its telling; raises as `decide` does."""
        if issue := json_problem(decision.form):
            raise InvalidInput.at("/form", joined(" ", ["'form'", issue]))
        now = self._clock.now()
        check_decider(approval, caller)
        check_open(approval, now)
        outcome = Outcome(decision=check_decision(approval, decision, self._forms), by=caller.agent_id, at=now)
        if not unit.waits.resolve(approval.wait_id, resolution(approval, outcome)):
            # Somebody else was first: say who.
            check_open(unit.approvals.get(approval.id), now)
            raise Conflict(t("The run no longer waits for this decision"), approval_id=approval.id)
        unit.approvals.close(approval.id, "decided", outcome)
        told = {"decision": outcome.decision.option, "comment": outcome.decision.comment}
        change = Difference(before={"status": "pending"}, after={"status": "decided", **told})
        unit.audit.add(entry(now, caller, "approval.decided", approval.id, change))
        telling.tell("approval.decided", _facts(approval, "decided", outcome))
        unit.after_commit(self._queue.ring)


def seen(unit: ApprovalUnit, approval_id: str, caller: Caller) -> Approval:
    """The approval; NotFound also for those who may not see it."""
    approval = unit.approvals.get(approval_id)
    if not may_see(approval, caller):
        raise NotFound(t("Approval not found"), approval_id=approval_id)
    return approval


def expire(unit: ApprovalUnit, wait: OpenWait, telling: Telling) -> None:
    """The time of an approval is up; its wait ends with what it has for that, see `app.domain.approvals.timed_out`."""
    approval = unit.approvals.of_wait(wait.id)
    if approval is None or approval.expires_at is None:
        return
    outcome = timeout_outcome(approval)
    if not unit.approvals.close(approval.id, "expired", outcome):
        return
    decision = outcome.decision.option if outcome else None
    change = Difference(before={"status": "pending"}, after={"status": "expired", "decision": decision})
    unit.audit.add(entry(approval.expires_at, SYSTEM, "approval.expired", approval.id, change))
    telling.tell("approval.expired", _facts(approval, "expired", outcome))


def _facts(approval: Approval, status: str, outcome: Outcome | None) -> dict[str, Any]:
    return approval_facts(
        approval,
        task_id=approval.task_id,
        step_id=approval.step_id,
        status=status,
        decision=outcome.decision.option if outcome else None,
        decided_by=outcome.by if outcome else None,
    )

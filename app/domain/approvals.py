"""Approvals: what a run asks of people, who may answer, and what their answer means for the run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol

from app.domain.access import LOCAL, sees_all
from app.domain.clock import rfc3339
from app.domain.errors import Conflict, Forbidden, Gone, InvalidInput, Problem
from app.domain.paging import Page
from app.domain.ports import UnitOfWork
from app.domain.runs import RunError
from app.domain.texts import all_of, t
from app.domain.waits import Resolution
from ordinaut import Caller
from ordinaut.callers import ADMIN

ApprovalStatus = Literal["pending", "decided", "expired", "canceled"]

APPROVE, REJECT = "approve", "reject"
FAIL = "fail"
"""Of `on_timeout`: the step fails."""
TIMEOUT = "timeout"
"""Who decided, where nobody did in time."""
_WORDS = {APPROVE: "approved", REJECT: "rejected"}


@dataclass(frozen=True, slots=True, kw_only=True)
class NewApproval:
    """What a step asks.

    Attributes:
        run_id: The run that people see, also where a part of it asks.
        asked_by: The agent in whose name the run acts.
        data: What the question is about, JSON.
        form: JSON Schema of what the decider fills in.
        approvers: Ids of agents, and scopes; whoever is or holds one of them may decide. Empty: whoever may decide.
        deny_self: Whether `asked_by` may not.
        fail_on: Options that make the step fail.
        on_timeout: `fail`, or the option that counts as chosen when the time is up.
        expires_at: When that is; None for never.
    """

    id: str
    run_id: str
    asked_by: str
    title: str
    message: str = ""
    data: Any = None
    form: Mapping[str, Any] | None = None
    options: tuple[str, ...] = (APPROVE, REJECT)
    approvers: tuple[str, ...] = ()
    deny_self: bool = True
    fail_on: tuple[str, ...] = ()
    on_timeout: str = FAIL
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """An answer; `form` is what was filled in."""

    option: str
    form: Any = None
    comment: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A decision with whose it was and when; `by` is `timeout` where nobody decided in time."""

    decision: Decision
    by: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval(NewApproval):
    """An approval as it is stored.

    Attributes:
        wait_id: The wait that ends with the decision.
        outcome: How it was decided, also by its time limit; None else.
    """

    task_id: str
    step_id: str
    item: int | None
    wait_id: str
    status: ApprovalStatus
    created_at: datetime
    outcome: Outcome | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalFilter:
    """What `GET /approvals` may be narrowed by; None leaves a member out.

    Attributes:
        seen_by: Only those this caller may see; None for all.
    """

    status: tuple[str, ...] = ()
    task_id: str | None = None
    run_id: str | None = None
    seen_by: Caller | None = None


class ApprovalStore(Protocol):
    """Approvals, inside a unit of work."""

    def get(self, approval_id: str) -> Approval:
        """The approval, or NotFound."""

    def page(self, where: ApprovalFilter, *, limit: int, offset: int) -> Page[Approval]:
        """Newest first."""

    def of_wait(self, wait_id: str) -> Approval | None: ...

    def close(self, approval_id: str, status: ApprovalStatus, outcome: Outcome | None) -> bool:
        """End one that is pending; False where it has ended already. The caller has ended its wait before."""


class ApprovalUnit(UnitOfWork, Protocol):
    """A unit of work with the store of approvals."""

    @property
    def approvals(self) -> ApprovalStore: ...


class ApprovalUnits(Protocol):
    """Opens them; see `app.domain.ports.UnitsOfWork`."""

    def __call__(self, *, read_only: bool = False) -> AbstractContextManager[ApprovalUnit]: ...


class Forms(Protocol):
    """Checks what people fill in; `app.tools.forms`."""

    def schema_problem(self, schema: Mapping[str, Any]) -> str | None:
        """Why nothing can be checked against the schema; None when all is well."""

    def problems(self, schema: Mapping[str, Any], value: Any) -> Sequence[Problem]:
        """What is wrong with a value; pointers are relative to it."""


def may_see(approval: Approval, caller: Caller) -> bool:
    """Whoever asked, whoever may answer, and whoever sees everybody's tasks."""
    return sees_all(caller) or caller.agent_id == approval.asked_by or _named(approval, caller)


def check_decider(approval: Approval, caller: Caller) -> None:
    """Let those pass who may decide.

    Raises:
        Forbidden: they are no approvers, or asked themselves.
    """
    if not _named(approval, caller) and not caller.may(ADMIN):
        raise Forbidden(t("You are not an approver of this"))
    # While nobody says who they are, all are one and the same.
    if approval.deny_self and caller.agent_id == approval.asked_by != LOCAL.agent_id:
        raise Forbidden(t("Whoever asks does not decide: somebody else has to"))


def _named(approval: Approval, caller: Caller) -> bool:
    named = approval.approvers
    return not named or caller.agent_id in named or any(scope in named for scope in caller.scopes)


def check_open(approval: Approval, now: datetime) -> None:
    """Refuse to decide what is decided.

    Raises:
        Gone: the time is up.
        Conflict: somebody decided, or the run has ended without.
    """
    details: dict[str, Any] = {"approval_id": approval.id, "status": approval.status}
    if approval.status == "expired" or (
        approval.status == "pending" and approval.expires_at is not None and approval.expires_at <= now
    ):
        raise Gone(t("The time for this decision is up"), **details)
    if approval.status == "canceled":
        raise Conflict(t("The run no longer waits for this decision"), **details)
    if approval.outcome is not None:
        told = {"decision": approval.outcome.decision.option, "decided_by": approval.outcome.by}
        raise Conflict(t("It has been decided already"), **details, **told)


def check_decision(approval: Approval, decision: Decision, forms: Forms) -> Decision:
    """The decision with its form as it counts: an empty one where none is given. A rejection takes no form.

    Raises:
        InvalidInput: at `/decision`, or in `/form`.
    """
    if decision.option not in approval.options:
        text = t("There is no such option; there is {options}", options=all_of(f"`{one}`" for one in approval.options))
        raise InvalidInput.at("/decision", text)
    if approval.form is None:
        if decision.form not in (None, {}):
            raise InvalidInput.at("/form", t("This approval has no form"))
        return Decision(option=decision.option, comment=decision.comment)
    if decision.form is None and decision.option == REJECT:
        return decision
    form = {} if decision.form is None else decision.form
    problems = forms.problems(approval.form, form)
    if problems:
        raise InvalidInput([Problem("/form" + one.pointer, one.message, one.hint) for one in problems])
    return Decision(option=decision.option, form=form, comment=decision.comment)


# What a decision means for the run.


def resolution(approval: NewApproval, outcome: Outcome) -> Resolution:
    """The step's output, or its failure where the option is one of `fail_on`."""
    output = outcome_document(approval, outcome)
    if outcome.decision.option not in approval.fail_on:
        return Resolution(output=output)
    message = t("It was decided: {decision}", decision=outcome.decision.option)
    return Resolution(error=RunError(type="not_approved", message=message, details=output))


def timed_out(approval: NewApproval) -> Resolution:
    """What the run goes on with when nobody has decided in time."""
    outcome = timeout_outcome(approval)
    if outcome is not None:
        return resolution(approval, outcome)
    message = t("Nobody decided in time")
    return Resolution(error=RunError(type="timeout", message=message, details={"approval_id": approval.id}))


def timeout_outcome(approval: NewApproval) -> Outcome | None:
    """The decision that its time limit takes; None where the step fails, or there is no limit."""
    if approval.on_timeout == FAIL or approval.expires_at is None:
        return None
    return Outcome(decision=Decision(option=approval.on_timeout), by=TIMEOUT, at=approval.expires_at)


def outcome_document(approval: NewApproval, outcome: Outcome) -> dict[str, Any]:
    """The output of the step.

    `approved_items` are those that the form has under this name, else the data, where it was approved; else none.
    """
    decision, approved = outcome.decision, outcome.decision.option == APPROVE
    form = decision.form if isinstance(decision.form, Mapping) else {}
    return {
        "approval_id": approval.id,
        "status": _WORDS.get(decision.option, decision.option),
        "decision": decision.option,
        "approved_items": form.get("approved_items", approval.data) if approved else [],
        "form": decision.form,
        "comment": decision.comment,
        "decided_by": outcome.by,
        "decided_at": rfc3339(outcome.at),
    }


def approval_facts(approval: NewApproval, **more: Any) -> dict[str, Any]:
    """What is told of an approval: what it is about stays with those who may see it."""
    return {
        "approval_id": approval.id,
        "run_id": approval.run_id,
        "title": approval.title,
        "options": list(approval.options),
        "approvers": list(approval.approvers),
        "expires_at": None if approval.expires_at is None else rfc3339(approval.expires_at),
        **more,
    }

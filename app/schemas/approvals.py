"""Approvals on the wire."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from app.domain.approvals import Approval, ApprovalFilter, ApprovalStatus, Decision, outcome_document
from app.schemas.fields import STRICT, Body, Name, PageQuery, Prose, Spoken
from app.schemas.shown import Shown, UtcTime

_OUTCOME: dict[str, Any] = {
    "approval_id": "019f2a4e-7b21-7c10-8d3e-5a6b7c8d9e0f",
    "status": "approved",
    "decision": "approve",
    "approved_items": [{"to": "ana@example.com"}],
    "form": None,
    "comment": "Go ahead",
    "decided_by": "019f2a00-2222-7a42-9b0e-3f6c1d2e4a5b",
    "decided_at": "2026-11-24T09:02:11Z",
}
_APPROVAL: dict[str, Any] = {
    "id": "019f2a4e-7b21-7c10-8d3e-5a6b7c8d9e0f",
    "status": "decided",
    "title": "Review 1 follow-up email",
    "message": "Review 1 follow-up email",
    "data": [{"to": "ana@example.com"}],
    "form": None,
    "options": ["approve", "reject"],
    "approvers": [],
    "deny_self": True,
    "on_timeout": "fail",
    "fail_on": [],
    "asked_by": "019f2a00-3333-7a42-9b0e-3f6c1d2e4a5b",
    "task_id": "019f2a00-1111-7a42-9b0e-3f6c1d2e4a5b",
    "run_id": "019f2a3c-5d10-7a42-9b0e-3f6c1d2e4a5b",
    "step_id": "review",
    "item": None,
    "created_at": "2026-11-24T08:30:00.041Z",
    "expires_at": "2026-11-24T12:30:00.041Z",
    "outcome": _OUTCOME,
}


class ApprovalListQuery(PageQuery):
    """What `GET /approvals` may be narrowed by."""

    status: Annotated[list[ApprovalStatus], Field(description="Repeat it, or join values by commas")] = Field(
        default_factory=list
    )
    task_id: Annotated[str, Field(max_length=100)] | None = None
    run_id: Annotated[str, Field(max_length=100)] | None = None

    def as_filter(self) -> ApprovalFilter:
        """The same for the store."""
        return ApprovalFilter(status=tuple(dict.fromkeys(self.status)), task_id=self.task_id, run_id=self.run_id)


class DecideIn(Body):
    """Your decision."""

    model_config = ConfigDict(
        **STRICT, json_schema_extra={"examples": [{"decision": "approve", "comment": "Go ahead"}]}
    )

    decision: Name = Field(description="One of the approval's options")
    form: Annotated[Any, Field(description="What its form asks for")] = None
    comment: Prose | None = None

    def made(self) -> Decision:
        """The same for the service."""
        return Decision(option=self.decision, form=self.form, comment=self.comment)


class OutcomeOut(Shown):
    """How it was decided: the output of the step."""

    approval_id: str
    status: str
    decision: str
    approved_items: Any
    form: Any
    comment: str | None
    decided_by: str = Field(description="An agent's id, or `timeout`")
    decided_at: str


class ApprovalOut(Shown):
    """What a run asks."""

    model_config = ConfigDict(frozen=True, json_schema_extra={"examples": [_APPROVAL]})

    id: str
    status: ApprovalStatus
    title: str
    message: str
    data: Any
    form: dict[str, Any] | None = Field(description="JSON Schema of what is to be filled in")
    options: list[str]
    approvers: list[str]
    deny_self: bool
    on_timeout: str
    fail_on: list[str]
    asked_by: str
    task_id: str
    run_id: str
    step_id: str
    item: int | None
    created_at: UtcTime
    expires_at: UtcTime | None
    outcome: OutcomeOut | None


class DecidedOut(Shown):
    """A decision that stands; its run goes on."""

    success: Literal[True]
    message: Spoken
    approval: ApprovalOut


_SAME = (
    *("id", "status", "title", "message", "data", "deny_self", "on_timeout", "asked_by", "task_id", "run_id"),
    *("step_id", "item", "created_at", "expires_at"),
)


def approval_out(approval: Approval) -> ApprovalOut:
    """The approval as it is answered."""
    outcome = approval.outcome
    return ApprovalOut(
        **{name: getattr(approval, name) for name in _SAME},
        form=None if approval.form is None else dict(approval.form),
        options=list(approval.options),
        approvers=list(approval.approvers),
        fail_on=list(approval.fail_on),
        outcome=None if outcome is None else OutcomeOut(**outcome_document(approval, outcome)),
    )

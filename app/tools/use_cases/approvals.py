"""`list_approvals`, `get_approval`, `decide_approval`: what runs ask of people."""

from __future__ import annotations

from typing import Any, get_args

from app.domain.approvals import Approval, ApprovalFilter, ApprovalStatus, Decision, outcome_document
from app.domain.clock import rfc3339
from app.domain.scopes import DECIDE
from app.domain.texts import t
from app.tools.use_cases import shapes
from app.tools.use_cases.answers import CURSOR, NEXT_CURSOR, answer, capped, fitting, next_cursor, shape, start_of
from app.tools.use_cases.ports import UseCases
from app.tools.use_cases.refusals import advised
from ordinaut import Tool, ToolCall

_EXAMPLE_ID = "019f2a4e-7b21-7c10-8d3e-5a6b7c8d9e0f"
_ID: dict[str, Any] = {
    "type": "string",
    "pattern": "^[A-Za-z0-9_-]{1,64}$",
    "description": "From list_approvals.",
}
_FILTERS: dict[str, Any] = {
    "status": {"enum": list(get_args(ApprovalStatus)), "default": "pending", "description": "Those that stand so."},
    "task_id": {**shapes.TASK_ID, "description": "Only those of this task."},
    "run_id": {**shapes.RUN_ID, "description": "Only those of this run."},
    "limit": {"type": "integer", "minimum": 1, "maximum": 200, "default": 20, "description": "How many to give."},
}
_TEXT = {"type": "string"}
_APPROVAL: dict[str, Any] = {
    "type": "object",
    "required": ["approval_id", "status", "title", "options", "run_id", "task_id"],
    "properties": {
        "approval_id": _TEXT,
        "status": {"enum": list(get_args(ApprovalStatus))},
        "title": _TEXT,
        "options": {"type": "array", "items": _TEXT},
        "run_id": _TEXT,
        "task_id": _TEXT,
    },
}


def approval_tools(uses: UseCases) -> list[Tool]:
    """The tools that look at approvals and decide them."""
    return [advised(tool) for tool in (_list(uses), _get(uses), _decide(uses))]


def _list(uses: UseCases) -> Tool:
    def run(call: ToolCall) -> dict[str, Any]:
        given, start = call.arguments, start_of(call.arguments)
        where = ApprovalFilter(
            status=(given.get("status", "pending"),), task_id=given.get("task_id"), run_id=given.get("run_id")
        )
        page = uses.approvals.page(where, caller=call.caller, limit=given.get("limit", 20), offset=start)
        shown = fitting(page.items, _line)
        return {"approvals": shown, "total": page.total, "next_cursor": next_cursor(start, len(shown), page.total)}

    return Tool(
        name="list_approvals",
        description=t("Lists what runs ask people to decide, newest first; those that are open unless you say else."),
        schema=shape({**_FILTERS, "cursor": CURSOR}),
        output_schema=answer(
            {
                "approvals": {"type": "array", "items": _APPROVAL, "description": "In short."},
                "total": {"type": "integer", "description": "How many there are in all."},
                "next_cursor": NEXT_CURSOR,
            }
        ),
        run=run,
        idempotent=True,
        read_only=True,
        scope=DECIDE,
        examples=({}, {"status": "decided", "limit": 5}),
    )


def _get(uses: UseCases) -> Tool:
    def run(call: ToolCall) -> dict[str, Any]:
        return {"approval": _whole(uses.approvals.get(call.arguments["approval_id"], caller=call.caller))}

    return Tool(
        name="get_approval",
        description=t("Gets an approval: what it is about, its options and its form, and how it was decided."),
        schema=shape({"approval_id": _ID}, ["approval_id"]),
        output_schema=answer({"approval": {**_APPROVAL, "description": "All of it."}}),
        run=run,
        idempotent=True,
        read_only=True,
        scope=DECIDE,
        examples=({"approval_id": _EXAMPLE_ID},),
    )


def _decide(uses: UseCases) -> Tool:
    def run(call: ToolCall) -> dict[str, Any]:
        given = call.arguments
        decision = Decision(option=given["decision"], form=given.get("form"), comment=given.get("comment"))
        done = uses.approvals.decide(given["approval_id"], decision, caller=call.caller)
        return {"approval": _whole(done), "message": t("Decided")}

    properties = {
        "approval_id": _ID,
        "decision": {"type": "string", "minLength": 1, "maxLength": 200, "description": "One of its `options`."},
        "form": {"description": "What its `form`, a JSON Schema, asks for."},
        "comment": {"type": "string", "maxLength": 2000, "description": "Why."},
    }
    return Tool(
        name="decide_approval",
        description=t(
            "Decides an approval in the name of the person you work for, who must have said so: its run goes on, and "
            "nothing takes it back."
        ),
        schema=shape(properties, ["approval_id", "decision"]),
        output_schema=answer(
            {
                "approval": {**_APPROVAL, "description": "As it stands now."},
                "message": {"type": "string", "description": "What was done."},
            }
        ),
        run=run,
        destructive=True,
        scope=DECIDE,
        examples=({"approval_id": _EXAMPLE_ID, "decision": "approve", "comment": "Go ahead"},),
    )


def _line(one: Approval) -> dict[str, Any]:
    return {
        "approval_id": one.id,
        "status": one.status,
        "title": one.title,
        "options": list(one.options),
        "has_form": one.form is not None,
        "task_id": one.task_id,
        "run_id": one.run_id,
        "step": one.step_id,
        "created_at": rfc3339(one.created_at),
        "expires_at": shapes.when(one.expires_at),
        "decision": one.outcome.decision.option if one.outcome else None,
    }


def _whole(one: Approval) -> dict[str, Any]:
    hint = t("GET /approvals/{id} has it whole", id=one.id)
    return {
        **_line(one),
        "message": capped(one.message, hint, room=10_000),
        "data": capped(one.data, hint, room=30_000),
        "form": capped(one.form, hint, room=20_000),
        "approvers": list(one.approvers),
        "asked_by": one.asked_by,
        "outcome": capped(outcome_document(one, one.outcome), hint) if one.outcome else None,
    }

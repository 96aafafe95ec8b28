"""`orchestrator.request_approval`: a run that waits for people to decide."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from app.domain.approvals import APPROVE, FAIL, REJECT, Forms, NewApproval, timed_out
from app.domain.clock import Clock, to_micros
from app.domain.ids import new_id
from app.domain.json_size import json_problem
from app.domain.scopes import known
from app.domain.texts import all_of, joined, t
from app.domain.waits import LONGEST_SECONDS, ApprovalWait, Parked, Until
from ordinaut.tools import Tool, ToolCall, ToolFailed

_OPTION: dict[str, Any] = {"type": "string", "minLength": 1, "maxLength": 50, "pattern": r"^\S(?:[^\x00-\x1f]*\S)?$"}
_OPTIONS: dict[str, Any] = {"type": "array", "items": _OPTION, "uniqueItems": True, "maxItems": 20}
_SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "anyOf": [{"required": ["title"]}, {"required": ["message"]}],
    "properties": {
        "title": {
            "type": "string",
            "minLength": 1,
            "maxLength": 200,
            "description": "What is to be decided, in short.",
        },
        "message": {
            "type": "string",
            "minLength": 1,
            "maxLength": 10_000,
            "description": "All that the decider has to know.",
        },
        "data": {"description": "What it is about."},
        "form": {"type": "object", "description": "JSON Schema of what the decider fills in."},
        "options": {
            **_OPTIONS,
            "minItems": 1,
            "default": [APPROVE, REJECT],
            "description": "Among what they choose.",
        },
        "approvers": {
            "type": "array",
            "items": {"type": "string", "minLength": 1, "maxLength": 200},
            "uniqueItems": True,
            "maxItems": 50,
            "default": [],
            "description": "Ids of agents, and scopes; whoever is or holds one may decide. Empty: everybody.",
        },
        "deny_self": {
            "type": "boolean",
            "description": "Whether the agent whose run asks may not decide: true unless there are approvers.",
        },
        "timeout_seconds": {
            "type": "number",
            "exclusiveMinimum": 0,
            "maximum": LONGEST_SECONDS,
            "description": "How long to wait at most; without it there is no end.",
        },
        "timeout_hours": {
            "type": "number",
            "exclusiveMinimum": 0,
            "maximum": LONGEST_SECONDS / 3600,
            "description": "The same in hours.",
        },
        "on_timeout": {
            **_OPTION,
            "default": FAIL,
            "description": "`fail`, or the option that counts as chosen when the time is up.",
        },
        "fail_on": {**_OPTIONS, "default": [], "description": "Options that make the step fail."},
    },
}
_TEXT = {"type": "string"}
_OUTPUT_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["approval_id", "status", "decision", "approved_items", "form", "comment", "decided_by", "decided_at"],
    "properties": {
        "approval_id": {**_TEXT, "description": "Its id."},
        "status": {**_TEXT, "description": "`approved`, `rejected`, or the option."},
        "decision": {**_TEXT, "description": "The option."},
        "approved_items": {"description": "The form's `approved_items`, else the data; an empty list unless approved."},
        "form": {"description": "What was filled in."},
        "comment": {"type": ["string", "null"], "description": "What the decider said."},
        "decided_by": {**_TEXT, "description": "An agent's id, or `timeout`."},
        "decided_at": {**_TEXT, "description": "When."},
    },
}


def request_approval_tool(clock: Clock, forms: Forms) -> Tool:
    """`orchestrator.request_approval`.

    Args:
        clock: The database's, by which the wait ends.
        forms: Whether a form can be used is found out before anybody is asked.
    """

    def run(call: ToolCall) -> Any:
        _check(call.arguments, forms)
        asked = _asked(call, clock)
        until = None
        if asked.expires_at is not None:
            until = Until(at_us=to_micros(asked.expires_at), then=timed_out(asked))
        raise Parked(ApprovalWait(approval=asked, until=until))

    return Tool(
        name="orchestrator.request_approval",
        description=t("Asks people to decide, and waits for it. The run holds no worker meanwhile."),
        schema=_SCHEMA,
        output_schema=_OUTPUT_SCHEMA,
        run=run,
        pure=True,
        idempotent=True,
        examples=(
            {"message": "Review 3 follow-up emails", "data": [{"to": "ana@example.com"}]},
            {"title": "Pay the invoice?", "approvers": ["approvals:decide"], "timeout_hours": 4, "on_timeout": REJECT},
        ),
    )


def _check(given: Mapping[str, Any], forms: Forms) -> None:
    """Refuse what nobody could decide; the same arguments will be no better next time."""
    if issue := json_problem(given):
        raise _invalid(joined(" ", [t("The question"), issue]))
    options = given.get("options", [APPROVE, REJECT])
    strangers = {*given.get("fail_on", ()), given.get("on_timeout", FAIL)} - {FAIL, *options}
    if strangers:
        raise _invalid(t("There is no such option: {names}", names=all_of(sorted(strangers))))
    if FAIL in options or FAIL in given.get("fail_on", ()):
        raise _invalid(t("`fail` cannot be an option"))
    scopes = [name for name in given.get("approvers", ()) if ":" in name and not known(name)]
    if scopes:
        raise _invalid(t("There is no such scope: {names}", names=all_of(scopes)))
    if problem := forms.schema_problem(given.get("form", {})):
        raise _invalid(problem)


def _asked(call: ToolCall, clock: Clock) -> NewApproval:
    given, approvers = call.arguments, tuple(call.arguments.get("approvers", ()))
    message = given.get("message", "")
    first = next((line.strip() for line in message.splitlines() if line.strip()), "A decision")
    seconds = given.get("timeout_seconds") or given.get("timeout_hours", 0) * 3600
    return NewApproval(
        id=new_id(),
        # The run that people see: the key names it, whichever part of it asks.
        run_id=call.idempotency_key.partition(":")[0],
        asked_by=call.caller.agent_id,
        title=given.get("title", first[:200]),
        message=message,
        data=given.get("data"),
        form=given.get("form"),
        options=tuple(given.get("options", (APPROVE, REJECT))),
        approvers=approvers,
        deny_self=given.get("deny_self", not approvers),
        fail_on=tuple(given.get("fail_on", ())),
        on_timeout=given.get("on_timeout", FAIL),
        expires_at=clock.now() + timedelta(seconds=seconds) if seconds else None,
    )


def _invalid(message: str) -> ToolFailed:
    return ToolFailed(message, type="invalid_arguments", retryable=False)

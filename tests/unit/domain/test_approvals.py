"""Who may decide, what may be decided, and what that means for the run."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.domain.approvals import (
    Approval,
    Decision,
    Outcome,
    check_decider,
    check_decision,
    check_open,
    may_see,
    outcome_document,
    resolution,
    timed_out,
)
from app.domain.errors import Conflict, Forbidden, Gone, InvalidInput
from app.tools.forms import SchemaForms
from ordinaut import Caller

NOW = datetime(2026, 11, 24, 8, 30, tzinfo=UTC)
FORM = {"type": "object", "required": ["sum"], "properties": {"sum": {"type": "number", "maximum": 10}}}


def asked(**fields: Any) -> Approval:
    """A pending approval that the agent `ana` asks for."""
    base: dict[str, Any] = {"id": "a", "run_id": "r", "asked_by": "ana", "title": "T", "data": [1, 2], "task_id": "t"}
    stored = {"step_id": "s", "item": None, "wait_id": "w", "status": "pending", "created_at": NOW, "outcome": None}
    return Approval(**{**base, **stored, **fields})


def caller(name: str = "bob", *scopes: str) -> Caller:
    """Who may decide, if it is not for others."""
    return Caller(name, frozenset(scopes or ("approvals:decide",)))


@pytest.mark.parametrize(
    ("fields", "who", "passes"),
    [
        # nobody named: whoever may decide at all, but not who asks
        ({}, caller(), True),
        ({}, caller("ana"), False),
        ({"deny_self": False}, caller("ana"), True),
        # an agent, a scope
        ({"approvers": ("bob",)}, caller(), True),
        ({"approvers": ("eve",)}, caller(), False),
        ({"approvers": ("audit:read",)}, caller("bob", "audit:read"), True),
        # an admin stands in for all, but not for the second pair of eyes
        ({"approvers": ("eve",)}, caller("root", "admin"), True),
        ({"approvers": ("eve",)}, caller("ana", "admin"), False),
        # without tokens everybody is `local`
        ({"asked_by": "local"}, caller("local", "admin"), True),
    ],
)
def test_who_may_decide(fields: dict[str, Any], who: Caller, passes: bool) -> None:
    if passes:
        check_decider(asked(**fields), who)
        return
    with pytest.raises(Forbidden):
        check_decider(asked(**fields), who)


def test_who_may_see_it() -> None:
    for_eve = asked(approvers=("eve",))
    seen = {name: may_see(for_eve, caller(name)) for name in ("ana", "bob", "eve")}
    assert seen == {"ana": True, "bob": False, "eve": True}
    assert may_see(for_eve, caller("bob", "tasks:read:all"))


def outcome(option: str = "approve", **more: Any) -> Outcome:
    """A decision of bob's."""
    return Outcome(decision=Decision(option=option, **more), by="bob", at=NOW)


@pytest.mark.parametrize(
    ("fields", "refusal"),
    [
        ({}, None),
        ({"status": "decided", "outcome": outcome()}, Conflict),
        ({"status": "canceled"}, Conflict),
        ({"status": "expired"}, Gone),
        # its time is up, though beat has not seen it yet
        ({"expires_at": NOW}, Gone),
        ({"expires_at": NOW + timedelta(seconds=1)}, None),
    ],
)
def test_what_is_open(fields: dict[str, Any], refusal: type[Exception] | None) -> None:
    if refusal is None:
        check_open(asked(**fields), NOW)
        return
    with pytest.raises(refusal):
        check_open(asked(**fields), NOW)


@pytest.mark.parametrize(
    ("form", "given", "pointer"),
    [
        (None, Decision(option="perhaps"), "/decision"),
        (None, Decision(option="approve", form={"a": 1}), "/form"),
        (FORM, Decision(option="approve"), "/form/sum"),
        (FORM, Decision(option="approve", form={"sum": 11}), "/form/sum"),
        (FORM, Decision(option="reject", form={"sum": "x"}), "/form/sum"),
        (FORM, Decision(option="approve", form=[]), "/form"),
    ],
)
def test_what_cannot_be_decided(form: Any, given: Decision, pointer: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        check_decision(asked(form=form), given, SchemaForms())
    assert [one.pointer for one in refused.value.problems] == [pointer]


def test_a_rejection_needs_no_form() -> None:
    rejection = Decision(option="reject", comment="No")
    assert check_decision(asked(form=FORM), rejection, SchemaForms()) == rejection


@pytest.mark.parametrize(
    ("decided", "status", "items"),
    [
        (outcome(), "approved", [1, 2]),
        (outcome(form={"approved_items": [2]}), "approved", [2]),
        (outcome("reject"), "rejected", []),
        (outcome("later"), "later", []),
    ],
)
def test_the_output(decided: Outcome, status: str, items: list[int]) -> None:
    told = outcome_document(asked(), decided)
    assert (told["status"], told["approved_items"], told["decided_by"]) == (status, items, "bob")
    assert told["decided_at"] == "2026-11-24T08:30:00Z"


def test_an_option_may_be_a_failure() -> None:
    strict = asked(fail_on=("reject",))
    assert resolution(strict, outcome()).error is None
    refused = resolution(strict, outcome("reject")).error
    assert refused is not None
    assert (refused.type, dict(refused.details or {})["decision"]) == ("not_approved", "reject")


@pytest.mark.parametrize(
    ("fields", "kind", "decision"),
    [
        ({}, "timeout", None),
        ({"on_timeout": "approve"}, None, "approve"),
        ({"on_timeout": "reject"}, None, "reject"),
        ({"on_timeout": "reject", "fail_on": ("reject",)}, "not_approved", None),
    ],
)
def test_what_a_time_limit_decides(fields: dict[str, Any], kind: str | None, decision: str | None) -> None:
    ended = timed_out(replace(asked(expires_at=NOW), **fields))
    assert (ended.error.type if ended.error else None) == kind
    assert (ended.output or {}).get("decision") == decision
    assert (ended.output or {}).get("decided_by") == ("timeout" if decision else None)

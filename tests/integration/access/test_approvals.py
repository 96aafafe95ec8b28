"""Approvals over HTTP: a run of one agent asks, another agent decides, the run goes on."""

from __future__ import annotations

from typing import Any

from tests.integration.access.conftest import Guarded

FORM = {"type": "object", "required": ["sum"], "properties": {"sum": {"type": "number"}}}


def asked(guarded: Guarded, headers: dict[str, str], **arguments: Any) -> str:
    """The id of the run of a task that asks, and waits."""
    pipeline = [
        {"id": "ask", "uses": "orchestrator.request_approval", "with": {"title": "Pay?", **arguments}},
        {
            "id": "pay",
            "uses": "data.set",
            "with": {"value": "${steps.ask.decided_by}"},
            "if": "steps.ask.status == 'approved'",
        },
    ]
    fields = {"title": "Pay", "schedule_kind": "manual", "payload": {"pipeline": pipeline}}
    task = guarded.api.post("/tasks", fields, headers=headers, expect=201)
    run_id = guarded.api.post(f"/tasks/{task['id']}/run_now", {}, headers=headers, expect=202)["run_id"]
    guarded.api.work()
    return str(run_id)


def approval(guarded: Guarded, run_id: str, headers: dict[str, str]) -> Any:
    """What the run asks."""
    (found,) = guarded.api.get(f"/approvals?run_id={run_id}", headers=headers)["items"]
    return found


def test_a_run_goes_on_once_somebody_else_has_decided(
    guarded: Guarded, ana: dict[str, str], bob: dict[str, str]
) -> None:
    run_id = asked(guarded, ana, data={"sum": 12})
    one = approval(guarded, run_id, bob)
    assert (one["status"], one["data"], one["options"], one["outcome"]) == (
        "pending", {"sum": 12}, ["approve", "reject"], None,
    )  # fmt: skip
    assert guarded.api.get(f"/runs/{run_id}", headers=ana)["status"] == "waiting"
    address = f"/approvals/{one['id']}/decide"
    own = guarded.api.post(address, {"decision": "approve"}, headers=ana, expect=403)
    assert own["message"] == "Whoever asks does not decide: somebody else has to"
    done = guarded.api.post(address, {"decision": "approve", "comment": "Go"}, headers=bob)
    assert (done["approval"]["status"], done["approval"]["outcome"]["approved_items"]) == ("decided", {"sum": 12})
    guarded.api.work()
    run = guarded.api.get(f"/runs/{run_id}", headers=ana)
    assert (run["status"], run["output"]) == ("succeeded", done["approval"]["outcome"]["decided_by"])
    again = guarded.api.post(address, {"decision": "reject"}, headers=bob, expect=409)
    assert again["details"]["decision"] == "approve"


def test_refusals(guarded: Guarded, ana: dict[str, str], bob: dict[str, str]) -> None:
    eve = guarded.agent("eve", "approvals:decide")
    one = approval(guarded, asked(guarded, ana, approvers=[eve], form=FORM), ana)
    address = f"/approvals/{one['id']}"
    guarded.api.get(address, headers=bob, expect=404)
    guarded.api.post(f"{address}/decide", {"decision": "approve"}, headers=bob, expect=403)
    guarded.api.post(f"{address}/decide", {"decision": "approve"}, headers=ana, expect=403)
    headers = guarded.headers("eve")
    for body, field in (
        ({"decision": "perhaps"}, "decision"),
        ({"decision": "approve"}, "form.sum"),
        ({"decision": "approve", "form": {"sum": "x"}}, "form.sum"),
    ):
        refused = guarded.api.post(f"{address}/decide", body, headers=headers, expect=400)
        assert refused["details"]["field"] == field
    guarded.api.post(f"{address}/decide", {"decision": "approve", "form": {"sum": 1}}, headers=headers)


def test_a_canceled_run_needs_no_decision(guarded: Guarded, ana: dict[str, str], bob: dict[str, str]) -> None:
    root = guarded.new("root", "admin")
    run_id = asked(guarded, ana)
    one = approval(guarded, run_id, bob)
    guarded.api.post(f"/runs/{run_id}/cancel", {}, headers=root, expect=202)
    assert guarded.api.get(f"/approvals/{one['id']}", headers=bob)["status"] == "canceled"
    guarded.api.post(f"/approvals/{one['id']}/decide", {"decision": "approve"}, headers=bob, expect=409)


def test_a_direct_call_cannot_wait(guarded: Guarded, ana: dict[str, str]) -> None:
    address = "/tools/orchestrator.request_approval/invoke"
    refused = guarded.api.post(address, {"arguments": {"title": "T"}}, headers=ana, expect=422)
    assert refused["details"]["type"] == "only_in_pipelines"


def test_the_founding_example_works(guarded: Guarded, ana: dict[str, str], bob: dict[str, str]) -> None:
    """Its fields: a message and data without a title, `status` and `approved_items` in the answer."""
    pipeline = [
        {
            "id": "request_approval",
            "uses": "orchestrator.request_approval",
            "with": {"message": "Review ${params.count} emails", "data": "${params.drafts}", "timeout_hours": 4},
            "save_as": "approval",
        },
        {
            "id": "send_approved",
            "uses": "data.set",
            "with": {"value": "${steps.approval.approved_items}"},
            "if": "${steps.approval.status == 'approved'}",
        },
    ]
    payload = {"params": {"count": 2, "drafts": ["a", "b"]}, "pipeline": pipeline}
    task = guarded.api.post(
        "/tasks", {"title": "F", "schedule_kind": "manual", "payload": payload}, headers=ana, expect=201
    )
    run_id = guarded.api.post(f"/tasks/{task['id']}/run_now", {}, headers=ana, expect=202)["run_id"]
    guarded.api.work()
    one = approval(guarded, run_id, bob)
    assert one["title"] == "Review 2 emails"
    guarded.api.post(f"/approvals/{one['id']}/decide", {"decision": "approve"}, headers=bob)
    guarded.api.work()
    assert guarded.api.get(f"/runs/{run_id}", headers=ana)["output"] == ["a", "b"]


def test_assistants_decide_by_tools(guarded: Guarded, ana: dict[str, str]) -> None:
    carl = guarded.new("carl", "approvals:decide", "tools:invoke")
    run_id = asked(guarded, ana, data={"sum": 12}, form=FORM)

    def call(tool: str, expect: int = 200, **arguments: Any) -> Any:
        body = guarded.api.post(f"/tools/{tool}/invoke", {"arguments": arguments}, headers=carl, expect=expect)
        return body.get("output", body)

    (line,) = call("list_approvals")["approvals"]
    assert (line["run_id"], line["status"], line["has_form"]) == (run_id, "pending", True)
    one = line["approval_id"]
    assert call("get_approval", approval_id=one)["approval"]["data"] == {"sum": 12}
    refused = call("decide_approval", 422, approval_id=one, decision="approve")
    assert refused["details"]["details"]["errors"][0]["field"] == "form.sum"
    done = call("decide_approval", approval_id=one, decision="approve", form={"sum": 1}, comment="Fine")
    assert done["approval"]["outcome"]["comment"] == "Fine"
    assert call("list_approvals")["total"] == 0
    assert call("list_approvals", status="decided")["total"] == 1
    assert "list_approvals gives the ids" in call("get_approval", 422, approval_id="nothing")["message"]

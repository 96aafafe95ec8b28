"""What agents' tasks may do is accepted once by somebody else, and holds for their runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.access.conftest import Guarded, guarded_settings
from tests.integration.api.conftest import serving

PUBLISH: dict[str, Any] = {
    "id": "tell",
    "uses": "events.publish",
    "with": {"topic": "shop.${params.what}", "payload": {}},
}


@pytest.fixture
def guarded(database_url: str, tmp_path: Path) -> Iterator[Guarded]:
    """On SQLite and on PostgreSQL, with grants for agents."""
    with serving(guarded_settings(database_url, tmp_path, ORDINAUT_GRANTS="agents")) as api:
        yield Guarded(api)


@pytest.fixture
def ana(guarded: Guarded) -> dict[str, str]:
    """She has tasks, and could decide."""
    scopes = ("tasks:create", "tasks:read", "tasks:update", "tasks:run", "runs:read", "approvals:decide")
    return guarded.new("ana", *scopes, "events:publish")


def made(guarded: Guarded, headers: dict[str, str], *steps: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A new task with these steps."""
    payload = {"params": {"what": "open"}, "pipeline": list(steps or (PUBLISH,))}
    base: dict[str, Any] = {"title": "Tell", "schedule_kind": "manual", "payload": payload}
    task: dict[str, Any] = guarded.api.post("/tasks", {**base, **fields}, headers=headers, expect=201)
    return task


def grant_of(guarded: Guarded, task: dict[str, Any], headers: dict[str, str]) -> dict[str, Any]:
    """The grant that counts for it."""
    found: dict[str, Any] = guarded.api.get(f"/tasks/{task['id']}/grant", headers=headers)
    return found


def changed(guarded: Guarded, task: dict[str, Any], headers: dict[str, str], *steps: dict[str, Any]) -> Any:
    """The task with other steps."""
    payload = {"params": {"what": "open"}, "pipeline": list(steps)}
    address = f"/tasks/{task['id']}"
    return guarded.api.send("PATCH", address, json={"payload": payload}, headers=headers, expect=200).get_json()


def run_of(guarded: Guarded, task: dict[str, Any], headers: dict[str, str], **params: Any) -> dict[str, Any]:
    """A run by hand, worked off."""
    address = f"/tasks/{task['id']}/run_now"
    run_id = guarded.api.post(address, {"params": params}, headers=headers, expect=202)["run_id"]
    guarded.api.work()
    run: dict[str, Any] = guarded.api.get(f"/runs/{run_id}", headers=headers)
    return run


def test_a_task_waits_until_somebody_else_has_accepted(
    guarded: Guarded, ana: dict[str, str], bob: dict[str, str]
) -> None:
    task = made(guarded, ana, schedule_kind="cron", schedule_expr="* * * * *")
    assert (task["grant_status"], task["status"]) == ("pending", "active")
    refused = guarded.api.post(f"/tasks/{task['id']}/run_now", {}, headers=ana, expect=409)
    assert refused["message"] == "What the task may do has to be accepted first"
    why = guarded.api.get(f"/tasks/{task['id']}/why?at={task['next_run']}", headers=ana)
    assert why["answer"].startswith("What the task may do has to be accepted first.")
    (one,) = guarded.api.get("/grants?status=pending", headers=bob)["items"]
    assert [each["text"] for each in one["permissions"]] == ["Publish events on the topic shop.open"]
    assert one == grant_of(guarded, task, ana)
    own = guarded.api.post(f"/grants/{one['id']}/accept", headers=ana, expect=403)
    assert own["message"] == "Whoever asks does not decide: somebody else has to"
    accepted = guarded.api.post(f"/grants/{one['id']}/accept", {"comment": "Fine"}, headers=bob)
    assert (accepted["status"], accepted["comment"]) == ("accepted", "Fine")
    guarded.api.post(f"/grants/{one['id']}/accept", headers=bob, expect=409)
    assert guarded.api.get(f"/tasks/{task['id']}", headers=ana)["granted_until"] == accepted["until"]
    assert run_of(guarded, task, ana)["status"] == "succeeded"
    root = guarded.new("root", "admin")
    told = guarded.api.get("/audit?kind=grant", headers=root)["items"]
    assert [row["action"] for row in told] == ["grant.accepted", "grant.requested"]


def test_what_stays_inside_keeps_the_grant_and_what_does_not_asks_again(
    guarded: Guarded, ana: dict[str, str], bob: dict[str, str]
) -> None:
    task = made(guarded, ana)
    first = grant_of(guarded, task, ana)
    guarded.api.post(f"/grants/{first['id']}/accept", headers=bob)
    narrower = {**PUBLISH, "with": {**PUBLISH["with"], "payload": {"x": 1}}, "max_retries": 1}
    assert changed(guarded, task, ana, narrower)["grant_status"] == "accepted"
    wider = {**PUBLISH, "with": {"topic": "bank.open", "payload": {}}}
    assert changed(guarded, task, ana, wider)["grant_status"] == "pending"
    second = grant_of(guarded, task, ana)
    assert (second["id"] != first["id"], second["permissions"][0]["where"]) == (True, {"topic": "bank.open"})
    # The step back is inside of what was accepted, and what was asked for meanwhile is not asked any more.
    assert changed(guarded, task, ana, PUBLISH)["grant_status"] == "accepted"
    gone = guarded.api.post(f"/grants/{second['id']}/accept", headers=bob, expect=409)
    assert gone["details"]["status"] == "replaced"
    assert grant_of(guarded, task, ana)["id"] == first["id"]


def test_what_the_task_did_before_is_not_accepted_in_place_of_what_it_does_now(
    guarded: Guarded, ana: dict[str, str], bob: dict[str, str]
) -> None:
    task = made(guarded, ana)
    first = grant_of(guarded, task, ana)
    guarded.api.post(f"/grants/{first['id']}/accept", headers=bob)
    changed(guarded, task, ana, {**PUBLISH, "with": {"topic": "bank.open", "payload": {}}})
    second = grant_of(guarded, task, ana)
    # Taken back it could be accepted again, and what is asked since would not be asked any more.
    guarded.api.post(f"/grants/{first['id']}/refuse", headers=bob)
    old = guarded.api.post(f"/grants/{first['id']}/accept", headers=bob, expect=409)
    assert old["details"]["latest"] == second["id"]
    assert grant_of(guarded, task, ana) == second
    assert guarded.api.post(f"/grants/{second['id']}/accept", headers=bob)["status"] == "accepted"


def test_refused_and_taken_back(guarded: Guarded, ana: dict[str, str], bob: dict[str, str]) -> None:
    task = made(guarded, ana)
    grant = grant_of(guarded, task, ana)
    refused = guarded.api.post(f"/grants/{grant['id']}/refuse", {"comment": "No"}, headers=bob)
    assert (refused["status"], refused["comment"]) == ("refused", "No")
    assert guarded.api.get(f"/tasks/{task['id']}", headers=ana)["grant_status"] == "refused"
    guarded.api.post(f"/tasks/{task['id']}/run_now", {}, headers=ana, expect=409)
    guarded.api.post(f"/grants/{grant['id']}/accept", headers=bob)
    assert run_of(guarded, task, ana)["status"] == "succeeded"
    guarded.api.post(f"/grants/{grant['id']}/refuse", headers=bob)
    guarded.api.post(f"/tasks/{task['id']}/run_now", {}, headers=ana, expect=409)


def test_an_end_in_the_past_and_more_than_is_asked_for_are_refused(
    guarded: Guarded, ana: dict[str, str], bob: dict[str, str]
) -> None:
    grant = grant_of(guarded, made(guarded, ana), ana)
    address = f"/grants/{grant['id']}/accept"
    more = [{"tool": "events.publish", "where": {"topic": "bank.open"}}]
    for body, field in (
        ({"until": "2020-01-01T00:00:00Z"}, "until"),
        ({"permissions": more}, "permissions.0"),
        ({"permissions": [{"tool": "events.publish", "where": {}, "free": True}]}, "permissions.0"),
        ({"outside": "never"}, "outside"),
    ):
        refused = guarded.api.post(address, body, headers=bob, expect=400)
        assert refused["details"]["field"] == field
    assert guarded.api.post(address, {"until": None, "permissions": []}, headers=bob)["until"] is None


def test_who_needs_none(guarded: Guarded, ana: dict[str, str]) -> None:
    root = guarded.new("root", "admin")
    task = made(guarded, root)
    assert task["grant_status"] is None
    guarded.api.get(f"/tasks/{task['id']}/grant", headers=root, expect=404)
    # Nothing outside of the run is touched: there is nothing to accept.
    harmless = made(guarded, ana, {"uses": "data.set", "with": {"value": 1}})
    assert harmless["grant_status"] == "accepted"
    assert grant_of(guarded, harmless, ana)["decided_by"] == "system"
    assert changed(guarded, harmless, ana, PUBLISH)["grant_status"] == "pending"
    # What an admin writes into it is accepted by that.
    assert changed(guarded, harmless, root, {**PUBLISH, "with": {"topic": "x.y"}})["grant_status"] == "accepted"


def test_others_see_no_grant_of_a_task_that_is_not_theirs(guarded: Guarded, ana: dict[str, str]) -> None:
    task = made(guarded, ana)
    eve = guarded.new("eve", "tasks:read")
    guarded.api.get(f"/tasks/{task['id']}/grant", headers=eve, expect=404)
    guarded.api.get("/grants", headers=eve, expect=403)


def test_no_other_way_starts_it_either(guarded: Guarded, ana: dict[str, str], bob: dict[str, str]) -> None:
    root = guarded.new("root", "admin")
    by_event = made(guarded, ana, schedule_kind="event", schedule_expr="door.bell")
    published = guarded.api.post("/events", {"topic": "door.bell", "payload": {}}, headers=ana, expect=202)
    assert published["details"]["triggered_tasks"] == []
    (row,) = guarded.api.get(f"/tasks/{by_event['id']}/occurrences", headers=ana)["items"]
    assert (row["outcome"], row["run_id"]) == ("skipped_grant", None)
    assert row["reason"] == "What the task may do has to be accepted first"
    daily = made(guarded, ana, schedule_kind="cron", schedule_expr="0 9 * * *")
    days = {"start": "2026-01-01T00:00:00Z", "end": "2026-01-03T00:00:00Z"}
    guarded.api.post(f"/tasks/{daily['id']}/backfills", days, headers=root, expect=409)
    other = {"uses": "tasks.run", "with": {"task_id": daily["id"]}, "id": "start"}
    run = run_of(guarded, made(guarded, root, other), root)
    assert "has to be accepted first" in run["error"]["message"]
    accepted(guarded, by_event, bob)
    published = guarded.api.post("/events", {"topic": "door.bell", "payload": {}}, headers=ana, expect=202)
    assert published["details"]["triggered_tasks"] == [by_event["id"]]


def test_a_rerun_needs_the_grant_as_well(guarded: Guarded, ana: dict[str, str], bob: dict[str, str]) -> None:
    task = made(guarded, ana)
    grant = accepted(guarded, task, bob)
    run = run_of(guarded, task, ana)
    guarded.api.post(f"/grants/{grant['id']}/refuse", headers=bob)
    root = guarded.new("root", "admin")
    guarded.api.post(f"/runs/{run['id']}/rerun", {"from": "start"}, headers=root, expect=409)


def test_an_assistant_is_told_that_its_task_waits(guarded: Guarded, ana: dict[str, str]) -> None:
    eve = guarded.new("eve", "tools:invoke", "tasks:create", "tasks:read", "events:publish")
    fields = {"title": "Tell", "schedule": "0 9 * * *", "payload": {"pipeline": [PUBLISH], "params": {"what": "a"}}}
    output = guarded.api.post("/tools/create_task/invoke", {"arguments": fields}, headers=eve)["output"]
    assert output["warnings"] == ["What the task may do has to be accepted first"]
    seen = guarded.api.post("/tools/get_task/invoke", {"arguments": {"task_id": output["task_id"]}}, headers=eve)
    assert seen["output"]["task"]["grant_status"] == "pending"


# Calls of runs.


def accepted(guarded: Guarded, task: dict[str, Any], headers: dict[str, str], **terms: Any) -> dict[str, Any]:
    """Its grant, accepted by the bearer of these headers."""
    (one,) = guarded.api.get(f"/grants?status=pending&task_id={task['id']}", headers=headers)["items"]
    found: dict[str, Any] = guarded.api.post(f"/grants/{one['id']}/accept", terms, headers=headers)
    return found


def waiting(guarded: Guarded, run: dict[str, Any], headers: dict[str, str]) -> dict[str, Any]:
    """What the run asks."""
    (found,) = guarded.api.get(f"/approvals?run_id={run['id']}&status=pending", headers=headers)["items"]
    asked: dict[str, Any] = found
    return asked


def decided(guarded: Guarded, run: dict[str, Any], headers: dict[str, str], decision: str, owner: Any) -> Any:
    """The run after somebody has decided about the call it asks for."""
    one = waiting(guarded, run, headers)
    guarded.api.post(f"/approvals/{one['id']}/decide", {"decision": decision}, headers=headers)
    guarded.api.work()
    return guarded.api.get(f"/runs/{run['id']}", headers=owner)


def test_a_step_outside_of_the_grant_fails(guarded: Guarded, ana: dict[str, str], bob: dict[str, str]) -> None:
    task = made(guarded, ana, {**PUBLISH, "max_retries": 3})
    accepted(guarded, task, bob)
    run = run_of(guarded, task, ana, what="shut")
    assert (run["status"], run["error"]["type"], run["steps"][0]["attempt"]) == ("failed", "outside_grant", 1)
    assert run["error"]["message"] == "The call goes beyond what was accepted"
    assert run_of(guarded, task, ana)["status"] == "succeeded"


def test_what_a_run_works_out_itself_may_be_limited_by_whoever_accepts(
    guarded: Guarded, ana: dict[str, str], bob: dict[str, str]
) -> None:
    found = {"id": "find", "uses": "data.set", "with": {"value": "${params.what}"}}
    task = made(guarded, ana, found, {**PUBLISH, "with": {"topic": "shop.${steps.find}", "payload": {}}})
    only = [{"tool": "events.publish", "where": {"topic": "shop.open"}}]
    assert accepted(guarded, task, bob, permissions=only)["permissions"][0]["where"] == {"topic": "shop.open"}
    assert run_of(guarded, task, ana)["status"] == "succeeded"
    assert run_of(guarded, task, ana, what="shut")["error"]["type"] == "outside_grant"


def test_a_step_outside_of_the_grant_asks_where_that_was_said(
    guarded: Guarded, ana: dict[str, str], bob: dict[str, str]
) -> None:
    after = {"id": "after", "uses": "data.set", "with": {"value": "${steps.tell.topic}"}}
    task = made(guarded, ana, PUBLISH, after)
    accepted(guarded, task, bob, outside="ask")
    run = run_of(guarded, task, ana, what="shut")
    assert run["status"] == "waiting"
    one = waiting(guarded, run, bob)
    assert one["title"] == "tell goes beyond what the task may do: events.publish"
    assert (one["message"], one["data"]["call"]) == ("Publish events on the topic shop.shut", {"topic": "shop.shut"})
    guarded.api.post(f"/approvals/{one['id']}/decide", {"decision": "approve"}, headers=ana, expect=403)
    run = decided(guarded, run, bob, "approve", ana)
    assert (run["status"], run["output"]) == ("succeeded", "shop.shut")
    run = decided(guarded, run_of(guarded, task, ana, what="shut"), bob, "reject", ana)
    assert (run["status"], run["error"]["type"]) == ("failed", "not_approved")


@pytest.mark.parametrize("lent", [False, True])
def test_what_was_approved_is_called_as_it_was_asked_about(guarded: Guarded, bob: dict[str, str], lent: bool) -> None:
    root = guarded.new("root", "admin")
    guarded.api.send("PUT", "/secrets/KEY", json={"value": "hush hush"}, headers=root, expect=200)
    eve = guarded.new("eve", "tasks:create", "tasks:read", "tasks:run", "runs:read", "secrets:use")
    headers = {"headers": {"X-Key": "${secrets.KEY}"}} if lent else {}
    # Where it goes is something else at each moment.
    call = {"uses": "http.request", "id": "get", "with": {"url": "https://at-${now}.invalid/", **headers}}
    task = made(guarded, eve, call)
    accepted(guarded, task, bob, permissions=[], outside="ask")
    run = run_of(guarded, task, eve)
    assert run["status"] == "waiting"
    run = decided(guarded, run, bob, "approve", eve)
    # It was called, and there can be no such host.
    assert (run["status"], run["error"]["type"]) == ("failed", "invalid_url")


def test_what_no_database_takes_is_replaced_in_what_is_asked(
    guarded: Guarded, ana: dict[str, str], bob: dict[str, str]
) -> None:
    call = {"uses": "http.request", "id": "get", "with": {"url": 'https://a${`"\\u0000"`}.invalid/'}}
    task = made(guarded, ana, call)
    accepted(guarded, task, bob, permissions=[], outside="ask")
    run = run_of(guarded, task, ana)
    assert waiting(guarded, run, bob)["message"] == "Send GET requests to https://a\ufffd.invalid"
    assert decided(guarded, run, bob, "approve", ana)["error"]["type"] == "invalid_url"


def test_what_was_approved_is_not_done_once_the_grant_is_taken_back(
    guarded: Guarded, ana: dict[str, str], bob: dict[str, str]
) -> None:
    task = made(guarded, ana)
    grant = accepted(guarded, task, bob, outside="ask")
    run = run_of(guarded, task, ana, what="shut")
    one = waiting(guarded, run, bob)
    guarded.api.post(f"/approvals/{one['id']}/decide", {"decision": "approve"}, headers=bob)
    guarded.api.post(f"/grants/{grant['id']}/refuse", headers=bob)
    guarded.api.work()
    assert guarded.api.get(f"/runs/{run['id']}", headers=ana)["error"]["type"] == "outside_grant"


def test_each_item_of_a_list_is_held_against_the_grant(
    guarded: Guarded, ana: dict[str, str], bob: dict[str, str]
) -> None:
    each = {"id": "tell", "uses": "events.publish", "with": {"topic": "shop.${item}", "payload": {}}}
    task = made(guarded, ana, {**each, "foreach": "${[params.what, 'shut']}", "max_parallel": 2})
    only = [{"tool": "events.publish", "where": {"topic": "shop.open"}}]
    accepted(guarded, task, bob, permissions=only, outside="ask")
    run = run_of(guarded, task, ana)
    assert run["status"] == "waiting"
    assert waiting(guarded, run, bob)["data"]["call"] == {"topic": "shop.shut"}
    assert decided(guarded, run, bob, "approve", ana)["status"] == "succeeded"


def test_a_grant_that_was_taken_back_stops_runs_that_are_queued(
    guarded: Guarded, ana: dict[str, str], bob: dict[str, str]
) -> None:
    task = made(guarded, ana)
    grant = accepted(guarded, task, bob)
    run_id = guarded.api.post(f"/tasks/{task['id']}/run_now", {}, headers=ana, expect=202)["run_id"]
    guarded.api.post(f"/grants/{grant['id']}/refuse", headers=bob)
    guarded.api.work()
    error = guarded.api.get(f"/runs/{run_id}", headers=ana)["error"]
    assert (error["type"], error["message"]) == ("outside_grant", "Nobody has accepted what the task may do")


def test_what_is_asked_shows_no_secret(guarded: Guarded, ana: dict[str, str], bob: dict[str, str]) -> None:
    root = guarded.new("root", "admin")
    guarded.api.send("PUT", "/secrets/HOST", json={"value": "hidden.invalid"}, headers=root, expect=200)
    eve = guarded.new("eve", "tasks:create", "tasks:run", "runs:read", "secrets:use")
    call = {"uses": "http.request", "with": {"url": "https://${secrets.HOST}/x"}, "id": "get"}
    task = made(guarded, eve, call)
    only = [{"tool": "http.request", "where": {"host": "https://x.invalid", "method": "GET"}, "secrets": ["HOST"]}]
    accepted(guarded, task, bob, permissions=only, outside="ask")
    run = run_of(guarded, task, eve)
    asked = waiting(guarded, run, bob)
    assert asked["data"]["call"] == {"host": "https://***", "method": "GET"}
    assert "hidden" not in str(asked) + str(run)

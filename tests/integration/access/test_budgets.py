"""Budgets over HTTP, and runs that keep within them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.access.conftest import Guarded, guarded_settings
from tests.integration.api.conftest import serving

PUBLISH: dict[str, Any] = {"id": "tell", "uses": "events.publish", "with": {"topic": "shop.open", "payload": {}}}


@pytest.fixture
def guarded(database_url: str, tmp_path: Path) -> Iterator[Guarded]:
    """On SQLite and on PostgreSQL, with grants for agents."""
    with serving(guarded_settings(database_url, tmp_path, ORDINAUT_GRANTS="agents")) as api:
        yield Guarded(api)


@pytest.fixture
def root(guarded: Guarded) -> dict[str, str]:
    """Who may do everything."""
    return guarded.new("root", "admin")


def put(guarded: Guarded, headers: dict[str, str], name: str, expect: int = 200, **fields: Any) -> Any:
    """The answer to setting a budget."""
    return guarded.api.send("PUT", f"/budgets/{name}", json=fields, headers=headers, expect=expect).get_json()


def made(guarded: Guarded, headers: dict[str, str], *steps: dict[str, Any]) -> Any:
    """A new task."""
    fields = {"title": "Tell", "schedule_kind": "manual", "payload": {"pipeline": list(steps or (PUBLISH,))}}
    return guarded.api.post("/tasks", fields, headers=headers, expect=201)


def run_of(guarded: Guarded, task: Any, headers: dict[str, str]) -> Any:
    """A run by hand, worked off."""
    run_id = guarded.api.post(f"/tasks/{task['id']}/run_now", {}, headers=headers, expect=202)["run_id"]
    guarded.api.work()
    return guarded.api.get(f"/runs/{run_id}", headers=headers)


def test_a_step_that_a_budget_does_not_allow_fails(guarded: Guarded, root: dict[str, str]) -> None:
    made_one = put(guarded, root, "events", tool="events.*", soft=1, hard=2)
    assert (made_one["used"], made_one["state"]) == (0, "ok")
    task = made(guarded, root, PUBLISH, {**PUBLISH, "id": "again"}, {**PUBLISH, "id": "more", "on_error": "continue"})
    run = run_of(guarded, task, root)
    assert [step["status"] for step in run["steps"]] == ["succeeded", "succeeded", "failed"]
    error = run["steps"][2]["error"]
    assert (error["type"], error["details"]["budget"], run["status"]) == ("budget_exhausted", "events", "succeeded")
    (shown,) = guarded.api.get("/budgets", headers=root)["items"]
    assert (shown["used"], shown["state"], shown["soft"], shown["hard"]) == (2, "exhausted", 1, 2)
    assert shown == guarded.api.get("/budgets/events", headers=root)
    assert error["details"]["ends_at"] == shown["ends_at"]


def test_a_step_may_wait_for_the_next_window(guarded: Guarded, root: dict[str, str]) -> None:
    put(guarded, root, "none", task_id=None, hard=0, then="wait")
    run = run_of(guarded, made(guarded, root), root)
    assert (run["status"], run["attempt"], run["held_by"]["reason"]) == ("queued", 0, "budget")
    assert run["held_by"]["until"] > run["created_at"]
    assert run["steps"] == [] or run["steps"][0]["status"] != "failed"


def test_a_grant_allows_so_many_calls_a_day(guarded: Guarded, root: dict[str, str], bob: dict[str, str]) -> None:
    ana = guarded.new("ana", "tasks:create", "tasks:run", "runs:read", "events:publish")
    task = made(guarded, ana)
    (grant,) = guarded.api.get("/grants?status=pending", headers=bob)["items"]
    assert grant["calls_per_day"] == 1000
    accepted = guarded.api.post(f"/grants/{grant['id']}/accept", {"calls_per_day": 1}, headers=bob)
    assert accepted["calls_per_day"] == 1
    assert run_of(guarded, task, ana)["status"] == "succeeded"
    assert run_of(guarded, task, ana)["error"]["type"] == "budget_exhausted"


def test_direct_calls_count_too(guarded: Guarded, root: dict[str, str]) -> None:
    put(guarded, root, "direct", tool="events.publish", hard=1)
    body = {"arguments": PUBLISH["with"]}
    guarded.api.post("/tools/events.publish/invoke", body, headers=root)
    answer = guarded.api.send("POST", "/tools/events.publish/invoke", json=body, headers=root, expect=429)
    details = answer.get_json()["details"]
    assert details["budget"] == "direct"
    assert int(answer.headers["Retry-After"]) == details["retry_after_seconds"]
    # What touches nothing outside is not counted.
    put(guarded, root, "all", hard=0)
    guarded.api.post("/tools/data.set/invoke", {"arguments": {"value": 1}}, headers=root)
    guarded.api.post("/tools/list_tasks/invoke", {"arguments": {}}, headers=root)


def test_calls_of_assistants_count_too(guarded: Guarded, root: dict[str, str]) -> None:
    put(guarded, root, "assistants", agent_id=guarded.api.get("/agents/me", headers=root)["agent_id"], hard=1)
    asked = {"tool": "create_task", "parameters": {"title": "One", "schedule": "manual"}}
    guarded.api.post("/ext/mcp_http/invoke", asked, headers=root)
    refused = guarded.api.post("/ext/mcp_http/invoke", asked, headers=root, expect=429)
    assert "assistants" in str(refused)
    guarded.api.post("/ext/mcp_http/invoke", {"tool": "list_tasks", "parameters": {}}, headers=root)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({}, "hard"),
        ({"soft": 2, "hard": 1}, "soft"),
        ({"hard": 1.5}, "hard"),
        ({"hard": -1}, "hard"),
        ({"hard": 1, "unit": "hours"}, "unit"),
        ({"hard": 1, "window": "week"}, "window"),
        ({"hard": 1, "tool": "a b"}, "tool"),
        ({"hard": 1, "task_id": "x"}, "task_id"),
        ({"hard": 1, "more": 1}, "more"),
    ],
)  # fmt: skip
def test_what_is_no_budget_is_refused(
    guarded: Guarded, root: dict[str, str], fields: dict[str, Any], field: str
) -> None:
    assert put(guarded, root, "one", expect=400, **fields)["details"]["field"] == field


def test_setting_deleting_and_who_may(guarded: Guarded, root: dict[str, str], bob: dict[str, str]) -> None:
    assert put(guarded, root, "1st", expect=400, hard=1)["details"]["field"] == "name"
    assert put(guarded, root, "money", unit="money", window="month", soft=0.5, hard=1.25)["hard"] == 1.25
    put(guarded, bob, "money", expect=403, hard=1)
    guarded.api.send("DELETE", "/budgets/money", headers=root, expect=204)
    guarded.api.get("/budgets/money", headers=root, expect=404)
    guarded.api.send("DELETE", "/budgets/money", headers=root, expect=404)
    told = guarded.api.get("/audit?kind=budget", headers=root)["items"]
    assert [row["action"] for row in told] == ["budget.deleted", "budget.set"]


def test_nothing_is_counted_while_grants_are_off(database_url: str, tmp_path: Path) -> None:
    with serving(guarded_settings(database_url, tmp_path)) as api:
        guarded = Guarded(api)
        refused = put(guarded, guarded.new("root", "admin"), "one", expect=409, hard=1)
    assert refused["message"] == "ORDINAUT_GRANTS is off: nothing is counted"

"""What belongs to one agent is not there for another."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.access.conftest import Guarded

WRITES = ("tasks:create", "tasks:read", "tasks:update", "tasks:delete", "tasks:run", "runs:read", "runs:cancel")
MANUAL: dict[str, Any] = {"title": "Ana's", "schedule_kind": "manual", "payload": {"pipeline": []}}


@pytest.fixture(scope="module")
def world(lasting: Guarded) -> dict[str, Any]:
    """A task and a run of Ana's, and the headers of others."""
    ana = lasting.new("ana", *WRITES)
    task = lasting.api.post("/tasks", MANUAL, headers=ana, expect=201)
    run = lasting.api.post(f"/tasks/{task['id']}/run_now", {}, headers=ana, expect=202)
    return {
        "task": task,
        "run": run["run_id"],
        "ana": ana,
        "bob": lasting.new("bob", *WRITES),
        "reader": lasting.new("reader", *WRITES, "tasks:read:all"),
        "root": lasting.new("root", "admin"),
    }


READS = [
    "/tasks/{task}",
    "/tasks/{task}/occurrences",
    "/tasks/{task}/backfills",
    "/tasks/{task}/why?at=2026-11-24T08:00:00Z",
    "/runs/{run}",
    "/runs/{run}/steps",
    "/runs/{run}/logs",
    "/runs/{run}/stream",
    "/runs/{run}/wait?timeout=0",
    "/runs/task/{task}/latest",
    "/runs/task/{task}/stats",
]
CHANGES: list[tuple[str, str, Any]] = [
    ("PUT", "/tasks/{task}", MANUAL),
    ("PUT", "/tasks/{task}?preview=true", MANUAL),
    ("PATCH", "/tasks/{task}", {"title": "Bob's"}),
    ("POST", "/tasks/{task}/run_now", {}),
    ("POST", "/tasks/{task}/snooze", {"delay_seconds": 60}),
    ("POST", "/tasks/{task}/pause", {}),
    ("POST", "/tasks/{task}/resume", {}),
    ("POST", "/tasks/{task}/cancel", {}),
    ("POST", "/runs/{run}/cancel", {}),
    ("POST", "/runs/{run}/rerun", {}),
    ("POST", "/tasks/{task}/backfills", {"start": "2025-11-02T00:00:00Z", "end": "2025-11-03T00:00:00Z"}),
    ("POST", "/runs/{run}/steps/a/mark", {"status": "skipped", "note": "n"}),
    ("DELETE", "/tasks/{task}", None),
]


def at(path: str, world: dict[str, Any]) -> str:
    return path.format(task=world["task"]["id"], run=world["run"])


@pytest.mark.parametrize("path", READS)
def test_others_see_nothing_of_it(lasting: Guarded, world: dict[str, Any], path: str) -> None:
    refused = lasting.api.send("GET", at(path, world), headers=world["bob"], expect=404)
    assert refused.get_json()["message"] in {"Task not found", "Run not found"}
    if "stream" not in path:
        for who in ("ana", "reader", "root"):
            lasting.api.send("GET", at(path, world), headers=world[who], expect=200)


@pytest.mark.parametrize(("method", "path", "body"), CHANGES)
def test_others_change_nothing_of_it(
    lasting: Guarded, world: dict[str, Any], method: str, path: str, body: Any
) -> None:
    sent = {} if body is None else {"json": body}
    lasting.api.send(method, at(path, world), headers=world["bob"], expect=404, **sent)
    lasting.api.send(method, at(path, world), headers=world["reader"], expect=403, **sent)
    assert lasting.api.get(at("/tasks/{task}", world), headers=world["ana"])["title"] == "Ana's"


def test_lists_and_sums_hold_what_one_may_see(lasting: Guarded, world: dict[str, Any]) -> None:
    for who, there in (("ana", 1), ("bob", 0), ("reader", 1), ("root", 1)):
        assert lasting.api.get("/tasks", headers=world[who])["total"] == there
        assert lasting.api.get("/runs", headers=world[who])["total"] == there
        assert lasting.api.get("/runs/stats/summary?days=1", headers=world[who])["total"] == there
    owner = world["task"]["created_by"]
    assert lasting.api.get(f"/tasks?created_by={owner}", headers=world["bob"])["total"] == 0
    assert lasting.api.get(f"/tasks?created_by={owner}", headers=world["root"])["total"] == 1


def test_a_preview_does_not_tell_of_others_tasks(lasting: Guarded, world: dict[str, Any]) -> None:
    told = {
        who: "exists already" in str(lasting.api.post("/tasks?preview=true", MANUAL, headers=world[who])["warnings"])
        for who in ("ana", "bob")
    }
    assert told == {"ana": True, "bob": False}


def test_a_task_is_its_maker_s_and_only_an_admin_gives_it_to_another(lasting: Guarded, world: dict[str, Any]) -> None:
    root = lasting.api.get("/agents/me", headers=world["root"])["agent_id"]
    for method, path in (("POST", "/tasks"), ("PATCH", at("/tasks/{task}", world))):
        sent = {**MANUAL, "created_by": root} if method == "POST" else {"created_by": root}
        lasting.api.send(method, path, json=sent, headers=world["ana"], expect=403)
    bob = lasting.api.get("/agents/me", headers=world["bob"])["agent_id"]
    given = {**MANUAL, "created_by": bob}
    task = lasting.api.post("/tasks", given, headers=world["root"], expect=201)
    assert lasting.api.get(f"/tasks/{task['id']}", headers=world["bob"])["created_by"] == bob
    lasting.api.send("DELETE", f"/tasks/{task['id']}", headers=world["root"], expect=204)


def test_nobody_gives_away_or_takes_over_what_they_do_not_hold(lasting: Guarded, world: dict[str, Any]) -> None:
    clerk = lasting.new("clerk", "agents:read", "agents:create", "agents:update", "agents:delete", "tasks:read")
    me = lasting.api.get("/agents/me", headers=clerk)["agent_id"]
    root = lasting.api.get("/agents/me", headers=world["root"])["agent_id"]
    refused: list[tuple[str, str, Any]] = [
        ("POST", "/agents", {"name": "x", "scopes": ["admin"]}),
        ("PATCH", f"/agents/{me}", {"scopes": ["admin"]}),
        # Who may set a stronger agent's secret is that agent.
        ("POST", f"/agents/{root}/credentials", None),
        ("POST", f"/agents/{root}/keys", {"name": "x", "scopes": ["admin"]}),
        ("PATCH", f"/agents/{root}", {"status": "disabled"}),
        ("DELETE", f"/agents/{root}", None),
    ]
    for method, path, body in refused:
        answer = lasting.api.send(method, path, headers=clerk, expect=403, **({} if body is None else {"json": body}))
        assert "admin" in answer.get_json()["details"]["required_scopes"], path
    narrow = lasting.new("wide", "agents:update", "tasks:read", "tasks:create")
    wide = lasting.api.get("/agents/me", headers=narrow)["agent_id"]
    narrow = lasting.headers("wide", scopes=["agents:update"])
    # What was narrowed does not widen itself again.
    lasting.api.post(f"/agents/{wide}/credentials", headers=narrow, expect=403)
    lasting.api.post(f"/agents/{wide}/keys", {"name": "x"}, headers=narrow, expect=403)
    made = lasting.api.post("/agents", {"name": "temp", "scopes": ["tasks:read"]}, headers=clerk, expect=201)
    lasting.api.send("DELETE", f"/agents/{made['id']}", headers=clerk, expect=204)
    lasting.api.send("DELETE", f"/agents/{me}", headers=clerk, expect=409)


@pytest.mark.parametrize(
    ("body", "expect"),
    [
        ({"name": "ana"}, 409),  # taken
        ({"name": "local"}, 400),  # means somebody else
        ({"name": "system"}, 400),
        ({"name": "x", "scopes": ["task:read"]}, 400),  # no such scope
        ({"name": "x", "scopes": ["tasks:*"]}, 400),  # no wildcards
        ({"name": "x", "id": "1"}, 400),  # no mass assignment
        ({"name": ""}, 400),
        ({"name": "a\nb"}, 400),
    ],
)
def test_odd_agents_are_refused(lasting: Guarded, world: dict[str, Any], body: Any, expect: int) -> None:
    lasting.api.post("/agents", body, headers=world["root"], expect=expect)

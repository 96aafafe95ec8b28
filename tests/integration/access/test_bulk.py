"""Whose runs a bulk action is for, and who may ask for it."""

from __future__ import annotations

from tests.integration.access.conftest import Guarded


def test_only_what_is_ones_own_and_only_with_the_scope_of_the_action(guarded: Guarded) -> None:
    ana, bob = (
        guarded.new("ana", "tasks:create", "tasks:run", "runs:read", "runs:cancel"),
        guarded.new("bob", "runs:read"),
    )
    root = guarded.new("root", "admin")
    task = guarded.api.post("/tasks", {"title": "A", "schedule_kind": "manual"}, headers=ana, expect=201)
    guarded.api.post(f"/tasks/{task['id']}/run_now", {}, headers=ana, expect=202)
    wish = {"action": "cancel", "filter": {"task_id": task["id"]}}
    refused = guarded.api.post("/runs/bulk", wish, headers=bob, expect=403)
    assert refused["details"]["required_scopes"] == ["runs:cancel"]
    reader = guarded.new("reader", "runs:read", "runs:cancel", "tasks:read:all")
    matched = {
        name: guarded.api.post("/runs/bulk", wish, headers=one)["details"]["matched"]
        for name, one in (("ana", ana), ("reader", reader), ("root", root))
    }
    assert matched == {"ana": 1, "reader": 0, "root": 1}

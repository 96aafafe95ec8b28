"""Incidents are seen and acknowledged by those to whom the task belongs."""

from __future__ import annotations

from app.http.services import EXTENSION
from tests.integration.access.conftest import Guarded
from tests.servers import wait_for


def test_whose_incidents_one_sees(lasting: Guarded) -> None:
    ana = lasting.new("ana", "tasks:create", "tasks:read", "tasks:update", "tasks:run")
    bob = lasting.new("bob", "tasks:read", "tasks:update")
    reader = lasting.new("reader", "tasks:read", "tasks:read:all", "tasks:update")
    fields = {"title": "Late", "schedule_kind": "manual", "payload": {"pipeline": []}, "expect": {"start_within": 1}}
    task = lasting.api.post("/tasks", fields, headers=ana, expect=201)
    lasting.api.post(f"/tasks/{task['id']}/run_now", {}, headers=ana, expect=202)

    def found() -> int:
        lasting.api.app.extensions[EXTENSION].incidents.judge()
        return int(lasting.api.get("/incidents", headers=ana)["total"])

    wait_for(found, what="the incident")
    (incident,) = lasting.api.get("/incidents", headers=ana)["items"]
    path = f"/incidents/{incident['id']}"
    assert lasting.api.get("/incidents", headers=bob)["total"] == 0
    assert lasting.api.get("/incidents", headers=reader)["total"] == 1
    for who, seen, acknowledged in ((ana, 200, 200), (reader, 200, 403), (bob, 404, 404)):
        lasting.api.get(path, headers=who, expect=seen)
        lasting.api.post(f"{path}/acknowledge", {}, headers=who, expect=acknowledged)

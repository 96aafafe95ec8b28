"""What was shown with fewer scopes than its agent holds leaves nothing behind that may do more."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.access.conftest import Guarded, bearer

NARROW = ["tasks:create", "tasks:read", "tasks:update", "tasks:run", "runs:read"]
PUBLISH = {"id": "tell", "uses": "publish_event", "with": {"topic": "shop.sold", "payload": {}}}
NOTE = {"id": "note", "uses": "log.write", "with": {"message": "${secrets.DOOR}"}}
AGAIN = {
    "id": "again",
    "uses": "create_task",
    "with": {"title": "Second", "schedule": "manual", "payload": {"pipeline": [PUBLISH]}},
}


def body(*steps: dict[str, Any]) -> dict[str, Any]:
    return {"title": "First", "schedule_kind": "manual", "max_retries": 0, "payload": {"pipeline": list(steps)}}


def narrow_headers(guarded: Guarded, how: str) -> dict[str, str]:
    """A login, or a key, of an agent that holds everything."""
    root = guarded.agent("root", "admin")
    if how == "login":
        return guarded.headers("root", scopes=NARROW)
    wide = guarded.headers("root")
    key = guarded.api.post(f"/agents/{root}/keys", {"name": "k", "scopes": NARROW}, headers=wide, expect=201)
    return bearer(key["key"])


def ended(guarded: Guarded, task_id: str, headers: dict[str, str]) -> dict[str, Any]:
    run = guarded.api.post(f"/tasks/{task_id}/run_now", {}, headers=headers, expect=202)["run_id"]
    guarded.api.work()
    found: dict[str, Any] = guarded.api.get(f"/runs/{run}", headers=headers)
    return found


@pytest.mark.parametrize("how", ["login", "key"])
@pytest.mark.parametrize("step", [PUBLISH, NOTE])
def test_a_pipeline_may_do_no_more_than_its_author_could(guarded: Guarded, how: str, step: dict[str, Any]) -> None:
    narrow = narrow_headers(guarded, how)
    guarded.services.secrets.put("DOOR", "open sesame", caller=guarded.services.auth.agent_caller("root"))
    task = guarded.api.post("/tasks", body(step), headers=narrow, expect=201)
    run = ended(guarded, task["id"], narrow)
    assert (run["status"], run["error"]["type"]) == ("failed", "forbidden")


def test_a_task_that_it_makes_is_bound_as_well(guarded: Guarded) -> None:
    narrow = narrow_headers(guarded, "login")
    first = guarded.api.post("/tasks", body(AGAIN), headers=narrow, expect=201)
    assert ended(guarded, first["id"], narrow)["status"] == "succeeded"
    second = guarded.api.get("/tasks?q=Second", headers=narrow)["items"][0]
    assert ended(guarded, second["id"], narrow)["error"]["type"] == "forbidden"


def test_only_who_writes_the_pipeline_anew_binds_or_frees_it(guarded: Guarded) -> None:
    narrow = narrow_headers(guarded, "login")
    wide = guarded.headers("root")
    task = guarded.api.post("/tasks", body(PUBLISH), headers=wide, expect=201)["id"]
    assert ended(guarded, task, narrow)["status"] == "succeeded", "what a wide one wrote, a narrow one may start"
    guarded.api.send("PATCH", f"/tasks/{task}", json={"title": "Renamed"}, headers=narrow, expect=200)
    assert ended(guarded, task, narrow)["status"] == "succeeded"
    guarded.api.send("PATCH", f"/tasks/{task}", json={"payload": body(NOTE, PUBLISH)["payload"]}, headers=narrow)
    assert ended(guarded, task, narrow)["error"]["type"] == "forbidden"
    guarded.api.send("PATCH", f"/tasks/{task}", json={"title": "Again"}, headers=wide, expect=200)
    assert ended(guarded, task, narrow)["error"]["type"] == "forbidden", "a title frees nothing"
    guarded.api.send("PATCH", f"/tasks/{task}", json={"payload": body(PUBLISH)["payload"]}, headers=wide, expect=200)
    assert ended(guarded, task, narrow)["status"] == "succeeded"


def test_who_shows_all_that_the_agent_holds_is_not_bound(guarded: Guarded) -> None:
    agent = guarded.agent("ana", *NARROW)
    mine = guarded.headers("ana")
    task = guarded.api.post("/tasks", body(PUBLISH), headers=mine, expect=201)["id"]
    wider = {"scopes": [*NARROW, "events:publish"]}
    guarded.agent("root", "admin")
    guarded.api.send("PATCH", f"/agents/{agent}", json=wider, headers=guarded.headers("root"), expect=200)
    assert ended(guarded, task, mine)["status"] == "succeeded", "runs hold what the agent holds now"

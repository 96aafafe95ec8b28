"""Tasks from their creation to their deletion, over HTTP and on both databases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from threading import Barrier, Thread
from typing import Any

import pytest

from app.domain.clock import rfc3339
from tests.integration.api.conftest import PIPELINE, Api

DAILY: dict[str, Any] = {"schedule_kind": "cron", "schedule_expr": "0 9 * * *"}
NAMED: dict[str, Any] = {"title": "Șase", **DAILY, "payload": PIPELINE}
STRANGER = "00000000-0000-7000-8000-000000000000"


def test_a_task_lives_and_is_deleted(api: Api) -> None:
    answer = api.send(
        "POST", "/tasks", expect=201, json={"title": "Șase", **DAILY, "payload": PIPELINE, "tags": ["a", "b"]}
    )
    made = answer.get_json()
    assert answer.headers["Location"] == f"/tasks/{made['id']}"
    read = api.send("GET", answer.headers["Location"], expect=200)
    assert read.get_json() == made
    assert read.headers["ETag"] == answer.headers["ETag"]
    assert made["description_text"] == "Every day at 09:00" and made["created_by"] == "local" and made["version"] == 1
    assert made["next_run"] == made["next_run_effective"] and made["last_run"] is None
    assert (made["title"], made["tags"], made["payload"]) == ("Șase", ["a", "b"], PIPELINE)
    assert api.send("DELETE", f"/tasks/{made['id']}", expect=204).data == b""
    for method in ("GET", "DELETE"):
        gone = api.send(method, f"/tasks/{made['id']}", expect=404).get_json()
        assert (gone["error"], gone["message"]) == ("not_found", "Task not found")
        assert gone["details"] == {"task_id": made["id"]}


def test_deleting_takes_everything_along(api: Api) -> None:
    task = api.task()
    run_id = api.run(task)
    assert api.work() == 1
    waiting = api.run(task)
    api.send("DELETE", f"/tasks/{task['id']}", expect=204)
    for gone in (run_id, waiting):
        api.get(f"/runs/{gone}", expect=404)
    assert api.get("/runs")["total"] == 0
    assert api.work() == 0


def test_full_replacement_and_patch(api: Api) -> None:
    task = api.task(**DAILY, description="text", priority=2, tags=["a"], status="paused")
    path = f"/tasks/{task['id']}"
    patched = api.send("PATCH", path, expect=200, json={"priority": 3}).get_json()
    assert {**task, "priority": 3, "version": 2, "updated_at": patched["updated_at"]} == patched
    # What GET gives may be sent back as it is, and changes nothing.
    assert api.send("PUT", path, expect=200, json=patched).get_json() == patched
    replaced = api.send("PUT", path, expect=200, json={"title": "New", "schedule_kind": "manual"}).get_json()
    assert (replaced["priority"], replaced["description"], replaced["tags"]) == (5, "", [])
    assert (replaced["status"], replaced["schedule_expr"], replaced["payload"]["pipeline"]) == ("paused", None, [])
    for method, body in (("PUT", {"title": "New", "schedule_kind": "manual"}), ("PATCH", {"title": "x"})):
        assert api.send(method, f"/tasks/{STRANGER}", expect=404, json=body).get_json()["error"] == "not_found"
    assert api.send("PUT", path, expect=400, json={"title": "x"}).get_json()["details"]["field"] == "schedule_kind"


def test_entity_tags(api: Api) -> None:
    task = api.task(**DAILY)
    path = f"/tasks/{task['id']}"
    first = api.send("GET", path).headers["ETag"]
    same = api.send("GET", path, expect=304, headers={"If-None-Match": first})
    assert same.data == b"" and same.headers["ETag"] == first
    assert api.send("HEAD", path, expect=200).data == b""
    changed = api.send("PATCH", path, expect=200, json={"title": "B"}, headers={"If-Match": first})
    second = changed.headers["ETag"]
    assert second != first
    api.send("GET", path, expect=200, headers={"If-None-Match": first})
    stale = api.send("PATCH", path, expect=412, json={"title": "C"}, headers={"If-Match": first}).get_json()
    assert stale["error"] == "precondition_failed"
    assert stale["details"] == {"task_id": task["id"], "version": 2}
    api.send("PATCH", path, expect=200, json={"title": "C"}, headers={"If-Match": f'"x", {second}'})
    api.send("POST", path + "/pause", expect=412, json={}, headers={"If-Match": second})
    api.send("DELETE", path, expect=412, headers={"If-Match": second})
    api.send("DELETE", path, expect=204, headers={"If-Match": "*"})


def test_of_two_editors_one_is_told(api: Api) -> None:
    task = api.task()
    tag = api.send("GET", f"/tasks/{task['id']}").headers["ETag"]
    barrier, statuses = Barrier(8), []

    def edit(number: int) -> None:
        barrier.wait()
        answer = api.send("PATCH", f"/tasks/{task['id']}", json={"title": f"{number}"}, headers={"If-Match": tag})
        statuses.append(answer.status_code)

    threads = [Thread(target=edit, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(statuses) == [200] + [412] * 7
    assert api.get(f"/tasks/{task['id']}")["version"] == 2


def test_lists_filters_and_pages(api: Api) -> None:
    ids = []
    for number in range(7):
        tags = ["odd" if number % 2 else "even", "all"]
        task = api.task(title=f"Report {number} 100%_\\", tags=tags, created_by=f"agent-{number % 3}")
        ids.append(task["id"])
    other = api.task(title="Other", description="a REPORT in it", **DAILY, status="paused")["id"]
    whole = api.get("/tasks")
    assert [one["id"] for one in whole["items"]] == [other, *reversed(ids)]
    assert (whole["total"], whole["limit"], whole["offset"], whole["has_more"]) == (8, 50, 0, False)
    page = api.get("/tasks?limit=3&offset=6")
    assert [one["id"] for one in page["items"]] == [ids[1], ids[0]] and not page["has_more"]
    assert api.get("/tasks?limit=3&offset=3")["has_more"]
    assert api.get("/tasks?offset=1000000")["items"] == []
    counts = {
        "status=paused": 1,
        "status=active": 7,
        "status=active,paused": 8,
        "status=active&status=paused": 8,
        "status=completed": 0,
        "tag=odd": 3,
        "tag=all&created_by=agent-0": 3,
        "tag=al": 0,
        "schedule_kind=cron": 1,
        "q=report": 8,
        "q=100%25_": 7,
        "q=%25%25": 0,
        "q=%5C": 7,
        "q='": 0,
        "q=other&status=active": 0,
        "created_by=nobody": 0,
    }
    assert {query: api.get(f"/tasks?{query}")["total"] for query in counts} == counts


def test_pause_resume_snooze_cancel(api: Api) -> None:
    task = api.task(**DAILY)
    path = f"/tasks/{task['id']}"
    paused = api.post(path + "/pause")
    assert (paused["success"], paused["message"]) == (True, "Task paused")
    assert (paused["details"]["status"], paused["details"]["next_run"]) == ("paused", None)
    assert api.post(path + "/pause")["message"] == "Task is already paused"
    assert api.post(path + "/resume")["details"]["next_run"] == task["next_run"]
    snoozed = api.post(path + "/snooze", {"delay_seconds": 604_800, "reason": "away"})["details"]
    assert snoozed["next_run"] == task["next_run"] < snoozed["snoozed_until"] <= snoozed["next_run_effective"]
    until = rfc3339(datetime.now(UTC).replace(microsecond=0) + timedelta(days=1))
    assert api.post(path + "/snooze", {"until": until})["details"]["snoozed_until"] == until
    assert api.get(path)["snooze_reason"] is None
    assert api.post(path + "/resume")["details"]["snoozed_until"] is None
    assert api.post(path + "/cancel")["details"]["status"] == "canceled"
    for action, body in (("pause", {}), ("resume", {}), ("snooze", {"delay_seconds": 5}), ("run_now", {})):
        refused = api.post(f"{path}/{action}", body, expect=409)
        assert refused["error"] == "conflict" and refused["details"]["status"] == "canceled"
    assert api.send("PATCH", path, json={"status": "active"}, expect=409).get_json()["error"] == "conflict"
    for action in ("pause", "resume", "cancel", "run_now"):
        api.post(f"/tasks/{STRANGER}/{action}", expect=404)


def test_actions_take_an_empty_body(api: Api) -> None:
    task = api.task(**DAILY)
    for action, status in (("pause", 200), ("resume", 200), ("run_now", 202), ("cancel", 200)):
        api.send("POST", f"/tasks/{task['id']}/{action}", expect=status)


def test_a_run_by_hand(api: Api) -> None:
    task = api.task()
    answer = api.post(f"/tasks/{task['id']}/run_now", {"params": {"name": "Ion"}}, expect=202)
    assert answer == {
        "success": True,
        "message": "Run queued",
        "run_id": answer["run_id"],
        "deduplicated": False,
        "details": {"task_id": task["id"], "run_id": answer["run_id"]},
    }
    assert api.work() == 1
    run = api.get(f"/runs/{answer['run_id']}")
    assert (run["status"], run["success"], run["trigger"]) == ("succeeded", True, "manual")
    assert run["steps"][0]["output"] == "Hello Ion"
    assert api.get(f"/tasks/{task['id']}")["last_run"] == run["started_at"]


def test_paused_and_completed_tasks_run_by_hand(api: Api) -> None:
    paused = api.task(**DAILY, status="paused")
    assert api.run(paused) and api.work() == 1


def test_one_key_gives_one_run(api: Api) -> None:
    task = api.task()
    path = f"/tasks/{task['id']}/run_now"
    first = api.post(path, {"params": {"a": 1}, "idempotency_key": "k"}, expect=202)
    again = api.post(path, {"params": {"a": 1}, "idempotency_key": "k"}, expect=202)
    assert first["run_id"] == again["run_id"]
    assert (first["deduplicated"], again["deduplicated"]) == (False, True)
    other = api.post(path, {"params": {"a": 2}, "idempotency_key": "k"}, expect=422)
    assert other["error"] == "unprocessable" and other["details"]["run_id"] == first["run_id"]
    # Another task's key is another key.
    assert not api.post(f"/tasks/{api.task()['id']}/run_now", {"idempotency_key": "k"}, expect=202)["deduplicated"]


def test_one_key_gives_one_run_to_many_at_once(api: Api) -> None:
    task = api.task()
    barrier, answers = Barrier(8), []

    def ask() -> None:
        barrier.wait()
        answers.append(api.post(f"/tasks/{task['id']}/run_now", {"idempotency_key": "k"}, expect=202))

    threads = [Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len({one["run_id"] for one in answers}) == 1
    assert sorted(one["deduplicated"] for one in answers) == [False] + [True] * 7
    assert api.get("/runs")["total"] == 1


def test_preview_stores_nothing(api: Api) -> None:
    body = {"title": "A task", **DAILY, "timezone": "Europe/Chisinau"}
    preview = api.send("POST", "/tasks?preview=true", expect=200, json=body).get_json()
    assert len(preview["next_occurrences"]) == 10
    assert preview["next_occurrences"][0]["nominal"] == preview["next_run"]
    assert preview["description_text"].startswith("Every day at 09:00")
    assert api.get("/tasks")["total"] == 0
    task = api.task(**DAILY)
    again = api.send("POST", "/tasks?preview=true", expect=200, json=body).get_json()
    assert any(task["id"] in one["hint"] for one in again["warnings"])
    changed = api.send("PATCH", f"/tasks/{task['id']}?preview=true", expect=200, json={"schedule_expr": "0 7 * * *"})
    assert changed.get_json()["description_text"] == "Every day at 07:00"
    api.send("PUT", f"/tasks/{task['id']}?preview=true", expect=200, json=body)
    assert api.get(f"/tasks/{task['id']}") == task
    api.send("POST", "/tasks?preview=true", expect=400, json={**body, "schedule_expr": "nonsense"})


def test_why_and_occurrences_before_anything_happened(api: Api) -> None:
    task = api.task(**DAILY)
    path = f"/tasks/{task['id']}"
    assert api.get(path + "/occurrences") == {"items": [], "total": 0, "limit": 50, "offset": 0, "has_more": False}
    why = api.get(f"{path}/why?at={task['next_run']}")
    assert why["nominal_at"] == task["next_run"] and why["answer"].startswith("Not yet") and why["occurrence"] is None
    assert api.get(f"{path}/why?at=2020-01-01T00:00:00+02:00")["at"] == "2019-12-31T22:00:00Z"
    api.get(f"/tasks/{STRANGER}/occurrences", expect=404)
    api.get(f"/tasks/{STRANGER}/why?at=2026-11-24T08:30:00Z", expect=404)


@pytest.mark.parametrize("at", ["1970-01-01T00:00:00Z", "8999-12-31T23:59:59Z"])
@pytest.mark.parametrize("kind", ["cron", "manual", "once", "rrule"])
def test_why_at_the_ends_of_time(api: Api, kind: str, at: str) -> None:
    exprs = {"cron": "0 9 * * *", "manual": None, "once": "2099-01-01T00:00:00Z", "rrule": "FREQ=DAILY;BYHOUR=9"}
    task = api.task(schedule_kind=kind, schedule_expr=exprs[kind])
    assert api.get(f"/tasks/{task['id']}/why?at={at}")["answer"]

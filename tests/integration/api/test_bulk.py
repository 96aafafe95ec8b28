"""Many runs at once, on both databases."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from unittest.mock import patch

import pytest

from app.services import bulk
from tests.integration.api.conftest import Api
from tests.integration.api.test_reruns import pipeline

DONE = {"dry_run": False}


def act(api: Api, action: str, where: dict[str, Any], **more: Any) -> Any:
    """`(matched, done, skipped, left)` of a bulk action."""
    answer = api.post("/runs/bulk", {"action": action, "filter": where, **more})
    assert answer["success"]
    details = answer["details"]
    return details["matched"], details["done"], details["skipped"], details["left"]


def statuses(api: Api, task: Any) -> list[str]:
    return [run["status"] for run in api.get(f"/runs?task_id={task['id']}")["items"]]


def test_a_dry_run_tells_and_does_nothing(api: Api) -> None:
    task = api.task()
    run = api.run(task)
    answer = api.post("/runs/bulk", {"action": "cancel", "filter": {"task_id": task["id"]}})
    assert answer["message"] == "1 run would be canceled"
    assert answer["details"]["sample"] == [
        {"run_id": run, "task_id": task["id"], "task_title": "A task", "status": "queued"}
    ]
    assert statuses(api, task) == ["queued"]


def test_cancelling_takes_batches_and_leaves_what_has_ended(api: Api) -> None:
    task = api.task()
    api.run(task)
    api.work()
    queued = [api.run(task) for _ in range(5)]
    other = api.run(api.task())
    with patch.object(bulk, "BATCH", 2):
        assert act(api, "cancel", {"task_id": task["id"]}, **DONE) == (6, 5, 1, 0)
    assert statuses(api, task) == ["canceled"] * 5 + ["succeeded"]
    assert act(api, "cancel", {"task_id": task["id"]}, **DONE) == (6, 0, 6, 0)
    assert api.get(f"/runs/{other}")["status"] == "queued"
    entries = api.get("/audit?action=run.canceled")["items"]
    assert {entry["target"] for entry in entries} == set(queued)
    (last, first) = api.get("/audit?action=run.bulk_cancel")["items"]
    assert first["after"] == {"filter": {"task_id": task["id"]}, "matched": 6, "done": 5}
    assert last["after"]["done"] == 0


def failed_runs(api: Api, count: int) -> Any:
    """A task with so many failed runs."""
    task = api.task(payload=pipeline())
    for _ in range(count):
        api.run(task)
    api.work()
    assert statuses(api, task) == ["failed"] * count
    return task


def test_what_failed_is_repeated_once_with_the_mended_pipeline(api: Api) -> None:
    task = failed_runs(api, 3)
    api.send("PATCH", f"/tasks/{task['id']}", expect=200, json={"payload": pipeline("mended")})
    where = {"status": ["failed"], "task_id": task["id"]}
    assert act(api, "rerun", where) == (3, 0, 0, 3)
    assert act(api, "rerun", where, definition="latest", **DONE) == (3, 3, 0, 0)
    assert act(api, "rerun", where, definition="latest", **DONE) == (3, 0, 3, 0)
    api.work()
    assert statuses(api, task) == ["succeeded"] * 3 + ["failed"] * 3
    parents = {run["parent_run_id"] for run in api.get("/runs?trigger=rerun")["items"]}
    assert parents == {run["id"] for run in api.get("/runs?status=failed")["items"]}
    assert len(api.get("/audit?action=run.rerun")["items"]) == 3


def test_two_calls_at_once_repeat_each_run_once(api: Api) -> None:
    task = failed_runs(api, 6)
    wish = {"action": "rerun", "filter": {"task_id": task["id"]}, **DONE}
    with patch.object(bulk, "BATCH", 1), ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda _: api.post("/runs/bulk", wish), range(2)))
    assert sum(answer["details"]["done"] for answer in answers) == 6
    assert api.get("/runs?trigger=rerun")["total"] == 6


def test_runs_of_a_canceled_task_are_skipped(api: Api) -> None:
    task = failed_runs(api, 1)
    api.post(f"/tasks/{task['id']}/cancel")
    assert act(api, "rerun", {"task_id": task["id"]}, **DONE) == (1, 0, 1, 0)


def test_a_call_does_no_more_than_it_may_and_says_what_is_left(api: Api) -> None:
    task = api.task()
    for _ in range(4):
        api.run(task)
    with patch.object(bulk, "BATCH", 2), patch.object(bulk, "MOST", 2):
        assert act(api, "cancel", {"task_id": task["id"]}, **DONE) == (4, 2, 0, 2)
        assert act(api, "cancel", {"task_id": task["id"]}, **DONE) == (4, 2, 2, 0)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"action": "cancel", "filter": {}}, "filter"),
        ({"action": "cancel", "filter": {"status": []}}, "filter"),
        ({"action": "cancel"}, "filter"),
        ({"action": "drop", "filter": {"success": False}}, "action"),
        ({"action": "rerun", "filter": {"status": ["late"]}}, "filter.status.0"),
        ({"action": "rerun", "filter": {"success": False}, "from": "second"}, "from"),
    ],
)
def test_what_is_refused(lasting: Api, body: dict[str, Any], field: str) -> None:
    assert lasting.post("/runs/bulk", body, expect=400)["details"]["field"] == field

"""`/tasks` over HTTP: statuses, headers, shapes."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from app.extension_host.host import ExtensionHost
from app.factory import create_app
from app.schemas.task_answers import TaskOut
from app.services.catalog import Services
from tests.fakes.extensions import no_extensions
from tests.fakes.http_app import FakeSettings
from tests.fakes.metrics import metrics_of
from tests.fakes.task_world import TaskWorld

DAILY: dict[str, Any] = {"title": "A task", "schedule_kind": "cron", "schedule_expr": "0 9 * * *"}
NOBODY = "019ab7d2-3c4e-7f10-8a2b-5d6e7f809a1b"


@dataclass(frozen=True)
class Web:
    """What the factory is given."""

    services: Services
    settings: FakeSettings = field(default_factory=lambda: FakeSettings(max_body_bytes=1_048_576))
    extensions: ExtensionHost = field(default_factory=no_extensions)


def make_client(world: TaskWorld) -> Any:
    """A client of the blueprints over a world."""
    nobody: Any = None
    services = Services(
        tasks=world.tasks,
        schedules=world.schedules,
        tools=world.tool_service,
        runs=nobody,
        holds=nobody,
        blobs=nobody,
        task_upserts=nobody,
        task_looks=nobody,
        agenda=nobody,
        processes=nobody,
        reruns=nobody,
        bulk=nobody,
        approvals=nobody,
        approval_links=nobody,
        grants=nobody,
        budgets=nobody,
        backfills=nobody,
        events=nobody,
        health=nobody,
        access=nobody,
        oauth=nobody,
        incidents=nobody,
        idempotency=nobody,
        hooks=nobody,
        webhooks=nobody,
        mcp=nobody,
        extension_work=nobody,
        metrics=metrics_of(),
    )
    return create_app(Web(services)).test_client()


@pytest.fixture
def world() -> TaskWorld:
    return TaskWorld()


@pytest.fixture
def client(world: TaskWorld) -> Any:
    return make_client(world)


def create(client: Any, **fields: Any) -> dict[str, Any]:
    answer = client.post("/tasks", json={**DAILY, **fields})
    assert answer.status_code == 201, answer.json
    body: dict[str, Any] = answer.json
    return body


def test_a_task_is_created_with_its_address_and_its_tag(client: Any) -> None:
    answer = client.post("/tasks", json=DAILY)
    body = answer.json
    assert answer.status_code == 201
    assert answer.headers["Location"] == f"/tasks/{body['id']}"
    assert answer.headers["ETag"].startswith('"1-')
    assert set(body) == set(TaskOut.model_fields)
    assert (body["next_run"], body["description_text"]) == ("2026-11-24T09:00:00Z", "Every day at 09:00")
    assert (body["created_by"], body["payload"]) == ("local", {"params": {}, "pipeline": []})
    assert client.get(answer.headers["Location"]).json == body


def test_every_problem_of_a_body_is_told_at_once(client: Any) -> None:
    body = {
        "titel": "x",
        "schedule_kind": "cron",
        "schedule_expr": "99 * * * *",
        "priority": True,
        "payload": {"pipeline": [{"uses": "no.such"}]},
    }
    answer = client.post("/tasks", json=body)
    fields = sorted(error["field"] for error in answer.json["details"]["errors"])
    assert answer.status_code == 400
    assert fields == ["payload.pipeline.0.uses", "priority", "schedule_expr", "titel", "title"]


def test_a_preview_shows_and_stores_nothing(client: Any, world: TaskWorld) -> None:
    answer = client.post("/tasks?preview=true", json=DAILY)
    assert answer.status_code == 200 and len(answer.json["next_occurrences"]) == 10
    assert answer.json["next_occurrences"][0] == {
        "nominal": "2026-11-24T09:00:00Z",
        "local": "2026-11-24T09:00:00+00:00",
        "note": None,
    }
    assert answer.json["warnings"][0]["pointer"] == "/payload/pipeline"
    assert not world.units.rows.tasks
    assert client.post("/tasks?preview=true", json={**DAILY, "schedule_expr": "0 0 30 2 *"}).status_code == 400
    task = create(client)
    changed = client.patch(f"/tasks/{task['id']}?preview=true", json={"title": "New"})
    assert changed.json["title"] == "New" and client.get(f"/tasks/{task['id']}").json["title"] == "A task"


def test_tasks_are_listed_and_narrowed(client: Any) -> None:
    one, two = create(client, title="Alpha", tags=["x"]), create(client, title="Beta", status="paused")
    # Ids made within one millisecond have no order of their own.
    older, newer = sorted([one, two], key=lambda task: str(task["id"]))
    page = client.get("/tasks").json
    assert page == {"items": [newer, older], "total": 2, "limit": 50, "offset": 0, "has_more": False}
    for query, expected in {
        "limit=1": [newer],
        "offset=1": [older],
        "status=paused,canceled": [two],
        "q=alp": [one],
        "tag=x": [one],
        "schedule_kind=rrule": [],
        "created_by=local&status=active": [one],
    }.items():
        assert client.get(f"/tasks?{query}").json["items"] == expected, query
    for query in ("limit=0", "limit=201", "offset=-1", "sort=title", "status=odd", "limit=1&limit=2"):
        assert client.get(f"/tasks?{query}").status_code == 400, query


def test_what_was_read_may_be_sent_back(client: Any) -> None:
    task = create(client, tags=["a"], max_runs=5)
    answer = client.put(f"/tasks/{task['id']}", json=task)
    assert (answer.status_code, answer.json) == (200, task)
    answer = client.put(f"/tasks/{task['id']}", json=DAILY)
    assert (answer.json["tags"], answer.json["max_runs"], answer.json["version"]) == ([], None, 2)


def test_entity_tags_guard_reads_and_writes(client: Any, world: TaskWorld) -> None:
    address = f"/tasks/{create(client)['id']}"
    tag = client.get(address).headers["ETag"]
    assert client.get(address, headers={"If-None-Match": tag}).status_code == 304
    for value, status in {'"9"': 412, '"x"': 412, '"-1"': 412, tag: 200, '"2"': 200, "*": 200}.items():
        answer = client.patch(address, json={"title": f"T{value}"}, headers={"If-Match": value})
        assert answer.status_code == status, value
    assert client.delete(address, headers={"If-Match": tag}).status_code == 412
    assert client.post(f"{address}/pause", headers={"If-Match": tag}).status_code == 412
    assert client.delete(address).status_code == 204
    assert client.get(address).status_code == 404


def test_a_tag_changes_when_beat_moves_the_task_on(client: Any, world: TaskWorld) -> None:
    address = f"/tasks/{create(client)['id']}"
    tag = client.get(address).headers["ETag"]
    with world.units() as unit:
        (task,) = world.units.rows.tasks.values()
        assert task.next_run_at is not None
        unit.tasks.advance([replace(task, next_run_at=task.next_run_at + timedelta(days=1))])
    assert client.get(address, headers={"If-None-Match": tag}).status_code == 200
    assert client.patch(address, json={"title": "New"}, headers={"If-Match": tag}).status_code == 200


@pytest.mark.parametrize(
    ("action", "body", "message", "status"),
    [
        ("pause", None, "Task paused", "paused"),
        ("resume", {}, "Task is already active", "active"),
        ("cancel", None, "Task canceled", "canceled"),
        ("snooze", {"delay_seconds": 60}, "Task snoozed until 2026-11-24T08:01:00Z", "active"),
        (
            "snooze",
            {"until": "2026-11-24T10:00:00Z", "reason": "x"},
            "Task snoozed until 2026-11-24T10:00:00Z",
            "active",
        ),
    ],
)
def test_a_task_is_steered(client: Any, action: str, body: Any, message: str, status: str) -> None:
    task = create(client)
    answer = client.post(f"/tasks/{task['id']}/{action}", **({} if body is None else {"json": body}))
    assert (answer.status_code, answer.json["success"], answer.json["message"]) == (200, True, message)
    assert (answer.json["details"]["task_id"], answer.json["details"]["status"]) == (task["id"], status)


def test_a_run_by_hand_is_accepted(client: Any) -> None:
    task = create(client)
    address = f"/tasks/{task['id']}/run_now"
    first = client.post(address, json={"params": {"a": 1}, "idempotency_key": "k"})
    assert first.status_code == 202
    run_id = first.json["run_id"]
    assert first.json == {
        "success": True,
        "message": "Run queued",
        "run_id": run_id,
        "deduplicated": False,
        "details": {"task_id": task["id"], "run_id": run_id},
    }
    again = client.post(address, json={"params": {"a": 1}, "idempotency_key": "k"})
    assert (again.status_code, again.json["run_id"], again.json["deduplicated"]) == (202, run_id, True)
    assert client.post(address, json={"idempotency_key": "k"}).status_code == 422
    assert client.post(address).json["deduplicated"] is False


@pytest.mark.parametrize(
    ("path", "body", "status", "name"),
    [
        ("run_now", {"params": []}, 400, "params"),
        ("run_now", {"param": {}}, 400, "param"),
        ("snooze", {}, 400, "delay_seconds"),
        ("snooze", {"until": "2026-11-24T07:00:00Z"}, 400, "until"),
        ("snooze", {"delay_seconds": 604_801}, 400, "delay_seconds"),
        ("pause", {"reason": "x"}, 400, "reason"),
    ],
)
def test_what_cannot_be_done_names_its_field(client: Any, path: str, body: Any, status: int, name: str) -> None:
    answer = client.post(f"/tasks/{create(client)['id']}/{path}", json=body)
    assert (answer.status_code, answer.json["details"]["field"]) == (status, name)


def test_a_canceled_task_conflicts(client: Any) -> None:
    address = f"/tasks/{create(client)['id']}"
    client.post(f"{address}/cancel")
    for path in ("run_now", "pause", "resume", "snooze"):
        answer = client.post(f"{address}/{path}", json={"delay_seconds": 60} if path == "snooze" else {})
        assert (answer.status_code, answer.json["error"]) == (409, "conflict"), path
    assert client.patch(address, json={"status": "active"}).status_code == 409


@pytest.mark.parametrize("task_id", [NOBODY, "7", "not-a-uuid", f"{NOBODY}x"])
def test_a_task_that_is_not_there_is_a_404_in_shape(client: Any, task_id: str) -> None:
    for method, path in [
        ("GET", ""),
        ("DELETE", ""),
        ("PATCH", ""),
        ("POST", "/pause"),
        ("POST", "/run_now"),
        ("GET", "/occurrences"),
        ("GET", "/why?at=2026-11-24T08:30:00Z"),
    ]:
        answer = client.open(f"/tasks/{task_id}{path}", method=method, json=None if method == "GET" else {})
        assert (answer.status_code, answer.json["error"]) == (404, "not_found"), (method, path)


def test_occurrences_and_their_reasons(client: Any) -> None:
    address = f"/tasks/{create(client)['id']}"
    page = client.get(f"{address}/occurrences").json
    assert page == {"items": [], "total": 0, "limit": 50, "offset": 0, "has_more": False}
    why = client.get(f"{address}/why?at=2026-11-25T11:00:00%2B02:00").json
    assert (why["at"], why["nominal_at"], why["occurrence"]) == (
        "2026-11-25T09:00:00Z",
        "2026-11-25T09:00:00Z",
        None,
    )
    assert why["answer"].startswith("Not yet")
    assert client.get(f"{address}/why").json["details"]["field"] == "at"

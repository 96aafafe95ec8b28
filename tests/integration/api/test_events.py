"""Events over HTTP: published, read, listened to, and what they start."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any, cast

import pytest

from app.http.services import EXTENSION
from app.services.catalog import Services
from tests.integration.api.conftest import Api
from tests.servers import wait_for

SAY: dict[str, Any] = {
    "payload": {"pipeline": [{"id": "say", "uses": "data.set", "with": {"value": "${event.payload.order}"}}]}
}


def published(api: Api, topic: str, **payload: Any) -> Any:
    """The details of an event that was published."""
    return api.post("/events", {"topic": topic, "payload": payload}, expect=202)["details"]


@contextmanager
def listening(api: Api, path: str = "/events/stream", **headers: str) -> Iterator[Iterator[str]]:
    """The frames of a stream, as they come."""
    answer = api.client.get(path, headers=headers, buffered=False)
    assert answer.status_code == 200, answer.get_data(as_text=True)
    with closing(answer):
        chunks = (chunk if isinstance(chunk, str) else chunk.decode() for chunk in answer.response)
        frames = (part for chunk in chunks for part in chunk.split("\n\n") if part)
        assert next(frames).startswith(": ok")
        yield frames
    hub: Any = cast(Any, services_of(api).events)._listen.__self__
    wait_for(lambda: hub.idle, what="the hub to come to rest")


def services_of(api: Api) -> Services:
    """The services of the application."""
    return cast(Services, api.app.extensions[EXTENSION])


def data(frame: str) -> Any:
    """What a frame carries."""
    return json.loads(frame.rpartition("data: ")[2])


def test_an_event_is_stored_and_read_again(api: Api) -> None:
    answer = api.post(
        "/events", {"topic": "shop.order", "payload": {"order": 1}, "source_agent_id": "shop"}, expect=202
    )
    details = answer["details"]
    assert (answer["success"], answer["message"]) == (True, "Event published")
    assert details["event_id"] == details["stream_id"] and details["topic"] == "shop.order"
    assert details["triggered_tasks"] == []
    (item,) = api.get("/events/stream/recent")["items"]
    assert item == {
        "id": details["event_id"],
        "topic": "shop.order",
        "payload": {"order": 1},
        "source_agent_id": "shop",
        "published_at": details["published_at"],
        "depth": 0,
    }
    (topic,) = api.get("/events/topics")["items"]
    assert topic["topic"] == "shop.order" and topic["events"] == 1 and topic["last_event_id"] == details["event_id"]


def test_an_event_task_runs_once_for_each_event_that_is_for_it(api: Api) -> None:
    task = api.task(schedule_kind="event", schedule_expr="shop.*, !shop.refund", overlap="allow", **SAY)
    assert task["description_text"] == "On every event of shop.*, but not shop.refund"
    for topic, triggered in (("shop.order", True), ("shop.refund", False), ("shop.a.b", False), ("shop.paid", True)):
        assert published(api, topic, order=topic)["triggered_tasks"] == [task["id"]] * triggered
    assert api.work() == 2
    runs = api.get(f"/runs?task_id={task['id']}")["items"]
    assert [run["output"] for run in runs] == ["shop.paid", "shop.order"]
    assert {run["trigger"] for run in runs} == {"event"}
    assert runs[0]["event"]["topic"] == "shop.paid" and runs[0]["event"]["payload"] == {"order": "shop.paid"}
    assert [one["outcome"] for one in api.get(f"/tasks/{task['id']}/occurrences")["items"]] == ["fired"] * 2


def test_a_stream_goes_on_where_it_was_cut(api: Api) -> None:
    first, second = published(api, "a.b", n=1), published(api, "a.c", n=2)
    with listening(api, "/events/stream?topic=a.*", **{"Last-Event-ID": first["event_id"]}) as frames:
        frame = next(frames)
        assert frame.startswith(f"id: {second['event_id']}\n") and data(frame)["payload"] == {"n": 2}
        published(api, "other", n=3)
        third = published(api, "a.d", n=4)
        assert next(frames).startswith(f"id: {third['event_id']}\n")


def test_a_new_listener_hears_what_comes_after_it_was_told_ok(api: Api) -> None:
    published(api, "a.b", n=1)
    with listening(api) as frames:
        published(api, "a.b", n=2)
        assert data(next(frames))["payload"] == {"n": 2}


def test_a_reader_of_deleted_history_is_told_of_the_gap(api: Api) -> None:
    first = published(api, "a.b", n=1)
    published(api, "a.b", n=2)
    assert (
        api.send("DELETE", "/events/stream/cleanup?max_age_hours=0", expect=200).get_json()["details"]["deleted"] == 2
    )
    third = published(api, "a.b", n=3)
    with listening(api, "/events/stream", **{"Last-Event-ID": first["event_id"]}) as frames:
        gap = next(frames)
        assert gap.startswith("event: gap\n") and data(gap)["reason"] == "trimmed"
        assert next(frames).startswith(f"id: {third['event_id']}\n")


@pytest.mark.parametrize(
    ("fields", "issue"),
    [
        ({"schedule_kind": "event", "schedule_expr": "shop..x"}, "not a pattern"),
        ({"schedule_kind": "event", "schedule_expr": "!shop"}, "only takes topics out"),
        ({"schedule_kind": "event"}, "is required"),
        ({"schedule_kind": "condition", "schedule_expr": "payload.("}, "not a condition"),
        ({"schedule_kind": "condition", "schedule_expr": "params.x"}, "not 'params'"),
    ],
)
def test_a_pattern_or_condition_that_is_none_is_refused(api: Api, fields: Any, issue: str) -> None:
    refused = api.post("/tasks", {"title": "x", **SAY, **fields}, expect=400)
    (error,) = refused["details"]["errors"]
    assert error["pointer"] == "/schedule_expr" and issue in error["issue"]


@pytest.mark.parametrize("topic", ["", "a..b", "a b", "a.*", "run.started", "task.created", "ä", "x" * 201])
def test_a_topic_that_is_none_is_refused(api: Api, topic: str) -> None:
    refused = api.post("/events", {"topic": topic}, expect=400)
    assert refused["details"]["errors"][0]["pointer"] == "/topic"


def test_a_task_that_publishes_what_starts_it_comes_to_an_end(api: Api) -> None:
    step = {"id": "again", "uses": "events.publish", "with": {"topic": "loop", "payload": "${event.payload}"}}
    task = api.task(schedule_kind="event", schedule_expr="loop", overlap="allow", payload={"pipeline": [step]})
    published(api, "loop", n=1)
    assert sum(iter(api.work, 0)) == 8
    runs = api.get(f"/runs?task_id={task['id']}")["items"]
    assert [run["event"]["depth"] for run in runs] == list(range(7, -1, -1))
    assert {run["status"] for run in runs} == {"succeeded"} and runs[0]["output"]["triggered_tasks"] == []
    newest, *others = api.get(f"/tasks/{task['id']}/occurrences")["items"]
    assert newest["outcome"] == "dropped_limit" and newest["run_id"] is None and "8 times" in newest["reason"]
    assert {one["outcome"] for one in others} == {"fired"}
    assert "limit was reached" in api.get(f"/tasks/{task['id']}/why?at={newest['nominal_at']}")["answer"]


def test_what_happens_to_tasks_and_runs_starts_the_tasks_that_name_it(api: Api) -> None:
    watcher = api.task(schedule_kind="event", schedule_expr="task.*, run.failed", overlap="allow", title="Watcher")
    failing = {"pipeline": [{"id": "no", "uses": "data.transform", "with": {"expression": "abs(@)", "data": "x"}}]}
    other = api.task(title="Other", payload=failing, max_retries=0)
    api.post(f"/tasks/{other['id']}/pause")
    api.run(other)
    while api.work():
        pass
    events = [run["event"] for run in api.get(f"/runs?task_id={watcher['id']}")["items"]]
    assert [event["topic"] for event in events] == ["run.failed", "task.paused", "task.created"]
    assert {event["payload"]["task_id"] for event in events} == {other["id"]}
    assert events[0]["payload"]["error"]["step_id"] == "no" and {event["source"] for event in events} == {"ordinaut"}


def test_event_tasks_are_shown_before_they_are_saved(api: Api) -> None:
    fields = {"title": "x", "schedule_kind": "condition", "schedule_expr": "payload.total > 100", **SAY}
    shown = api.post("/tasks?preview=true", fields, expect=200)
    assert shown["description_text"] == "On every event for which payload.total > 100 holds"
    assert (shown["next_run"], shown["next_occurrences"]) == (None, [])
    schedule = api.post("/schedules/preview", {"schedule_kind": "event", "schedule_expr": "a.*, b.**"})
    assert schedule == {"description": "On every event of a.* or b.**", "occurrences": []}


def test_an_event_task_is_paused_snoozed_and_resumed_like_any_other(api: Api) -> None:
    task = api.task(schedule_kind="event", schedule_expr="a", overlap="allow", **SAY)
    for step, fires in (("pause", False), ("resume", True), ("snooze", False), ("resume", True), ("cancel", False)):
        api.post(f"/tasks/{task['id']}/{step}", {"delay_seconds": 60} if step == "snooze" else {})
        assert bool(published(api, "a", order=1)["triggered_tasks"]) is fires, step
    outcomes = [one["outcome"] for one in api.get(f"/tasks/{task['id']}/occurrences")["items"]]
    assert outcomes == ["fired", "skipped_snooze", "fired"]


def test_a_key_stands_for_one_event(api: Api) -> None:
    task = api.task(schedule_kind="event", schedule_expr="a", **SAY)
    headers, body = {"Idempotency-Key": "k1"}, {"topic": "a", "payload": {"order": 1}}
    first = api.post("/events", body, expect=202, headers=headers)
    assert api.post("/events", body, expect=202, headers=headers) == first
    assert first["details"]["triggered_tasks"] == [task["id"]]
    refused = api.post("/events", {**body, "payload": {"order": 2}}, expect=422, headers=headers)
    assert refused["details"]["field"] == "Idempotency-Key"
    assert len(api.get("/events/stream/recent")["items"]) == 1

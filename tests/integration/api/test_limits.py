"""Limits through the API: fields, refusals, and runs that wait for their turn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from app.bootstrap import work
from app.queueing.broker import make_celery
from tests.integration.api.conftest import DEAD_REDIS, Api

NAP: dict[str, Any] = {
    "pipeline": [
        {"id": "nap", "uses": "flow.wait_event", "with": {"topic": "wake.up", "timeout_seconds": 3600}},
    ]
}


@pytest.fixture
def beat(api: Api) -> Callable[[], float]:
    """A tick of beat."""
    return work.WorkerParts(api.settings, make_celery(DEAD_REDIS)).beat()


def statuses(api: Api, task: Any) -> list[str]:
    """Of the task's runs, oldest first."""
    return [run["status"] for run in reversed(api.get(f"/runs?task_id={task['id']}")["items"])]


def wake(api: Api) -> None:
    """End the naps."""
    api.post("/events", {"topic": "wake.up", "payload": {}}, expect=202)


def test_the_fields_are_kept_and_answered(api: Api) -> None:
    fields = {
        "overlap": "queue_all",
        "concurrency_key": "api-${params.name}",
        "concurrency_limit": 3,
        "dedupe_key": "${event.payload.order}",
        "dedupe_window_seconds": 60,
        "debounce_seconds": 5,
        "debounce_max_wait_seconds": 30,
    }
    task = api.task(schedule_kind="event", schedule_expr="shop.paid", **fields)
    shown = api.get(f"/tasks/{task['id']}")
    assert {name: shown[name] for name in fields} == fields
    cleared = api.send("PATCH", f"/tasks/{task['id']}", json=dict.fromkeys([*fields][3:])).get_json()
    assert [cleared[name] for name in [*fields][3:]] == [None] * 4


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"overlap": "queue_some"}, "overlap"),
        ({"concurrency_key": "${steps.a}"}, "concurrency_key"),
        ({"concurrency_key": ""}, "concurrency_key"),
        ({"concurrency_limit": 0}, "concurrency_limit"),
        ({"concurrency_limit": 1001}, "concurrency_limit"),
        ({"dedupe_key": "a"}, "dedupe_window_seconds"),
        ({"debounce_seconds": 5}, "debounce_seconds"),
    ],
)
def test_what_makes_no_limit_is_refused_by_name(api: Api, fields: dict[str, Any], field: str) -> None:
    answer = api.post("/tasks", {"title": "A", "schedule_kind": "manual", **fields}, expect=400)
    assert [one["field"] for one in answer["details"]["errors"]] == [field]


def test_runs_with_a_key_wait_for_their_turn(api: Api) -> None:
    first, second = (api.task(concurrency_key="bucket-${params.name}") for _ in range(2))
    for task in (first, second, second):
        api.run(task)
    assert api.work() == 3
    assert statuses(api, second) == ["succeeded", "succeeded"]


def test_a_key_that_the_params_cannot_fill_in_is_told(api: Api) -> None:
    task = api.task(concurrency_key="${event.payload.user}")
    answer = api.post(f"/tasks/{task['id']}/run_now", {}, expect=422)
    assert answer["message"].startswith("'concurrency_key' cannot be filled in")


def test_an_event_without_the_key_leaves_a_row(api: Api) -> None:
    limits = {"concurrency_key": "${event.payload.user}", "overlap": "allow"}
    task = api.task(schedule_kind="event", schedule_expr="shop.paid", **limits)
    api.post("/events", {"topic": "shop.paid", "payload": {"user": "ana"}}, expect=202)
    api.post("/events", {"topic": "shop.paid", "payload": {}}, expect=202)
    refused, fired = api.get(f"/tasks/{task['id']}/occurrences")["items"]
    assert (fired["outcome"], refused["outcome"], refused["run_id"]) == ("fired", "dropped_limit", None)
    assert refused["reason"].startswith("'concurrency_key' cannot be filled in")


def test_a_run_with_the_key_of_an_earlier_one_is_that_one(api: Api) -> None:
    task = api.task(dedupe_key="${params.day}", dedupe_window_seconds=60)
    asked = [
        api.post(f"/tasks/{task['id']}/run_now", {"params": {"day": day}}, expect=202) for day in ("mon", "tue", "mon")
    ]
    assert [one["deduplicated"] for one in asked] == [False, False, True]
    assert asked[2]["run_id"] == asked[0]["run_id"]
    assert len(api.get(f"/runs?task_id={task['id']}")["items"]) == 2


def test_a_burst_is_told_in_words(api: Api) -> None:
    task = api.task(schedule_kind="event", schedule_expr="shop.paid", debounce_seconds=60)
    for _ in range(2):
        details = api.post("/events", {"topic": "shop.paid", "payload": {}}, expect=202)["details"]
        assert details["triggered_tasks"] == []
    (record,) = api.get(f"/tasks/{task['id']}/occurrences")["items"]
    assert record["outcome"] == "deduped"
    why = api.get(f"/tasks/{task['id']}/why?at={record['nominal_at']}")["answer"]
    assert why.endswith("another one stands for it: A later event of the same burst stands for it.")


@pytest.mark.parametrize(
    ("overlap", "made", "skipped"), [("skip", 1, 2), ("queue_one", 2, 1), ("queue_all", 3, 0), ("allow", 3, 0)]
)
def test_events_that_come_while_a_run_goes_on(api: Api, overlap: str, made: int, skipped: int) -> None:
    task = api.task(schedule_kind="event", schedule_expr="tick", payload=NAP, overlap=overlap)
    for _ in range(3):
        api.post("/events", {"topic": "tick", "payload": {}}, expect=202)
    outcomes = [one["outcome"] for one in api.get(f"/tasks/{task['id']}/occurrences")["items"]]
    assert (outcomes.count("fired"), outcomes.count("skipped_overlap")) == (made, skipped)
    api.work()
    at_work = statuses(api, task).count("waiting")
    assert at_work == (3 if overlap == "allow" else 1)


def test_runs_by_hand_of_a_task_in_line_go_one_after_the_other(api: Api) -> None:
    task = api.task(payload=NAP, overlap="queue_one")
    for _ in range(3):
        api.run(task)
    for ended in range(3):
        api.work()
        assert statuses(api, task) == ["succeeded"] * ended + ["waiting"] + ["queued"] * (2 - ended)
        wake(api)
    api.work()
    assert statuses(api, task) == ["succeeded"] * 3


def test_a_newer_run_takes_the_place_of_those_before_it(api: Api, beat: Callable[[], float]) -> None:
    task = api.task(payload=NAP, overlap="cancel_running")
    api.run(task)
    api.work()
    api.run(task)
    api.run(task)
    assert statuses(api, task) == ["waiting", "queued", "queued"]
    beat()
    api.work()
    assert statuses(api, task) == ["canceled", "canceled", "waiting"]

"""What is expected of tasks, and their incidents, over HTTP on both databases."""

from __future__ import annotations

from typing import Any

import pytest

from app.http.services import EXTENSION
from tests.integration.api.conftest import PIPELINE, Api
from tests.servers import wait_for

STRANGER = "019ab7d2-3c4e-7f10-8a2b-5d6e7f809a1b"


def judged(api: Api, query: str = "") -> Any:
    api.app.extensions[EXTENSION].incidents.judge()
    return api.get(f"/incidents{query}")


def late_task(api: Api) -> Any:
    """A task with a run that nobody begins, and an open incident."""
    task = api.task(expect={"start_within": 1})
    api.run(task)
    wait_for(lambda: judged(api, f"?task_id={task['id']}")["total"], what="the incident")
    return task


def test_expectations_are_read_in_any_form_and_shown_in_seconds(api: Api) -> None:
    task = api.task(expect={"start_within": "15m", "finish_within": "PT1H30M", "no_success_for": 86_400})
    seconds = {"start_within": 900, "finish_within": 5400, "no_success_for": 86_400}
    assert task["expect"] == api.get(f"/tasks/{task['id']}")["expect"] == seconds
    sent_back = api.send("PUT", f"/tasks/{task['id']}", json=task, expect=200).get_json()
    assert (sent_back["expect"], sent_back["version"]) == (seconds, 1)
    path = f"/tasks/{task['id']}"
    assert api.send("PATCH", path, json={"expect": None}, expect=200).get_json()["expect"] is None


@pytest.mark.parametrize(
    ("expect", "fields"),
    [
        ({}, ["expect"]),
        ({"start_within": "soon"}, ["expect.start_within"]),
        ({"start_within": 0, "finish_within": "367d"}, ["expect.start_within", "expect.finish_within"]),
        ({"within": 5}, ["expect.within"]),
        (5, ["expect"]),
    ],
)
def test_what_cannot_be_expected_is_refused(lasting: Api, expect: Any, fields: list[str]) -> None:
    body = {"title": "A task", "schedule_kind": "manual", "payload": PIPELINE, "expect": expect}
    answer = lasting.post("/tasks", body, expect=400)
    assert [one["field"] for one in answer["details"]["errors"]] == fields


def test_an_incident_from_its_opening_to_its_end(api: Api) -> None:
    task = late_task(api)
    (incident,) = judged(api, "?open=true&kind=start_within")["items"]
    assert incident["open"] and incident["task"] == {"id": task["id"], "title": "A task"}
    assert (incident["limit_seconds"], incident["resolution"]) == (1, None)
    assert api.get(f"/incidents/{incident['id']}") == incident
    assert api.get(f"/runs/{incident['run_id']}")["task_id"] == task["id"]
    path = f"/incidents/{incident['id']}/acknowledge"
    seen = api.post(path, {"note": "The worker is away"})
    assert (seen["acknowledged_by"], seen["note"]) == ("local", "The worker is away")
    api.work()
    (ended,) = judged(api, "?open=false")["items"]
    assert (ended["open"], ended["resolution"], ended["note"]) == (False, "recovered", "The worker is away")
    actions = [row["action"] for row in api.get(f"/audit?target={incident['id']}")["items"]]
    assert actions == ["incident.resolved", "incident.acknowledged", "incident.opened"]


def test_a_pause_ends_it_and_a_resumption_begins_anew(api: Api) -> None:
    task = late_task(api)
    api.post(f"/tasks/{task['id']}/pause")
    (incident,) = judged(api)["items"]
    assert incident["resolution"] == "not_watched"
    api.post(f"/tasks/{task['id']}/resume")
    wait_for(lambda: judged(api, "?open=true")["total"] == 1, what="another incident")


def test_filters(api: Api) -> None:
    task = late_task(api)
    for query, total in (
        (f"?task_id={task['id']}", 1),
        (f"?task_id={STRANGER}", 0),
        ("?kind=no_success_for", 0),
        ("?open=false", 0),
        ("?limit=1&offset=1", 1),
    ):
        assert api.get(f"/incidents{query}")["total"] == total, query


def test_one_that_is_not_there(lasting: Api) -> None:
    lasting.get(f"/incidents/{STRANGER}", expect=404)
    lasting.post(f"/incidents/{STRANGER}/acknowledge", expect=404)
    lasting.get("/incidents?kind=late", expect=400)


def test_tools_set_expectations_and_list_incidents(api: Api) -> None:
    given = {"title": "By a tool", "schedule": "manual", "payload": PIPELINE, "expect": {"start_within": "1s"}}
    made = api.post("/tools/create_task/invoke", {"arguments": given})["output"]
    assert api.get(f"/tasks/{made['task_id']}")["expect"] == {"start_within": 1}
    api.run({"id": made["task_id"]})
    wait_for(lambda: judged(api)["total"], what="the incident")
    (line,) = api.post("/tools/list_incidents/invoke", {"arguments": {"open": True}})["output"]["incidents"]
    assert (line["task_id"], line["kind"], line["task_title"]) == (made["task_id"], "start_within", "By a tool")
    wrong = {**given, "expect": {"start_within": "soon"}}
    assert "start_within" in str(api.post("/tools/create_task/invoke", {"arguments": wrong}, expect=422))


def test_the_metric_counts_the_open_ones(api: Api) -> None:
    late_task(api)
    with api.send("GET", "/ext/observability/metrics", expect=200) as answer:
        assert "\nordinaut_incidents_open 1" in answer.get_data(as_text=True)

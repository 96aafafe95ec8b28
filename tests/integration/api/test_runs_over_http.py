"""Runs over HTTP, on both databases: lists, one run, its journal, waiting, watching, cancelling, counting."""

from __future__ import annotations

import json
from threading import Thread
from typing import Any

from tests.integration.api.conftest import Api
from tests.servers import wait_for

STRANGER = "00000000-0000-7000-8000-000000000000"
FAILING: dict[str, Any] = {
    "pipeline": [
        {"id": "first", "uses": "data.set", "with": {"value": [1, "ă", None, 2.5, True]}},
        {"id": "second", "uses": "data.transform", "with": {"expression": "no_such.path", "data": {}}, "if": "`false`"},
        {"id": "third", "uses": "data.set", "with": {"value": "${steps.first.nothing}"}},
    ]
}


def done(api: Api, **fields: Any) -> Any:
    """A run of a new task, worked off."""
    run_id = api.run(api.task(**fields))
    assert api.work() >= 1
    return api.get(f"/runs/{run_id}")


def test_a_run_with_its_steps_and_logs(api: Api) -> None:
    run = done(api, priority=2, max_retries=1, title="Greeting")
    assert (run["status"], run["attempt"], run["max_attempts"], run["priority"]) == ("succeeded", 1, 2, 2)
    assert (run["task_title"], run["error"], run["lease_owner"], run["leased_until"]) == ("Greeting", None, None, None)
    assert run["scheduled_for"] <= run["started_at"] <= run["finished_at"]
    greet, note = run["steps"]
    assert (greet["id"], greet["uses"], greet["status"]) == ("greet", "data.set", "succeeded")
    assert greet["input"] == {"value": "Hello Ana"}
    assert greet["output"] == "Hello Ana" and note["status"] == "succeeded"
    assert [one["attempt"] for one in greet["attempts"]] == [1]
    assert api.get(f"/runs/{run['id']}/steps") == {"steps": run["steps"]}
    logs = api.get(f"/runs/{run['id']}/logs")
    assert [(one["level"], one["message"], one["step_id"]) for one in logs["items"]] == [("info", "Hello Ana", "note")]
    assert api.get(f"/runs/{run['id']}/logs?offset=1")["items"] == []


def test_a_failed_run_says_where_and_why(api: Api) -> None:
    run = done(api, payload=FAILING, max_retries=0)
    assert (run["status"], run["success"], run["error"]["step_id"]) == ("failed", False, "third")
    assert "steps.first.nothing" in run["error"]["message"]
    assert [step["status"] for step in run["steps"]] == ["succeeded", "skipped", "failed"]
    assert run["steps"][0]["output"] == [1, "ă", None, 2.5, True]
    (listed,) = api.get("/runs?include_errors=false")["items"]
    assert listed["error"] is None
    assert api.get("/runs")["items"][0]["error"] == run["error"]


def test_a_failed_run_waits_for_its_retry(api: Api) -> None:
    run = done(api, payload=FAILING, max_retries=1, backoff_strategy="fixed", backoff_seconds=3600)
    if run["status"] == "queued":
        assert run["attempt"] == 1 and run["available_at"] > run["scheduled_for"]
    else:
        # A mistake in an expression is not mended by trying again.
        assert (run["status"], run["attempt"]) == ("failed", 1)


def test_lists_and_filters(api: Api) -> None:
    good, bad = api.task(), api.task(payload=FAILING, max_retries=0)
    ended = [api.run(good), api.run(bad)]
    api.work()
    queued = api.run(good)
    whole = api.get("/runs")
    assert [one["id"] for one in whole["items"]] == [queued, *reversed(ended)] and whole["total"] == 3
    assert "steps" not in whole["items"][0]
    moment = api.get(f"/runs/{queued}")["scheduled_for"]
    counts = {
        "status=queued": 1,
        "status=queued,failed": 2,
        "status=queued&status=queued": 1,
        "success=true": 1,
        "success=false": 1,
        "trigger=manual": 3,
        "trigger=schedule": 0,
        f"task_id={good['id']}": 2,
        f"task_id={good['id']}&status=succeeded": 1,
        "task_id=nobody": 0,
        f"start_time={moment}": 1,
        f"end_time={moment}": 2,
        "start_time=2020-01-01T00:00:00%2B02:00&end_time=2020-01-02T00:00:00Z": 0,
        "limit=1": 3,
        "offset=3": 3,
    }
    assert {query: api.get(f"/runs?{query}")["total"] for query in counts} == counts
    assert len(api.get("/runs?limit=1&offset=1")["items"]) == 1 and api.get("/runs?limit=1&offset=1")["has_more"]


def test_latest_and_statistics(api: Api) -> None:
    task = api.task()
    path = f"/runs/task/{task['id']}"
    assert api.get(path + "/latest", expect=404)["message"] == "This task has no runs yet"
    empty = api.get(path + "/stats")
    assert (empty["total"], empty["success_rate"], empty["duration_avg"]) == (0, None, None)
    runs = [api.run(task) for _ in range(3)]
    api.work()
    waiting = api.run(task)
    done(api, payload=FAILING, max_retries=0)
    assert api.get(path + "/latest")["id"] == waiting
    assert runs
    api.post(f"/runs/{api.run(task)}/cancel", expect=202)
    stats = api.get(path + "/stats?days=1")
    assert (stats["task_id"], stats["days"], stats["success_rate"]) == (task["id"], 1, 1.0)
    summary = api.get("/runs/stats/summary?days=365")
    assert summary["task_id"] is None and summary["by_status"]["failed"] == 1
    assert sum(summary["by_status"].values()) == summary["total"] == 6
    assert 0 <= summary["duration_p50"] <= summary["duration_p95"] <= summary["duration_max"]
    assert 0 < summary["success_rate"] < 1
    api.get(f"/runs/task/{STRANGER}/latest", expect=404)
    api.get(f"/runs/task/{STRANGER}/stats", expect=404)


def test_cancelling_a_queued_run(api: Api) -> None:
    run_id = api.run(api.task())
    answer = api.post(f"/runs/{run_id}/cancel", expect=202)
    assert answer == {"success": True, "message": "Run canceled", "details": {"run_id": run_id, "status": "canceled"}}
    run = api.get(f"/runs/{run_id}")
    assert (run["status"], run["success"], run["attempt"]) == ("canceled", None, 0) and run["finished_at"]
    again = api.post(f"/runs/{run_id}/cancel", expect=409)
    assert again["error"] == "conflict" and again["details"]["status"] == "canceled"
    assert api.work() == 0
    api.post(f"/runs/{STRANGER}/cancel", expect=404)


def test_cancelling_an_ended_run(api: Api) -> None:
    run = done(api)
    assert api.post(f"/runs/{run['id']}/cancel", expect=409)["details"]["status"] == "succeeded"


def test_waiting(api: Api) -> None:
    run_id = api.run(api.task())
    waited = api.get(f"/runs/{run_id}/wait?timeout=0")
    assert (waited["status"], waited["timed_out"]) == ("queued", True)
    answers: list[Any] = []
    waiter = Thread(target=lambda: answers.append(api.get(f"/runs/{run_id}/wait?timeout=50")))
    waiter.start()
    api.work()
    waiter.join(30)
    assert (answers[0]["status"], answers[0]["timed_out"]) == ("succeeded", False)
    assert not api.get(f"/runs/{run_id}/wait")["timed_out"]
    api.get(f"/runs/{STRANGER}/wait", expect=404)


def events(text: str) -> list[tuple[str | None, str, Any]]:
    """`(id, event, data)` of each event of a stream."""
    found = []
    for block in text.split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.split("\n") if not line.startswith(":") and ": " in line)
        if "event" in lines:
            found.append((lines.get("id"), lines["event"], json.loads(lines["data"])))
    return found


def test_the_stream_of_an_ended_run(api: Api) -> None:
    run = done(api)
    answer = api.send("GET", f"/runs/{run['id']}/stream", expect=200)
    assert answer.headers["Content-Type"] == "text/event-stream; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-store"
    text = answer.get_data(as_text=True)
    assert text.startswith(": ok\nretry: 2000\n\n")
    told = events(text)
    assert [number for number, *_ in told] == [str(n) for n in range(len(told) - 1)] + [None]
    assert told[0][1:] == ("state", {"number": 0, "at": run["created_at"], "status": "queued", "attempt": 0})
    assert told[-1] == (None, "end", {"status": "succeeded"})
    assert {event for _, event, _ in told} == {"state", "step", "log", "end"}
    for after in (0, 1, 3, len(told) - 2, 10_000):
        for options in ({"headers": {"Last-Event-ID": str(after)}}, {"query_string": {"last_event_id": after}}):
            rest = api.send("GET", f"/runs/{run['id']}/stream", expect=200, **options).get_data(as_text=True)
            assert events(rest) == [*told[after + 1 : -1], told[-1]]
    api.get(f"/runs/{STRANGER}/stream", expect=404)


def test_the_stream_of_a_run_that_goes_on(api: Api) -> None:
    run_id = api.run(api.task())
    texts: list[str] = []
    reader = Thread(target=lambda: texts.append(api.send("GET", f"/runs/{run_id}/stream").get_data(as_text=True)))
    reader.start()
    api.work()
    reader.join(30)
    told = events(texts[0])
    assert [data["status"] for _, event, data in told if event == "state"] == ["queued", "running", "succeeded"]
    assert told[-1][1] == "end"


def test_the_stream_of_a_run_that_goes_on_in_parts(api: Api) -> None:
    say = {"id": "say", "uses": "log.write", "foreach": ["a", "b", "c"], "max_parallel": 2}
    run_id = api.run(api.task(payload={"pipeline": [{**say, "with": {"message": "${item}"}}]}))
    texts: list[str] = []
    reader = Thread(target=lambda: texts.append(api.send("GET", f"/runs/{run_id}/stream").get_data(as_text=True)))
    reader.start()
    api.work()
    reader.join(30)
    told = events(texts[0])
    lines = [(data["message"], data["item"], data["part"]) for _, event, data in told if event == "log"]
    assert sorted(lines) == [(text, n, {"step": "say"}) for n, text in enumerate("abc")]
    assert not [data for _, _, data in told if "parts" in data]
    place, place_of_last = next(place for place, event, _ in told if event == "log"), told[-2][0]
    rest = api.send("GET", f"/runs/{run_id}/stream", headers={"Last-Event-ID": place}, expect=200).get_data(
        as_text=True
    )
    assert events(rest) == told[[one[0] for one in told].index(place) + 1 :] and place != place_of_last
    api.get(f"/runs/{run_id}/stream?last_event_id=1(", expect=400)


def test_the_stream_of_a_run_that_is_deleted(api: Api) -> None:
    task = api.task()
    run_id = api.run(task)
    texts: list[str] = []

    def read() -> None:
        texts.extend(str(chunk, "utf-8") for chunk in api.send("GET", f"/runs/{run_id}/stream").iter_encoded())

    reader = Thread(target=read)
    reader.start()
    wait_for(lambda: "queued" in "".join(texts), seconds=30, what="the stream to begin")
    api.send("DELETE", f"/tasks/{task['id']}", expect=204)
    reader.join(30)
    assert events("".join(texts))[-1] == (None, "end", {"status": None})


def test_more_streams_than_there_are_slots_are_refused(api: Api) -> None:
    run_id = api.run(api.task())
    most = int(api.settings.web_threads * 0.75)
    streams = [api.send("GET", f"/runs/{run_id}/stream", expect=200) for _ in range(most)]
    refused = api.send("GET", f"/runs/{run_id}/stream", expect=503)
    assert refused.get_json()["error"] == "unavailable" and refused.headers["Retry-After"]
    api.get(f"/runs/{run_id}")
    for stream in streams:
        stream.close()
    api.send("GET", f"/runs/{run_id}/stream", expect=200).close()


def test_the_request_id_follows_the_run(api: Api) -> None:
    task = api.task()
    answer = api.send("POST", f"/tasks/{task['id']}/run_now", json={}, headers={"X-Request-ID": "mine-1"})
    assert answer.headers["X-Request-ID"] == "mine-1"
    assert api.get(f"/runs/{answer.get_json()['run_id']}")["request_id"] == "mine-1"


def test_a_run_keeps_what_it_does(api: Api) -> None:
    task = api.task()
    run_id = api.run(task)
    kept = api.get(f"/runs/{run_id}/definition")
    assert (kept["latest"], kept["payload"], kept["title"]) == (True, task["payload"], task["title"])
    api.send("PATCH", f"/tasks/{task['id']}", json={"title": "Another"}, expect=200)
    assert api.get(f"/runs/{run_id}/definition") == {**kept, "latest": False}
    path = f"/tasks/{kept['task_id']}/definitions"
    assert api.get(f"{path}/{kept['id']}") == {**kept, "latest": False}
    api.get(f"{path}/{kept['task_id']}", expect=404)
    api.get(f"/tasks/{api.task()['id']}/definitions/{kept['id']}", expect=404)
    api.get("/runs/nowhere/definition", expect=404)


def test_a_queued_run_says_what_holds_it_back(api: Api) -> None:
    run_id = api.run(api.task())
    held = api.get(f"/runs/{run_id}")["held_by"]
    assert (held["reason"], held["until"], held["runs"], held["at_work"], held["ahead"]) == (
        "no_worker",
        None,
        [],
        0,
        0,
    )
    assert api.get("/runs")["items"][0]["held_by"] == held
    spoken = api.get(f"/runs/{run_id}", headers={"Accept-Language": "ro"})["held_by"]["message"]
    assert spoken.startswith("Niciun worker nu este în viață")
    assert tool(api, "list_runs")["runs"][0] == tool(api, "get_run", run_id=run_id)["run"]
    assert tool(api, "list_runs")["runs"][0]["held_by"] == held
    assert api.work() == 1
    assert api.get(f"/runs/{run_id}")["held_by"] is api.get("/runs")["items"][0]["held_by"] is None
    assert "held_by" not in tool(api, "get_run", run_id=run_id)["run"]


def tool(api: Api, name: str, **arguments: Any) -> Any:
    return api.post(f"/tools/{name}/invoke", {"arguments": arguments})["output"]

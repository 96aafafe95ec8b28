"""Runs that are repeated, on both databases: from the failed step, from any, after a mend, past a step by hand."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import text

from app.storage.engines import make_engine
from tests.integration.api.conftest import Api

STRANGER = "00000000-0000-7000-8000-000000000000"


def pipeline(value: str = "${steps.first.nothing}") -> dict[str, Any]:
    """Three steps; the second fails unless it is given another value."""
    return {
        "params": {"name": "Ana"},
        "pipeline": [
            {"id": "first", "uses": "data.set", "with": {"value": {"name": "${params.name}"}}},
            {"id": "second", "uses": "data.set", "with": {"value": value}},
            {"id": "third", "uses": "log.write", "with": {"message": "${steps.first.name} and ${steps.second || '-'}"}},
        ],
    }


def failed(api: Api, **fields: Any) -> Any:
    """A run that failed at its second step."""
    run_id = api.run(api.task(payload=pipeline(), **fields), params={"name": "Ion"})
    api.work()
    run = api.get(f"/runs/{run_id}")
    assert (run["status"], run["error"]["step_id"]) == ("failed", "second")
    return run


def again(api: Api, run: Any, **wish: Any) -> Any:
    """The run that repeats it, worked off."""
    answer = api.post(f"/runs/{run['id']}/rerun", wish, expect=202)
    assert answer["success"] and answer["message"] == "Run queued" and not answer["deduplicated"]
    assert answer["details"] == {"task_id": run["task_id"], "run_id": answer["run_id"]}
    api.work()
    return api.get(f"/runs/{answer['run_id']}")


def test_a_rerun_goes_on_at_the_failed_step(api: Api) -> None:
    run = failed(api)
    new = again(api, run)
    assert (new["trigger"], new["parent_run_id"], new["params"]) == ("rerun", run["id"], {"name": "Ion"})
    assert (new["status"], new["error"]["step_id"]) == ("failed", "second")
    assert [(step["id"], step["reused"]) for step in new["steps"]] == [("first", True), ("second", False)]
    assert new["steps"][0]["output"] == run["steps"][0]["output"]


def test_with_the_latest_definition_a_mended_pipeline_ends(api: Api) -> None:
    run = failed(api)
    api.send("PATCH", f"/tasks/{run['task_id']}", expect=200, json={"payload": pipeline("mended")})
    new = again(api, run, definition="latest")
    assert (new["status"], [step["reused"] for step in new["steps"]]) == ("succeeded", [True, False, False])
    (line,) = api.get(f"/runs/{new['id']}/logs")["items"]
    assert line["message"] == "Ion and mended"
    # The original definition is the broken one still.
    assert again(api, run)["status"] == "failed"


@pytest.mark.parametrize(("start", "reused"), [("start", [False, False]), ("first", [False, False])])
def test_a_rerun_can_begin_earlier(api: Api, start: str, reused: list[bool]) -> None:
    assert [step["reused"] for step in again(api, failed(api), **{"from": start})["steps"]] == reused


def test_a_rerun_of_a_rerun_takes_over_what_that_one_took_over(api: Api) -> None:
    second = again(api, again(api, failed(api)))
    assert (second["steps"][0]["reused"], second["steps"][0]["output"]) == (True, {"name": "Ion"})


def test_a_step_marked_by_hand_lets_the_run_go_on(api: Api) -> None:
    run = failed(api)
    body = {"status": "succeeded", "output": "by hand", "note": "Done in the shop"}
    answer = api.post(f"/runs/{run['id']}/steps/second/mark", body, expect=202)
    api.work()
    new = api.get(f"/runs/{answer['run_id']}")
    assert (new["status"], new["parent_run_id"]) == ("succeeded", run["id"])
    assert new["steps"][1]["marked"] == {"by": "local", "note": "Done in the shop"}
    assert api.get(f"/runs/{new['id']}/logs")["items"][0]["message"] == "Ion and by hand"
    (entry,) = api.get("/audit?action=run.step_marked")["items"]
    assert (entry["target"], entry["after"]["note"]) == (new["id"], "Done in the shop")


def test_a_step_skipped_by_hand_has_no_output(api: Api) -> None:
    run = failed(api)
    answer = api.post(f"/runs/{run['id']}/steps/second/mark", {"status": "skipped", "note": "Not today"}, expect=202)
    api.work()
    assert api.get(f"/runs/{answer['run_id']}/logs")["items"][0]["message"] == "Ion and -"


def test_a_run_that_waits_is_helped_along(api: Api) -> None:
    waiting = {"id": "pause", "uses": "flow.sleep", "with": {"seconds": 3600}}
    first = {"id": "first", "uses": "data.set", "with": {"value": 1}}
    last = {"id": "last", "uses": "log.write", "with": {"message": "${steps.pause.slept}"}}
    run_id = api.run(api.task(payload={"pipeline": [first, waiting, last]}))
    api.work()
    assert api.get(f"/runs/{run_id}")["status"] == "waiting"
    mark = {"status": "succeeded", "output": {"slept": "enough"}, "note": "Nobody needs to wait"}
    answer = api.post(f"/runs/{run_id}/steps/pause/mark", mark, expect=202)
    api.work()
    assert api.get(f"/runs/{run_id}")["status"] == "canceled"
    assert api.get(f"/runs/{answer['run_id']}/logs")["items"][0]["message"] == "enough"


def test_an_approval_is_not_passed_by(api: Api) -> None:
    run_id = api.run(api.task(payload={"pipeline": [{"id": "ask", "uses": "flow.sleep", "with": {"seconds": 3600}}]}))
    api.work()
    engine = make_engine(api.settings.database_url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE waits SET kind = 'approval' WHERE run_id = :run"), {"run": run_id})
    engine.dispose()
    answer = api.post(f"/runs/{run_id}/steps/ask/mark", {"status": "skipped", "note": "No time"}, expect=409)
    assert answer["message"] == "It waits for an approval: decide that"
    assert api.get(f"/runs/{run_id}")["status"] == "waiting"


def test_what_cannot_be_repeated(api: Api) -> None:
    run, task = failed(api), api.task()
    queued = api.run(task)
    path = f"/runs/{run['id']}"
    mark = {"status": "succeeded", "output": 1, "note": "n"}
    assert api.post(f"/runs/{queued}/rerun", {}, expect=409)["details"]["status"] == "queued"
    api.post(f"/runs/{queued}/steps/greet/mark", mark, expect=409)
    api.work()
    assert "no step of it is left" in api.post(f"/runs/{queued}/rerun", {}, expect=409)["message"]
    assert api.post(f"{path}/rerun", {"from": "x"}, expect=400)["details"]["field"] == "from"
    assert "first, second, third" in str(api.post(f"{path}/rerun", {"from": "x"}, expect=400)["details"])
    api.post(f"{path}/rerun", {"from": "third"}, expect=400)
    api.post(f"{path}/steps/third/mark", mark, expect=400)
    api.post(f"{path}/steps/second/mark", {**mark, "output": "\u0000"}, expect=400)
    api.post(f"{path}/steps/second/mark", {"status": "succeeded"}, expect=400)
    api.post(f"/runs/{STRANGER}/rerun", {}, expect=404)
    api.post(f"/tasks/{task['id']}/cancel", {})
    assert (
        api.post(f"/runs/{queued}/rerun", {"from": "start"}, expect=409)["message"] == "A canceled task cannot be run"
    )

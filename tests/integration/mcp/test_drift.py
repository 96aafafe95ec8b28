"""Tasks whose steps no longer fit, since a server has other tools than when they were saved."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from app.bootstrap import work
from app.queueing.broker import make_celery
from tests.integration.api.conftest import DEAD_REDIS, Api
from tests.integration.extensions.pages import page
from tests.integration.mcp.conftest import described

STEPS = [
    {"id": "plain", "uses": "data.set", "with": {"value": "fake.extra"}},
    {"id": "look", "uses": "fake.extra", "with": {"level": 1}},
]
FAR = "2990-01-01T00:00:00Z"


def served(api: Api, file: Path, extra: str) -> None:
    """The server with `extra` of this kind, or without it, has been asked."""
    file.write_text(json.dumps({"fake": described(FAKE_EXTRA=extra)}), encoding="utf-8")
    assert api.post("/mcp/servers/fake/test")["error"] is None


@pytest.fixture
def task(api: Api, file: Path) -> Any:
    """One that calls a tool of the server, beside another that only speaks of it."""
    served(api, file, "yes")
    api.task(payload={"pipeline": STEPS[:1]})
    task = api.task(payload={"pipeline": STEPS})
    assert task["drift"] == []
    return task


def test_a_task_is_flagged_while_the_tool_is_gone(api: Api, file: Path, task: Any) -> None:
    tag = api.send("GET", f"/tasks/{task['id']}").headers["ETag"]
    served(api, file, "")
    now = api.get(f"/tasks/{task['id']}")
    (misfit,) = now["drift"]
    assert (misfit["step"], misfit["tool"]) == ("look", "fake.extra") and "no tool `fake.extra`" in misfit["issue"]
    assert now["version"] == task["version"], "nobody has changed the task"
    assert api.send("GET", f"/tasks/{task['id']}").headers["ETag"] != tag
    told = api.get("/events/stream/recent?topic=mcp.tools_changed")["items"][-1]["payload"]
    assert (told["removed"], told["tasks"]) == (["extra"], [task["id"]])
    romanian = api.get(f"/tasks/{task['id']}", headers={"Accept-Language": "ro"})["drift"][0]
    assert romanian["since"] == misfit["since"] and romanian["issue"] != misfit["issue"]
    served(api, file, "")
    assert api.get(f"/tasks/{task['id']}")["drift"] == [misfit], "it was seen before"
    served(api, file, "yes")
    assert api.get(f"/tasks/{task['id']}")["drift"] == []


def test_lists_know_which_do_not_fit(api: Api, file: Path, task: Any) -> None:
    served(api, file, "")
    assert [one["id"] for one in api.get("/tasks?drifted=true")["items"]] == [task["id"]]
    assert api.get("/tasks?drifted=false")["total"] == 1 and api.get("/tasks")["total"] == 2
    assert api.get("/tasks?drifted=perhaps", expect=400)["details"]["field"] == "drifted"

    def tool(name: str, **arguments: Any) -> Any:
        return api.post(f"/tools/{name}/invoke", {"arguments": arguments})["output"]

    (line,) = tool("list_tasks", drifted=True)["tasks"]
    assert (
        line["drift"] == tool("get_task", task_id=task["id"])["task"]["drift"] == api.get("/tasks")["items"][0]["drift"]
    )
    assert "drift" not in tool("list_tasks", drifted=False)["tasks"][0]


def test_other_arguments_are_told_and_an_edit_ends_it(api: Api, file: Path, task: Any) -> None:
    served(api, file, "worded")
    (misfit,) = api.get(f"/tasks/{task['id']}")["drift"]
    assert misfit["issue"] == "`level` must be text"
    sentence = "Step look no longer fits fake.extra (`level` must be text)."
    assert sentence in api.get(f"/tasks/{task['id']}/why?at={FAR}")["answer"]
    assert sentence not in api.get(f"/tasks/{task['id']}/why?at=2020-01-01T00:00:00Z")["answer"]
    api.send("PATCH", f"/tasks/{task['id']}", json={"title": "Renamed"}, expect=200)
    assert api.get(f"/tasks/{task['id']}")["drift"] == [misfit], "its pipeline is what it was"
    api.send("PATCH", f"/tasks/{task['id']}", json={"payload": {"pipeline": STEPS}}, expect=400)
    mended = {"pipeline": [{"id": "look", "uses": "fake.extra", "with": {"level": "high"}}]}
    api.send("PATCH", f"/tasks/{task['id']}", json={"payload": mended}, expect=200)
    assert api.get(f"/tasks/{task['id']}")["drift"] == []


def test_who_is_for_it_is_told(api: Api, file: Path, task: Any) -> None:
    heard = {"pipeline": [{"uses": "data.set", "with": {"value": "${event.payload.drift}"}}]}
    fields = {"schedule_kind": "event", "payload": heard, "overlap": "allow"}
    ends = [api.task(**fields, schedule_expr=topic) for topic in ("task.drifted", "task.fits_again")]
    for extra in ("", "worded", "yes"):
        served(api, file, extra)
    api.work()
    told = [[run["output"] for run in api.get(f"/runs?task_id={one['id']}")["items"]] for one in ends]
    assert [[one["tool"] for one in drift] for drift in told[0]] == [["fake.extra"], ["fake.extra"]]
    assert told[1] == [[]]


def test_a_server_that_is_named_no_more_takes_its_tools_along(api: Api, file: Path, task: Any) -> None:
    file.write_text("{}", encoding="utf-8")
    # The server may have gone while nobody watched: a watch that begins looks for that too.
    work.WorkerParts(api.settings, make_celery(DEAD_REDIS)).mcp_watch().look()
    assert api.get(f"/tasks/{task['id']}")["drift"][0]["tool"] == "fake.extra"
    api.post(f"/tasks/{task['id']}/cancel")
    served(api, file, "")
    assert api.get("/tasks?drifted=true")["items"] == [], "a canceled task never runs again"


def test_the_page_shows_it(api: Api, file: Path, task: Any) -> None:
    sign = "Nu se potrivește cu instrumentele"
    romanian = {"language": "ro"}
    assert sign not in page(api, "/tasks", **romanian) + page(api, f"/tasks/{task['id']}", **romanian)
    served(api, file, "")
    assert page(api, "/tasks", **romanian).count(sign) == 1
    shown = page(api, f"/tasks/{task['id']}", **romanian)
    assert sign in shown and "fake.extra" in shown and "Nu există" in shown

"""Runs as tasks of the protocol, and what can be read and picked without a call."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.access.conftest import Guarded, guarded_settings
from tests.integration.api.conftest import Api, make_settings, serving
from tests.integration.extensions.test_mcp_protocol import META, message, result, send
from tests.servers import Databases

KNOWS = {**META, "io.modelcontextprotocol/clientCapabilities": {"extensions": {"io.modelcontextprotocol/tasks": {}}}}
GREET = {"pipeline": [{"id": "greet", "uses": "data.set", "with": {"value": "Salut"}}]}
FAILS = {"pipeline": [{"uses": "data.transform", "with": {"expression": "sum(@)", "data": "x"}}]}
FORM = {"type": "object", "properties": {"sum": {"type": "number"}}, "required": ["sum"]}
ASK = {"id": "ask", "uses": "orchestrator.request_approval", "with": {"title": "Refund?", "form": FORM}}
ASKS = {"pipeline": [ASK, {"id": "done", "uses": "data.set", "with": {"value": "${steps.ask.form.sum}"}}]}


@pytest.fixture(scope="module")
def api(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """One installation for all tests of this file, which leave each other alone."""
    folder = tmp_path_factory.mktemp("mcp_tasks")
    with serving(make_settings(databases.sqlite(folder / "ordinaut.db"), folder)) as api:
        yield api


def asked(api: Api, method: str, task_id: str, **params: Any) -> Any:
    """The answer to a request about a task, from a client that knows them."""
    body = message(method, meta=KNOWS, taskId=task_id, **params)
    return send(api, body, Mcp_Name=task_id).get_json()


def begun(api: Api, payload: Any) -> Any:
    """The task that a call begins."""
    task = api.task(payload=payload, max_retries=0)
    call = message("tools/call", meta=KNOWS, name="run_task_now", arguments={"task_id": task["id"]})
    return send(api, call).get_json()["result"]


def test_a_run_is_a_task_from_its_beginning_to_its_end(api: Api) -> None:
    task = begun(api, GREET)
    assert (task["resultType"], task["status"]) == ("task", "working")
    assert api.get(f"/runs/{task['taskId']}")["status"] == "queued", "it was stored before the answer"
    assert asked(api, "tasks/get", task["taskId"])["result"]["status"] == "working"
    api.work()
    ended = asked(api, "tasks/get", task["taskId"])["result"]
    assert (ended["status"], ended["result"]["isError"]) == ("completed", False)
    assert ended["result"]["structuredContent"]["output"] == "Salut"


def test_a_long_output_is_cut_like_any_answer(api: Api) -> None:
    value = {"lines": ["x" * 100] * 2_000, "nothing": None}
    task = begun(api, {"pipeline": [{"id": "much", "uses": "data.set", "with": {"value": value}}]})
    api.work()
    result = asked(api, "tasks/get", task["taskId"])["result"]["result"]
    text, hint = (block["text"] for block in result["content"])
    assert json.loads(text) == result["structuredContent"] and len(text) <= 80_000
    assert result["structuredContent"]["output"] == {"lines": ["x" * 100] * 500, "nothing": None}
    assert "output.lines: the first 500 of 2,000 items" in hint


def test_a_failed_run_is_a_tool_that_failed(api: Api) -> None:
    task = begun(api, FAILS)
    api.work()
    ended = asked(api, "tasks/get", task["taskId"])["result"]
    assert (ended["status"], ended["result"]["isError"]) == ("completed", True)


def test_an_approval_is_input_that_the_task_requires(api: Api) -> None:
    task = begun(api, ASKS)
    api.work()
    waiting = asked(api, "tasks/get", task["taskId"])["result"]
    assert waiting["status"] == "input_required"
    ((key, request),) = waiting["inputRequests"].items()
    assert request["params"]["requestedSchema"]["required"] == ["decision", "sum"]
    nothing = asked(api, "tasks/update", task["taskId"], inputResponses={"another": {"action": "accept"}})
    assert nothing["result"] == {"resultType": "complete", "_meta": nothing["result"]["_meta"]}
    wrong = {key: {"action": "accept", "content": {"decision": "approve", "sum": "much"}}}
    assert asked(api, "tasks/update", task["taskId"], inputResponses=wrong)["error"]["code"] == -32602
    given = {key: {"action": "accept", "content": {"decision": "approve", "sum": 12.5}}}
    asked(api, "tasks/update", task["taskId"], inputResponses=given)
    api.work()
    ended = asked(api, "tasks/get", task["taskId"])["result"]
    assert ended["result"]["structuredContent"]["output"] == 12.5


def test_a_task_is_canceled_once_and_asking_again_does_no_harm(api: Api) -> None:
    task = begun(api, ASKS)
    api.work()
    for _ in range(2):
        assert asked(api, "tasks/cancel", task["taskId"])["result"]["resultType"] == "complete"
    assert asked(api, "tasks/get", task["taskId"])["result"]["status"] == "cancelled"


def test_who_does_not_know_tasks_gets_the_run(api: Api) -> None:
    task = api.task(payload=GREET)
    found = result(api, "tools/call", name="run_task_now", arguments={"task_id": task["id"]})
    assert found["structuredContent"]["status"] == "queued"
    about = message("tasks/get", taskId=found["structuredContent"]["run_id"])
    answer = send(api, about, Mcp_Name=found["structuredContent"]["run_id"])
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (400, -32021)


@pytest.mark.parametrize("method", ["tasks/get", "tasks/update", "tasks/cancel"])
def test_a_task_that_is_none(api: Api, method: str) -> None:
    for task_id in ("nowhere", "../tasks", "a?b"):
        assert asked(api, method, task_id)["error"]["code"] == -32602
    answer = send(api, message(method, meta=KNOWS, taskId="one"), Mcp_Name="other")
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (400, -32020)


def test_guides_tasks_and_runs_are_read(api: Api) -> None:
    task = api.task(title="Readable", payload=GREET)
    run_id = api.run(task)
    api.work()
    listed = result(api, "resources/list")["resources"]
    assert [one["uri"] for one in listed[:3]] == [
        f"ordinaut://docs/{name}" for name in ("pipelines", "schedules", "templates")
    ]
    assert f"ordinaut://tasks/{task['id']}" in [one["uri"] for one in listed]
    assert len(result(api, "resources/templates/list")["resourceTemplates"]) == 3

    def read(path: str) -> str:
        return str(result(api, "resources/read", uri=f"ordinaut://{path}")["contents"][0]["text"])

    assert "validate_pipeline" in read("docs/pipelines")
    assert json.loads(read(f"tasks/{task['id']}"))["title"] == "Readable"
    assert json.loads(read(f"runs/{run_id}"))["output"] == "Salut"
    assert json.loads(read(f"runs/{run_id}/logs"))["total"] == 0


@pytest.mark.parametrize(
    "uri", ["ordinaut://docs/secrets", "ordinaut://tasks/none", "ordinaut://agents/me", "file:///x"]
)
def test_what_cannot_be_read(api: Api, uri: str) -> None:
    answer = send(api, message("resources/read", uri=uri)).get_json()
    assert (answer["error"]["code"], answer["error"]["data"]) == (-32602, {"uri": uri})


def test_prompts_are_filled_in(api: Api) -> None:
    prompts = result(api, "prompts/list")["prompts"]
    assert [one["name"] for one in prompts] == [
        "plan_automation",
        "diagnose_failed_run",
        "daily_briefing",
        "convert_cron",
    ]
    assert all(one["description"] for one in prompts)
    filled = result(api, "prompts/get", name="plan_automation", arguments={"goal": "Tidy {up}"})
    assert "Tidy {up}" in filled["messages"][0]["content"]["text"]
    for name in ("nothing", "plan_automation"):
        answer = send(api, message("prompts/get", name=name, arguments={}))
        assert answer.get_json()["error"]["code"] == -32602


def test_arguments_are_completed(api: Api) -> None:
    def values(name: str, value: str) -> list[str]:
        told = {"ref": {"type": "ref/prompt", "name": "plan_automation"}, "argument": {"name": name, "value": value}}
        return list(result(api, "completion/complete", **told)["completion"]["values"])

    assert values("timezone", "Europe/Chi") == ["Europe/Chisinau"]
    task = api.task()
    assert task["id"] in values("task_id", task["id"][:20])
    assert values("nonsense", "x") == []


def test_nobody_reads_or_stops_what_is_another_agents(sqlite_url: str, tmp_path: Path) -> None:
    with serving(guarded_settings(sqlite_url, tmp_path)) as api:
        guarded = Guarded(api)
        ana, bob = (
            guarded.new(name, "tasks:create", "tasks:read", "tasks:run", "runs:read") for name in ("ana", "bob")
        )
        task = api.post("/tasks", {"title": "x", "schedule_kind": "manual", "payload": GREET}, headers=ana, expect=201)
        run_id = api.post(f"/tasks/{task['id']}/run_now", {}, headers=ana, expect=202)["run_id"]
        about = message("tasks/get", meta=KNOWS, taskId=run_id)
        assert send(api, about, Mcp_Name=run_id, **ana).get_json()["result"]["status"] == "working"
        assert send(api, about, Mcp_Name=run_id, **bob).get_json()["error"]["code"] == -32602
        stop = message("tasks/cancel", meta=KNOWS, taskId=run_id)
        assert send(api, stop, Mcp_Name=run_id, **ana).get_json()["error"]["code"] == 40301
        read = message("resources/read", uri=f"ordinaut://tasks/{task['id']}")
        assert "error" in send(api, read, **bob).get_json()

"""Tasks as tools: what assistants find, call and get, and when they hear that there is another."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.access.conftest import Guarded, guarded_settings
from tests.integration.api.conftest import Api, make_settings, serving
from tests.integration.extensions.test_mcp_news import heard, listening
from tests.integration.extensions.test_mcp_protocol import META, message, result, send

KNOWS = {**META, "io.modelcontextprotocol/clientCapabilities": {"extensions": {"io.modelcontextprotocol/tasks": {}}}}
GREET = {
    "params": {"name": "Ana", "times": 1},
    "pipeline": [{"id": "greet", "uses": "data.set", "with": {"value": "Salut ${params.name}"}}],
}
SCHEMA = {"type": "object", "properties": {"name": {"type": "string", "maxLength": 5}}, "required": ["name"]}
CHANGED = "notifications/tools/list_changed"


@pytest.fixture
def api(database_url: str, tmp_path: Path) -> Iterator[Api]:
    """One installation, on SQLite and on PostgreSQL."""
    with serving(make_settings(database_url, tmp_path)) as api:
        yield api


def tools(api: Api, **headers: str) -> dict[str, Any]:
    """The published tasks in the list of tools."""
    listed = send(api, message("tools/list"), **headers).get_json()["result"]["tools"]
    return {tool["name"]: tool for tool in listed if tool["name"].startswith("task_")}


def begun(api: Api, tool: str, **arguments: Any) -> Any:
    """The answer to a call by a client that knows tasks."""
    call = message("tools/call", meta=KNOWS, name=tool, arguments=arguments)
    return send(api, call).get_json()["result"]


def test_a_task_is_called_by_its_name_with_its_params(api: Api) -> None:
    api.task(title="Greet", description="Greets somebody", payload=GREET, expose_as_tool="greet")
    api.task(title="Silent", payload=GREET)
    (tool,) = tools(api).values()
    assert tool["name"] == "task_greet" and tool["description"].startswith("Greets somebody")
    assert tool["annotations"]["destructiveHint"] is True
    assert tool["inputSchema"]["properties"] == {
        "name": {"type": "string", "default": "Ana"},
        "times": {"type": "integer", "default": 1},
    }
    task = begun(api, "task_greet", name="Ion")
    assert task["resultType"] == "task"
    api.work()
    look = message("tasks/get", meta=KNOWS, taskId=task["taskId"])
    ended = send(api, look, Mcp_Name=task["taskId"]).get_json()["result"]
    assert ended["status"] == "completed" and ended["result"]["content"][0]["text"] == '"Salut Ion"'


def test_what_does_not_fit_is_refused_where_it_does_not(api: Api) -> None:
    task = api.task(payload=GREET, expose_as_tool="greet", params_schema=SCHEMA)
    assert tools(api)["task_greet"]["inputSchema"] == SCHEMA
    api.task(payload=GREET, expose_as_tool="untyped", params_schema={"properties": {"name": {"type": "string"}}})
    assert tools(api)["task_untyped"]["inputSchema"]["type"] == "object"
    refused = begun(api, "task_greet", name="Alexandra")
    assert refused["isError"] and "params.name" in str(refused)
    assert api.get(f"/runs?task_id={task['id']}")["total"] == 0
    answer = api.post(f"/tasks/{task['id']}/run_now", {"params": {"name": "Alexandra"}}, expect=400)
    assert answer["details"]["field"] == "params.name"
    # The task's own params count as well: what a call leaves out is there.
    api.post(f"/tasks/{task['id']}/run_now", {}, expect=202)


@pytest.mark.parametrize(
    ("schema", "issue"),
    [
        ({"type": "nonsense"}, "not a usable JSON Schema"),
        ({"type": "array"}, "must be object"),
        ({"$ref": "https://example.org/schema.json"}, "not a usable JSON Schema"),
    ],
)
def test_a_schema_has_to_be_one(api: Api, schema: Any, issue: str) -> None:
    body = {"title": "x", "schedule_kind": "manual", "params_schema": schema}
    answer = api.post("/tasks", body, expect=400)
    assert answer["details"]["field"] == "params_schema" and issue in answer["details"]["issue"]


def test_an_agent_has_one_task_of_a_name(api: Api) -> None:
    first = api.task(expose_as_tool="greet")
    body = {"title": "x", "schedule_kind": "manual", "expose_as_tool": "greet"}
    assert api.post("/tasks", body, expect=409)["details"]["field"] == "expose_as_tool"
    other = api.task(expose_as_tool="other")
    answer = api.send("PATCH", f"/tasks/{other['id']}", json={"expose_as_tool": "greet"}, expect=409)
    assert answer.get_json()["details"]["field"] == "expose_as_tool"
    api.post("/tasks", {**body, "expose_as_tool": "Not A Name"}, expect=400)
    api.send("PATCH", f"/tasks/{first['id']}", json={"expose_as_tool": None}, expect=200)
    assert set(tools(api)) == {"task_other"}
    assert api.get("/tasks?exposed=true")["total"] == api.get("/tasks?expose_as_tool=other")["total"] == 1


def test_a_run_goes_on_when_its_tool_is_there_no_more(api: Api) -> None:
    task = api.task(payload=GREET, expose_as_tool="greet")
    begun_task = begun(api, "task_greet")
    api.send("PATCH", f"/tasks/{task['id']}", json={"expose_as_tool": None}, expect=200)
    api.work()
    look = message("tasks/get", meta=KNOWS, taskId=begun_task["taskId"])
    assert send(api, look, Mcp_Name=begun_task["taskId"]).get_json()["result"]["status"] == "completed"


def test_a_call_that_waits_is_a_stream_to_clients_of_any_age(api: Api) -> None:
    api.task(payload=GREET, expose_as_tool="greet")
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "task_greet", "arguments": {}}}
    headers = {"Accept": "application/json, text/event-stream", "MCP-Protocol-Version": "2025-11-25"}
    with api.send("POST", "/mcp", json=body, headers=headers) as answer:
        assert answer.mimetype == "text/event-stream"


def test_an_ended_task_is_a_tool_no_more(api: Api) -> None:
    task = api.task(expose_as_tool="greet")
    api.post(f"/tasks/{task['id']}/cancel", {})
    assert tools(api) == {}
    api.task(title="Another of its name", expose_as_tool="greet")
    api.send("PATCH", f"/tasks/{api.get('/tasks?exposed=true')['items'][0]['id']}", json={"expose_as_tool": None})
    unknown = send(api, message("tools/call", name="task_greet", arguments={}))
    assert unknown.get_json()["error"]["code"] == -32602


def test_each_caller_finds_their_own_and_needs_the_scopes(database_url: str, tmp_path: Path) -> None:
    with serving(guarded_settings(database_url, tmp_path)) as api:
        guarded = Guarded(api)
        ana = guarded.new("ana", "tasks:read", "tasks:create", "tasks:run", "runs:read")
        bob = guarded.new("bob", "tasks:read", "tasks:run", "tasks:create", "runs:read")
        cyd = guarded.new("cyd", "tasks:read", "tasks:run")
        root = guarded.new("root", "admin")
        for owner in (ana, bob):
            body = {"title": "x", "schedule_kind": "manual", "payload": GREET, "expose_as_tool": "greet"}
            api.post("/tasks", body, expect=201, headers=owner)
        assert set(tools(api, **ana)) == set(tools(api, **bob)) == {"task_greet"}
        # Nobody else puts words into the list of who sees all.
        assert tools(api, **cyd) == tools(api, **root) == {}
        call = message("tools/call", meta=KNOWS, name="task_greet", arguments={})
        assert send(api, call, **root).get_json()["error"]["code"] == -32602
        assert send(api, call, **ana).get_json()["result"]["resultType"] == "task"
        refused = send(api, call, **cyd)
        assert refused.status_code == 403 and "runs:read" in refused.headers["WWW-Authenticate"]


def test_a_client_hears_that_there_is_another(api: Api) -> None:
    with listening(api, toolsListChanged=True) as messages:
        heard(messages, "notifications/subscriptions/acknowledged")
        heard(messages, CHANGED)  # look again: something may have been missed
        task = api.task(expose_as_tool="greet")
        heard(messages, CHANGED)
        api.send("PATCH", f"/tasks/{task['id']}", json={"expose_as_tool": None}, expect=200)
        heard(messages, CHANGED)


def test_names_and_schemas_are_shown(api: Api) -> None:
    task = api.task(expose_as_tool="greet", params_schema=SCHEMA)
    assert (task["expose_as_tool"], task["params_schema"]) == ("greet", SCHEMA)
    assert result(api, "tools/call", name="get_task", arguments={"task_id": task["id"]})["isError"] is False

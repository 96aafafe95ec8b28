"""`mcp_http`, as the founding document prints it."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
import requests
from jsonschema_rs import Draft202012Validator

from tests.faults.stack import Stack
from tests.integration.api.conftest import Api, make_settings, serving
from tests.servers import Databases

HOME = "/ext/mcp_http"
RO = {"Accept-Language": "ro"}


@pytest.fixture(scope="module")
def api(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """One installation for all tests of this file, which leave each other alone."""
    folder = tmp_path_factory.mktemp("mcp_http")
    with serving(make_settings(databases.sqlite(folder / "ordinaut.db"), folder)) as api:
        yield api


def call(api: Api, tool: str, expect: int = 200, **parameters: Any) -> Any:
    """The whole answer of a call."""
    return api.post(f"{HOME}/invoke", {"tool": tool, "parameters": parameters}, expect=expect)


def test_meta_is_word_for_word(api: Api) -> None:
    assert api.get(f"{HOME}/meta") == {
        "server": "ordinaut-mcp-http",
        "version": "0.2.0",
        "capabilities": ["handshake", "list_tools", "invoke", "schema", "sse"],
    }


def test_a_handshake_gives_a_session(api: Api) -> None:
    answer = api.post(f"{HOME}/handshake", {"client": {"name": "ChatGPT", "version": "1.0"}})
    assert answer["server"] == {"name": "ordinaut-mcp-http", "version": "0.2.0"}
    assert re.fullmatch(r"sess-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", answer["session_id"])
    assert api.post(f"{HOME}/handshake", {"client": {"name": "x"}})["session_id"] != answer["session_id"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "client"),
        ({"client": "ChatGPT"}, "client"),
        ({"client": {}}, "client.name"),
        ({"client": {"name": ""}}, "client.name"),
        ({"client": {"name": 5}}, "client.name"),
        ({"client": {"name": "x", "version": ["1"]}}, "client.version"),
        (["client"], "body"),
    ],
)
def test_a_handshake_without_a_client_is_refused(api: Api, body: Any, field: str) -> None:
    refused = api.post(f"{HOME}/handshake", body, expect=400)
    assert refused["error"] == "bad_request"
    assert refused["details"]["field"] == field


@pytest.mark.parametrize(
    ("data", "content_type", "status"),
    [
        (b"{", "application/json", 400),
        (b"{}", "text/plain", 415),
        (b"[" * 100_000, "application/json", 400),  # deeper than a parser may go
        (b"\xff", "application/json", 400),
    ],
)
def test_what_is_not_json_is_refused(api: Api, data: bytes, content_type: str, status: int) -> None:
    for path in ("handshake", "invoke"):
        answer = api.send("POST", f"{HOME}/{path}", data=data, content_type=content_type, expect=status)
        assert set(answer.get_json()) >= {"error", "message", "details"}


def test_the_tools_are_those_of_the_platform_in_the_readers_language(api: Api) -> None:
    tools = {tool["name"]: tool for tool in api.get(f"{HOME}/tools", headers=RO)["tools"]}
    assert set(tools) >= {"create_task", "list_tasks", "run_task_now", "publish_event", "http.request"}
    create = tools["create_task"]
    assert set(create) == {"name", "description", "parameters"}
    assert create["description"] == "Creează o sarcină programată nouă"
    assert create["parameters"]["type"] == "object"
    assert create["parameters"]["properties"]["title"]["type"] == "string"
    assert create["parameters"]["properties"]["schedule"]["type"] == "string"
    english = {tool["name"]: tool for tool in api.get(f"{HOME}/tools")["tools"]}
    assert english["create_task"]["description"] == "Creates a new scheduled task."


def test_a_task_is_created_as_printed(api: Api) -> None:
    body = {"tool": "create_task", "parameters": {"title": "Raport Zilnic", "schedule": "0 18 * * *"}}
    answer = api.post(f"{HOME}/invoke", body, headers=RO)
    assert answer["success"] is True
    assert answer["result"]["message"] == "Sarcină creată cu succes"
    stored = api.get(f"/tasks/{answer['result']['task_id']}")
    assert (stored["title"], stored["schedule_expr"], stored["created_by"]) == ("Raport Zilnic", "0 18 * * *", "local")
    assert call(api, "list_tasks")["result"]["total"] >= 1


@pytest.mark.parametrize(
    ("tool", "parameters", "status", "code", "field"),
    [
        # the platform refuses what the schema does not allow
        ("create_task", {"title": "No schedule"}, 400, "bad_request", "parameters.schedule"),
        ("create_task", {"title": "x", "schedule": "@daily", "colour": 1}, 400, "bad_request", "parameters.colour"),
        # the tool refuses what only it can judge
        ("create_task", {"title": "x", "schedule": "0 99 * * *"}, 400, "bad_request", "parameters.schedule"),
        ("cancel_task", {"task_id": "x"}, 400, "bad_request", None),
        ("get_task", {"task_id": "nobody"}, 404, "not_found", None),
        ("no.tool", {}, 404, "not_found", None),
        ("data.transform", {"expression": "sum(@)", "data": "x"}, 422, "unprocessable", None),
    ],
)
def test_refusals_have_the_code_of_their_kind(
    api: Api, tool: str, parameters: Any, status: int, code: str, field: str | None
) -> None:
    refused = call(api, tool, status, **parameters)
    assert refused["error"] == code
    assert refused["details"].get("field") == field


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"parameters": {}}, "tool"),
        ({"tool": 5}, "tool"),
        ({"tool": "list_tasks", "parameters": []}, "parameters"),
        ({"tool": "list_tasks", "arguments": {}}, "arguments"),
    ],
)
def test_an_invocation_that_is_none_is_refused(api: Api, body: Any, field: str) -> None:
    assert api.post(f"{HOME}/invoke", body, expect=400)["details"]["field"] == field


def test_a_refusal_is_in_the_readers_language(api: Api) -> None:
    unknown = api.post(f"{HOME}/invoke", {"tool": "x", "colour": 1}, expect=400, headers=RO)
    assert unknown["details"]["issue"] == "Acest câmp nu este cunoscut aici"
    body = {"tool": "get_task", "parameters": {"task_id": "nobody"}}
    missing = api.post(f"{HOME}/invoke", body, expect=404, headers=RO)
    assert "list_tasks dă id-urile" in missing["message"]


def test_the_aliases_do_the_same(api: Api) -> None:
    answer = api.post(f"{HOME}/tools/preview_schedule", {"parameters": {"schedule": "@daily", "count": 1}})
    assert answer["result"]["schedule_kind"] == "cron"
    shown = api.get(f"{HOME}/tools/preview_schedule/schema")
    assert set(shown) == {"name", "description", "parameters", "output"}
    assert api.get(f"{HOME}/tools/nothing/schema", expect=404)["error"] == "not_found"


def test_the_schema_describes_what_goes_in_and_out(api: Api) -> None:
    schema = api.get(f"{HOME}/schema")
    definitions = {name: Draft202012Validator(one) for name, one in schema["$defs"].items()}
    assert definitions["handshake_request"].is_valid({"client": {"name": "ChatGPT", "version": "1.0"}})
    session = api.post(f"{HOME}/handshake", {"client": {"name": "ChatGPT"}})
    assert definitions["handshake_response"].is_valid(session)
    body = {"tool": "create_task", "parameters": {"title": "By schema", "schedule": "@weekly"}}
    assert definitions["invoke_request"].is_valid(body)
    answer = api.post(f"{HOME}/invoke", body)
    assert definitions["invoke_response"].is_valid(answer)
    Draft202012Validator(schema["tools"]["create_task"]["output"]).validate(answer["result"])
    assert definitions["error"].is_valid(call(api, "no.tool", 404))


def test_every_use_case_answers_as_its_schema_says(api: Api) -> None:
    schema = api.get(f"{HOME}/schema")["tools"]
    task = call(api, "create_task", title="Whole", schedule="@daily")["result"]["task_id"]
    run = call(api, "run_task_now", task_id=task)["result"]["run_id"]
    api.work()
    calls: list[tuple[str, dict[str, Any]]] = [
        ("list_tasks", {}),
        ("get_task", {"task_id": task}),
        ("update_task", {"task_id": task, "changes": {"title": "Whole again"}}),
        ("pause_task", {"task_id": task}),
        ("resume_task", {"task_id": task}),
        ("snooze_task", {"task_id": task, "delay_seconds": 5}),
        ("run_task_now", {"task_id": task}),
        ("list_runs", {"task_id": task}),
        ("get_run", {"run_id": run}),
        ("wait_for_run", {"run_id": run}),
        ("retry_run", {"run_id": run}),
        ("preview_schedule", {"schedule": "@daily"}),
        ("validate_pipeline", {"payload": {"pipeline": []}}),
        ("list_tools", {}),
        ("get_tool", {"name": "create_task"}),
        ("publish_event", {"topic": "shop.order.paid"}),
        ("cancel_task", {"task_id": task, "confirm": True}),
    ]
    for tool, parameters in calls:
        Draft202012Validator(schema[tool]["output"]).validate(call(api, tool, **parameters)["result"])


@pytest.fixture
def stack(databases: Databases, redis_url: str, tmp_path: Path) -> Iterator[Stack]:
    """One web process."""
    stack = Stack(tmp_path, database_url=databases.sqlite(tmp_path / "ordinaut.db"), redis_url=redis_url)
    yield stack.start("web").ready()
    stack.stop()


def test_tasks_and_runs_are_told_as_they_happen(stack: Stack) -> None:
    url = f"http://127.0.0.1:{stack.port}{HOME}/sse"
    with closing(requests.get(url, stream=True, timeout=30)) as answer, _busy(stack) as made:
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        lines = answer.iter_lines()
        assert next(lines).startswith(b":")
        assert next(line for line in lines if line == b"event: task.created")
        body = orjson.loads(next(lines).removeprefix(b"data: "))
    assert body["topic"] == "task.created"
    assert body["data"]["task_id"] in made


@contextmanager
def _busy(stack: Stack) -> Iterator[list[str]]:
    """Tasks are made over and over, since what happens before the platform knows of a listener is not announced."""
    made: list[str] = []
    enough = threading.Event()

    def make() -> None:
        while not enough.wait(0.2):
            made.append(stack.task([]))

    maker = threading.Thread(target=make)
    maker.start()
    try:
        yield made
    finally:
        enough.set()
        maker.join()


def test_a_stream_goes_on_only_after_an_event(stack: Stack) -> None:
    url = f"http://127.0.0.1:{stack.port}{HOME}/sse"
    refused = requests.get(url, headers={"Last-Event-ID": "yesterday"}, timeout=30)
    assert (refused.status_code, refused.json()["details"]["field"]) == (400, "Last-Event-ID")

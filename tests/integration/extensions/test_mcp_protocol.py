"""The endpoint for assistants, message by message: what it answers, and what nonsense it refuses with which words."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from werkzeug.test import TestResponse

from tests.integration.access.conftest import Guarded, guarded_settings
from tests.integration.api.conftest import Api, make_settings, serving

PATH = "/ext/mcp_http/mcp"
VERSION = "2026-07-28"
ACCEPT = "application/json, text/event-stream"
META = {
    "io.modelcontextprotocol/protocolVersion": VERSION,
    "io.modelcontextprotocol/clientCapabilities": {},
    "io.modelcontextprotocol/clientInfo": {"name": "tests", "version": "1"},
}
STEPS = [{"id": "greet", "uses": "data.set", "with": {"value": "Salut"}}]


@pytest.fixture
def api(lab: Api) -> Api:
    """The lab's, shared by all tests of this file."""
    return lab


def message(method: str, *, meta: Any = META, **params: Any) -> dict[str, Any]:
    """A request of the modern era."""
    told = {**params, **({} if meta is None else {"_meta": meta})}
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": told}


def send(api: Api, body: Any, *, path: str = PATH, **headers: str) -> TestResponse:
    """A POST as a client of the modern era sends it; headers that are empty are left out."""
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    asked: dict[str, Any] = body if isinstance(body, dict) else {}
    params: dict[str, Any] = asked.get("params") or {}
    own = {
        "Content-Type": "application/json",
        "Accept": ACCEPT,
        "MCP-Protocol-Version": VERSION,
        "Mcp-Method": str(asked.get("method", "")),
        "Mcp-Name": str(params.get("name", params.get("uri", ""))),
    }
    named = {**own, **{name.replace("_", "-"): value for name, value in headers.items()}}
    return api.send("POST", path, data=sent, headers={name: value for name, value in named.items() if value})


def result(api: Api, method: str, **params: Any) -> Any:
    """The result of a request; AssertionError with the answer where it is none."""
    answer = send(api, message(method, **params))
    assert answer.status_code == 200, answer.get_data(as_text=True)
    found = answer.get_json()
    assert "result" in found, found
    return found["result"]


def called(api: Api, tool: str, **arguments: Any) -> Any:
    """The data of a call that succeeds, which is the text as well."""
    found = result(api, "tools/call", name=tool, arguments=arguments)
    assert not found.get("isError"), found
    assert json.loads(found["content"][0]["text"]) == found["structuredContent"]
    return found["structuredContent"]


def refusal(api: Api, tool: str, **arguments: Any) -> str:
    """What a call that fails is answered with."""
    found = result(api, "tools/call", name=tool, arguments=arguments)
    assert found["isError"] is True
    return str(found["content"][0]["text"])


@pytest.mark.parametrize("path", [PATH, "/mcp"])
def test_it_introduces_itself(api: Api, path: str) -> None:
    found = send(api, message("server/discover"), path=path).get_json()["result"]
    assert found["_meta"]["io.modelcontextprotocol/serverInfo"]["name"] == "ordinaut-mcp-http"
    assert VERSION in found["supportedVersions"] and "tools" in found["capabilities"]
    assert "preview_schedule" in found["instructions"]


def test_it_shakes_hands_with_the_old_era(api: Api) -> None:
    hello = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "old", "version": "1"}}
    body = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello}
    found = send(api, body, MCP_Protocol_Version="", Mcp_Method="", Mcp_Name="").get_json()["result"]
    assert found["protocolVersion"] == "2025-06-18"
    listed = {"jsonrpc": "2.0", "id": 2, "method": "tools/list"}
    answer = send(api, listed, MCP_Protocol_Version="2025-06-18", Mcp_Method="", Mcp_Name="")
    assert len(answer.get_json()["result"]["tools"]) > 20
    done = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    assert send(api, done, MCP_Protocol_Version="2025-06-18", Mcp_Method="", Mcp_Name="").status_code == 202


def test_a_call_that_waits_is_a_stream_in_the_old_era_too(api: Api) -> None:
    run_id = api.run(api.task(payload={"pipeline": STEPS}))
    api.work()

    def kind(tool: str, **arguments: Any) -> str:
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool, "arguments": arguments}}
        answer = send(api, body, MCP_Protocol_Version="2025-06-18", Mcp_Method="", Mcp_Name="")
        with answer:
            assert "succeeded" in answer.get_data(as_text=True)
        return str(answer.mimetype)

    assert kind("wait_for_run", run_id=run_id, timeout_seconds=5) == "text/event-stream"
    assert kind("get_run", run_id=run_id) == "application/json"


def test_tools_say_what_they_take_give_and_do(api: Api) -> None:
    found = result(api, "tools/list")
    tools = {tool["name"]: tool for tool in found["tools"]}
    assert found["cacheScope"] == "private" and list(tools) == sorted(tools)
    assert [name for name in tools if "." in name] == ["ext.lab.flood"], "but for what extensions expose"
    listing, ending = tools["list_tasks"]["annotations"], tools["cancel_task"]["annotations"]
    assert (listing["readOnlyHint"], listing["destructiveHint"]) == (True, False)
    assert (ending["readOnlyHint"], ending["destructiveHint"]) == (False, True)
    assert tools["create_task"]["inputSchema"]["required"] and tools["create_task"]["outputSchema"]["properties"]


def test_work_is_scheduled_run_and_read(api: Api) -> None:
    made = called(api, "create_task", title="Daily", schedule="0 18 * * *", payload={"pipeline": STEPS})
    assert called(api, "get_task", task_id=made["task_id"])["task"]["title"] == "Daily"
    run = called(api, "run_task_now", task_id=made["task_id"])
    api.work()
    seen = called(api, "wait_for_run", run_id=run["run_id"], timeout_seconds=5)
    assert (seen["run"]["status"], seen["output"], seen["timed_out"]) == ("succeeded", "Salut", False)


@pytest.mark.parametrize(
    ("tool", "arguments", "told"),
    [
        ("create_task", {"title": "x", "schedule": "0 25 * * *"}, "hour must be 0-23"),
        ("create_task", {"title": "x"}, "schedule"),
        ("get_task", {"task_id": "nowhere"}, "list_tasks"),
        ("wait_for_run", {"timeout_seconds": 5}, "run_id"),
        ("wait_for_run", {"run_id": "nowhere", "timeout_seconds": 5}, "list_runs"),
        ("run_task_now", {"task_id": "nowhere", "wait_seconds": 9999}, "wait_seconds"),
        ("list_tasks", {"limit": "many"}, "limit"),
        ("list_tasks", {"nonsense": 1}, "nonsense"),
    ],
)
def test_a_failed_tool_says_what_to_do_next(api: Api, tool: str, arguments: dict[str, Any], told: str) -> None:
    assert told in refusal(api, tool, **arguments)


def test_an_answer_that_is_too_long_is_cut_and_says_how_to_get_the_rest(api: Api) -> None:
    found = result(api, "tools/call", name="ext.lab.flood", arguments={"characters": 100_000})
    text, hint = (block["text"] for block in found["content"])
    assert json.loads(text) == found["structuredContent"] and len(text) <= 80_000
    assert "text: the first 79," in hint and "of 100,000 characters" in hint and "limit" in hint
    assert called(api, "ext.lab.flood", characters=1_000)["text"] == "x" * 1_000


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 400, -32700),
        (b"[" * 100_000, 400, -32700),
        (b'{"jsonrpc": "2.0", "id": 1e999, "method": "x"}', 400, -32600),
        ([message("tools/list")], 400, -32600),
        ({**message("tools/list"), "jsonrpc": "1.0"}, 400, -32600),
        ({**message("tools/list"), "id": None}, 400, -32600),
        ({"jsonrpc": "2.0", "id": 1, "result": {}}, 400, -32600),
        (message("tools/list", meta=None), 400, -32602),
        (message("ping"), 404, -32601),
        (message("tasks/list"), 404, -32601),
        (message("tools/call", name="no.such", arguments={}), 400, -32602),
        (message("tools/call", name="http.request", arguments={"url": "http://localhost"}), 400, -32602),
        (message("tools/call", arguments={}), 400, -32602),
    ],
)
def test_what_is_no_request_of_ours(api: Api, body: Any, status: int, code: int) -> None:
    answer = send(api, body)
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (status, code), answer.get_data(as_text=True)


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"MCP_Protocol_Version": "1999-01-01"}, 400, -32020),
        ({"Mcp_Method": "tools/list"}, 400, -32020),
        ({"Mcp_Method": ""}, 400, -32020),
        ({"Mcp_Name": "get_task"}, 400, -32020),
        ({"Accept": "text/html"}, 406, None),
        ({"Content_Type": "text/plain"}, 400, None),
        ({"Origin": "https://elsewhere.example", "Authorization": "Bearer x"}, 403, None),
        ({"Origin": "https://elsewhere.example"}, 403, None),
        ({"Host": "elsewhere.example"}, 421, 42100),
    ],
)
def test_headers_that_do_not_fit(api: Api, headers: dict[str, str], status: int, code: int | None) -> None:
    answer = send(api, message("tools/call", name="list_tasks", arguments={}), **headers)
    assert answer.status_code == status, answer.get_data(as_text=True)
    assert code is None or answer.get_json()["error"]["code"] == code


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT"])
@pytest.mark.parametrize("path", [PATH, "/mcp"])
def test_there_is_nothing_to_get(api: Api, method: str, path: str) -> None:
    answer = api.send(method, path, headers={"Accept": ACCEPT}, expect=405)
    assert "POST" in answer.headers["Allow"] and answer.get_json()["error"]["code"] == 40500


def test_a_body_has_a_limit(sqlite_url: str, tmp_path: Path) -> None:
    with serving(make_settings(sqlite_url, tmp_path, ORDINAUT_MAX_BODY_BYTES="10000")) as api:
        answer = send(api, message("tools/call", name="list_tasks", arguments={"query": "x" * 20_000}))
        assert (answer.status_code, answer.get_json()["error"]["code"]) == (413, 41300)


@pytest.fixture
def closed(sqlite_url: str, tmp_path: Path) -> Iterator[Guarded]:
    """An installation with tokens, and a limit that a test can reach."""
    with serving(guarded_settings(sqlite_url, tmp_path, ORDINAUT_RATE_LIMIT="20/minute")) as api:
        yield Guarded(api)


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer forged"}, {"Authorization": "Basic YTpi"}])
def test_without_a_good_token_a_client_hears_what_it_takes(closed: Guarded, headers: dict[str, str]) -> None:
    answer = send(closed.api, message("tools/list"), **headers)
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (401, 40100)
    assert answer.headers["WWW-Authenticate"].startswith("Bearer ")
    assert answer.get_json()["error"]["data"]["error"] == "unauthorized"


def test_a_token_sees_and_calls_what_it_may(closed: Guarded) -> None:
    ana = closed.new("ana", "tasks:read", "runs:read")
    listed = send(closed.api, message("tools/list"), **ana).get_json()["result"]["tools"]
    names = {tool["name"] for tool in listed}
    assert "list_tasks" in names and not names & {"create_task", "cancel_task", "decide_approval"}
    call = message("tools/call", name="create_task", arguments={"title": "x", "schedule": "0 9 * * *"})
    answer = send(closed.api, call, **ana)
    assert (answer.status_code, answer.get_json()["error"]["code"], answer.get_json()["id"]) == (403, 40301, 1)
    # All that it needs, with what it has: a client asks for these words and no others.
    needed = "runs:read tasks:create tasks:read"
    assert f'error="insufficient_scope", scope="{needed}"' in answer.headers["WWW-Authenticate"]
    assert send(closed.api, message("tools/call", name="list_tasks", arguments={}), **ana).status_code == 200


def test_a_caller_over_the_limit_hears_when_to_come_back(closed: Guarded) -> None:
    ana = closed.new("ana", "tasks:read")
    answers = [send(closed.api, message("tools/list"), **ana) for _ in range(22)]
    assert answers[-1].status_code == 429 and int(answers[-1].headers["Retry-After"]) > 0
    assert answers[-1].get_json()["error"]["code"] == 42900


def test_calls_are_counted_by_the_tool_that_their_header_names(sqlite_url: str, tmp_path: Path) -> None:
    with serving(guarded_settings(sqlite_url, tmp_path, ORDINAUT_MCP_RATE_LIMIT="2/minute")) as api:
        guarded = Guarded(api)
        ana, bob = guarded.new("ana", "tasks:read"), guarded.new("bob", "tasks:read")
        often = message("tools/call", name="list_tasks", arguments={})
        answers = [send(api, often, **ana) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert int(answers[-1].headers["Retry-After"]) > 0
        assert answers[-1].get_json()["error"]["code"] == 42900
        # Another tool, another caller, and requests that call nothing go on.
        other = message("tools/call", name="preview_schedule", arguments={"schedule": "0 9 * * *"})
        assert send(api, other, **ana).status_code == send(api, often, **bob).status_code == 200
        assert send(api, message("tools/list"), **ana).status_code == 200


def test_what_is_done_is_done_in_the_callers_name(closed: Guarded) -> None:
    ana = closed.new("ana", "tasks:create", "tasks:read")
    arguments = {"title": "x", "schedule": "0 9 * * *", "payload": {"pipeline": STEPS}}
    send(closed.api, message("tools/call", name="create_task", arguments=arguments), **ana)
    root = closed.new("root", "admin")
    (row,) = closed.api.get("/audit?kind=task", headers=root)["items"]
    assert (row["action"], row["actor"]) == ("task.created", closed.api.get("/agents/me", headers=ana)["agent_id"])

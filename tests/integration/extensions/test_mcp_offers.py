"""What extensions offer to assistants: blocks, questions, long runs, prompts and resources, over the endpoint."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.conformance.content import ADDRESS
from tests.integration.access.conftest import KEY, OLD_KEY, Guarded, guarded_settings
from tests.integration.api.conftest import Api, make_settings, serving
from tests.integration.extensions.test_mcp_protocol import META, message, refusal, result, send
from tests.integration.extensions.test_mcp_tasks import asked
from tests.servers import REPOSITORY, Databases

MODEL = str(REPOSITORY / "tests" / "fakes" / "conformance")
CAPABILITIES = "io.modelcontextprotocol/clientCapabilities"
ASKED = {**META, CAPABILITIES: {"elicitation": {}}}
CONFIRM = "test_input_required_result_request_state"
YES = {"confirm": {"action": "accept", "content": {"ok": True}}}
MORE = {"ORDINAUT_EXT_PATHS": MODEL}
OLD = {"MCP_Protocol_Version": "2025-11-25", "Mcp_Method": "", "Mcp_Name": ""}


@pytest.fixture(scope="module")
def api(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """One installation with the extension for all tests of this file, which leave each other alone."""
    folder = tmp_path_factory.mktemp("offers")
    settings = make_settings(databases.sqlite(folder / "ordinaut.db"), folder, ORDINAUT_EXT_PATHS=MODEL)
    with serving(settings) as api:
        yield api


def asking(api: Api, tool: str = CONFIRM, *, meta: Any = ASKED, headers: Any = None, **params: Any) -> Any:
    """The answer to a call from a client that can ask its user."""
    call = message("tools/call", meta=meta, **{"name": tool, "arguments": {}, **params})
    return send(api, call, **(headers or {})).get_json()


def old(api: Api, method: str, **params: Any) -> str:
    """The answer to a request of a client with a handshake, as it comes."""
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    with send(api, body, **OLD) as answer:
        return answer.get_data(as_text=True)


def test_a_tool_is_found_under_the_name_it_has_for_assistants(api: Api) -> None:
    tools = {tool["name"]: tool for tool in result(api, "tools/list")["tools"]}
    dotted = [name for name in tools if name.startswith("ext.conformance.")]
    assert "greet" in tools and dotted == ["ext.conformance.job_that_crashes"], "the one without a name of its own"
    assert tools["json_schema_2020_12_tool"]["inputSchema"] == ADDRESS
    assert "outputSchema" not in tools["test_image_content"]
    for name in ("greet", "ext.conformance.greet"):
        assert result(api, "tools/call", name=name, arguments={"name": "Ana"})["content"][0]["text"] == "Hello, Ana!"


def test_blocks_go_out_as_they_are_with_data_beside_them(api: Api) -> None:
    found = result(api, "tools/call", name="test_multiple_content_types", arguments={})
    assert [block["type"] for block in found["content"]] == ["text", "image", "resource"]
    assert "structuredContent" not in found
    call = message("tools/call", name="test_headers", arguments={"region": "eu"})
    kept = send(api, call, Mcp_Param_Region="eu").get_json()["result"]
    assert kept["structuredContent"] == {"region": "eu"}
    assert send(api, call, Mcp_Param_Region="us").get_json()["error"]["code"] == -32020


def test_blocks_are_plain_data_to_a_step(api: Api) -> None:
    steps = [
        {"id": "shot", "uses": "ext.conformance.greet", "with": {"name": "Ana"}},
        {"id": "said", "uses": "data.set", "with": {"value": "${steps.shot.content[0].text}"}},
    ]
    run_id = api.run(api.task(payload={"pipeline": steps}))
    api.work()
    assert api.get(f"/runs/{run_id}")["output"] == "Hello, Ana!"


def test_a_question_is_answered_in_a_second_call(api: Api) -> None:
    first = asking(api)["result"]
    assert (first["resultType"], set(first["inputRequests"])) == ("input_required", {"confirm"})
    assert "state-ok" not in json.dumps(first), "the state is sealed"
    again = asking(api, inputResponses=YES, requestState=first["requestState"])["result"]
    assert "state-ok" in again["content"][0]["text"]
    declined = {"confirm": {"action": "decline"}}
    assert asking(api, inputResponses=declined, requestState=first["requestState"])["result"]["inputRequests"]


def test_what_cannot_be_undone_is_asked_of_the_user(api: Api) -> None:
    task = api.task()
    arguments = {"task_id": task["id"]}
    question = asking(api, "cancel_task", arguments=arguments)["result"]["inputRequests"]["confirm"]["params"]
    assert question["message"].startswith("cancel_task cannot be undone") and task["id"] in question["message"]
    for answer in ({"action": "decline"}, {"action": "accept", "content": {"confirm": False}}):
        told = asking(api, "cancel_task", arguments=arguments, inputResponses={"confirm": answer})["result"]
        assert told["isError"] and "does not agree" in told["content"][0]["text"]
    assert api.get(f"/tasks/{task['id']}")["status"] == "active"
    yes = {"confirm": {"action": "accept", "content": {"confirm": True}}}
    assert not asking(api, "cancel_task", arguments=arguments, inputResponses=yes)["result"]["isError"]
    assert api.get(f"/tasks/{task['id']}")["status"] == "canceled"


def test_a_client_that_asks_nobody_confirms_by_the_argument(api: Api) -> None:
    arguments = {"task_id": api.task()["id"]}
    assert "confirm: true" in refusal(api, "cancel_task", **arguments)
    assert not result(api, "tools/call", name="cancel_task", arguments={**arguments, "confirm": True})["isError"]


def test_a_question_that_the_client_cannot_answer_says_what_it_takes(api: Api) -> None:
    answer = send(api, message("tools/call", name="test_missing_capability", arguments={}))
    error = answer.get_json()["error"]
    assert (answer.status_code, error["code"]) == (400, -32021)
    assert error["data"] == {"requiredCapabilities": {"sampling": {}}}


@pytest.mark.parametrize("how", ["another tool", "other arguments", "changed", "another key"])
def test_a_state_holds_for_the_call_it_was_made_for(api: Api, how: str) -> None:
    state = asking(api)["result"]["requestState"]
    tool = "test_input_required_result_tampered_state" if how == "another tool" else CONFIRM
    sent = {"changed": state[:-4] + "AAAA", "another key": "v1." + "A" * 60}.get(how, state)
    arguments = {"x": 1} if how == "other arguments" else {}
    answer = asking(api, tool, arguments=arguments, inputResponses=YES, requestState=sent)
    assert answer["error"]["code"] == -32602 and answer["error"]["data"] == {"reason": "invalid_request_state"}


def test_a_state_is_opened_by_every_process_and_for_its_agent_alone(sqlite_url: str, tmp_path: Path) -> None:
    with ExitStack() as stack:
        # The second has a new key already, which it seals with; the first has its only one twice.
        one, other = (
            Guarded(
                stack.enter_context(serving(guarded_settings(sqlite_url, tmp_path, **MORE, ORDINAUT_SECRET_KEYS=ring)))
            )
            for ring in (f"{OLD_KEY},{OLD_KEY}", f"{KEY},{OLD_KEY}")
        )
        ana, ion = one.new("ana", "tools:invoke"), one.new("ion", "tools:invoke")
        state = asking(one.api, headers=ana)["result"]["requestState"]
        answers = {"inputResponses": YES, "requestState": state}
        assert "state-ok" in asking(other.api, headers=ana, **answers)["result"]["content"][0]["text"]
        assert asking(one.api, headers=ion, **answers)["error"]["code"] == -32602


def test_without_keys_of_the_installation_nothing_is_kept_for_later(sqlite_url: str, tmp_path: Path) -> None:
    strict = {"ORDINAUT_ENV": "production", "ORDINAUT_SECRET_KEYS": "", "ORDINAUT_JWT_KEYS": KEY}
    with serving(guarded_settings(sqlite_url, tmp_path, ORDINAUT_EXT_PATHS=MODEL, **strict)) as api:
        ana = Guarded(api).new("ana", "tools:invoke")
        told = asking(api, headers=ana)["result"]
        assert told["isError"] and "ORDINAUT_SECRET_KEYS" in told["content"][0]["text"]
        simple = asking(api, "test_input_required_result_elicitation", headers=ana)["result"]
        assert set(simple["inputRequests"]) == {"user_name"}, "what keeps nothing goes on working"


def test_where_nobody_can_be_asked_the_call_fails(api: Api) -> None:
    told = json.loads(old(api, "tools/call", name=CONFIRM, arguments={}).partition("data: ")[2])
    assert told["result"]["isError"] is True and "question" in told["result"]["content"][0]["text"]
    invoked = api.post("/ext/mcp_http/invoke", {"tool": f"ext.conformance.{CONFIRM}"}, expect=422)
    assert invoked["details"]["type"] == "input_required"
    run_id = api.run(
        api.task(payload={"pipeline": [{"uses": f"ext.conformance.{CONFIRM}", "with": {}}]}, max_retries=0)
    )
    api.work()
    assert api.get(f"/runs/{run_id}")["error"]["type"] == "input_required"


def test_a_client_reads_along_when_it_wants_to(api: Api) -> None:
    told = old(api, "tools/call", name="test_tool_with_logging", arguments={})
    assert [told.count(words) for words in ("Tool processing data", "notifications/message")] == [1, 3]
    for level, lines in (("info", 3), ("error", 0), (None, 0)):
        meta = {**META, **({} if level is None else {"io.modelcontextprotocol/logLevel": level})}
        with send(api, message("tools/call", meta=meta, name="test_logging_tool", arguments={})) as answer:
            assert answer.get_data(as_text=True).count("notifications/message") == lines


def test_a_client_sees_progress_before_the_answer(api: Api) -> None:
    call = message("tools/call", meta={**META, "progressToken": "p"}, name="test_tool_with_progress", arguments={})
    with send(api, call) as answer:
        lines = [line for line in answer.get_data(as_text=True).splitlines() if line.startswith("data: {")]
    messages = [json.loads(line.removeprefix("data: ")) for line in lines]
    assert [one["params"]["progress"] for one in messages[:-1]] == [0, 50, 100]
    assert messages[-1]["result"]["content"][0]["text"] == "Advanced"


def test_an_old_client_is_answered_about_its_session_as_far_as_there_is_one(api: Api) -> None:
    assert json.loads(old(api, "logging/setLevel", level="error"))["result"] == {}
    for method in ("resources/subscribe", "resources/unsubscribe"):
        assert json.loads(old(api, method, uri="test://watched-resource"))["result"] == {}
    unknown = json.loads(old(api, "resources/subscribe", uri="test://nowhere"))
    assert (unknown["error"]["code"], unknown["error"]["data"]) == (-32002, {"uri": "test://nowhere"})


def test_a_run_that_a_tool_starts_is_a_task(api: Api) -> None:
    knows = {**META, CAPABILITIES: {"extensions": {"io.modelcontextprotocol/tasks": {}}}}
    task = asking(api, "slow_compute", meta=knows, arguments={"seconds": 0, "label": "it"})["result"]
    run_id, _, tool = task["taskId"].partition(":")
    assert (task["resultType"], tool, api.get(f"/runs/{run_id}")["status"]) == ("task", "slow_compute", "queued")
    api.work()
    assert asked(api, "tasks/get", task["taskId"])["result"]["result"]["content"][0]["text"] == "Computed it"
    for forged in (f"{run_id}:greet", f"{run_id}:nothing", f"nowhere:{tool}"):
        assert asked(api, "tasks/get", forged)["error"]["code"] == -32602


def test_a_tool_for_tasks_only_refuses_who_knows_none(api: Api) -> None:
    error = asking(api, "failing_job")["error"]
    assert (error["code"], set(error["data"]["requiredCapabilities"]["extensions"])) == (
        -32021,
        {"io.modelcontextprotocol/tasks"},
    )


def test_prompts_and_resources_are_listed_and_given(api: Api) -> None:
    prompts = {one["name"]: one for one in result(api, "prompts/list")["prompts"]}
    assert {"plan_automation", "test_simple_prompt"} <= set(prompts)
    given = result(api, "prompts/get", name="test_prompt_with_arguments", arguments={"arg1": "a", "arg2": "b"})
    assert given["messages"][0]["content"]["text"] == "Prompt with arguments: arg1='a', arg2='b'"
    assert "test://static-text" in [one["uri"] for one in result(api, "resources/list")["resources"]]
    templates = [one["uriTemplate"] for one in result(api, "resources/templates/list")["resourceTemplates"]]
    assert "test://template/{id}/data" in templates
    (found,) = result(api, "resources/read", uri="test://template/7/data")["contents"]
    assert (found["mimeType"], json.loads(found["text"])["id"]) == ("application/json", "7")


@pytest.mark.parametrize(
    ("method", "params", "told"),
    [
        ("prompts/get", {"name": "nothing"}, "Unknown prompt: nothing"),
        (
            "prompts/get",
            {"name": "test_prompt_with_arguments", "arguments": {"arg1": "a"}},
            "arguments.arg2: It is missing",
        ),
        ("prompts/get", {"name": "test_simple_prompt", "arguments": {"x": "y"}}, "arguments.x: It is not known here"),
        ("resources/read", {"uri": "test://nowhere"}, "Resource not found"),
    ],
)
def test_what_is_not_there_is_told_as_the_protocol_has_it(api: Api, method: str, params: Any, told: str) -> None:
    answer = send(api, message(method, **params))
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (400, -32602)
    assert answer.get_json()["error"]["message"] == told


def test_a_reader_without_the_scope_does_not_see_them(sqlite_url: str, tmp_path: Path) -> None:
    with serving(guarded_settings(sqlite_url, tmp_path, ORDINAUT_EXT_PATHS=MODEL)) as api:
        ana = Guarded(api).new("ana", "tasks:read")
        prompts = send(api, message("prompts/list"), **ana).get_json()["result"]["prompts"]
        assert not [one for one in prompts if one["name"].startswith("test_")]
        resources = send(api, message("resources/list"), **ana).get_json()["result"]["resources"]
        assert not [one for one in resources if one["uri"].startswith("test:")]
        read = send(api, message("resources/read", uri="test://static-text"), **ana).get_json()
        assert (read["error"]["code"], read["error"]["message"]) == (-32602, "Resource not found")


def test_a_tool_that_breaks_says_nothing_of_itself(api: Api) -> None:
    assert refusal(api, "test_error_handling") == "This tool intentionally returns an error for testing"

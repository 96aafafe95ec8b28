"""What bad input gets at the endpoint for assistants: a row for each way of being wrong, and the way that is right."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.access.conftest import guarded_settings
from tests.integration.api.conftest import Api, make_settings, serving
from tests.integration.extensions.test_mcp_offers import MODEL, OLD
from tests.integration.extensions.test_mcp_protocol import META, PATH, VERSION, message, send
from tests.servers import Databases

CAPABILITIES = "io.modelcontextprotocol/clientCapabilities"
PROTOCOL = "io.modelcontextprotocol/protocolVersion"
KNOWS = {**META, CAPABILITIES: {"extensions": {"io.modelcontextprotocol/tasks": {}}}}
CALL = message("tools/call", name="list_tasks", arguments={})
OLD_LIST = {"jsonrpc": "2.0", "id": 7, "method": "tools/list"}
PARSE, REQUEST, METHOD, PARAMS, MISMATCH, CAPABILITY, UNSUPPORTED = (
    -32700,
    -32600,
    -32601,
    -32602,
    -32020,
    -32021,
    -32022,
)


@pytest.fixture(scope="module")
def api(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """One installation for all tests of this file, which change nothing."""
    folder = tmp_path_factory.mktemp("refusals")
    settings = make_settings(databases.sqlite(folder / "ordinaut.db"), folder, ORDINAUT_EXT_PATHS=MODEL)
    with serving(settings) as api:
        yield api


def without(name: str) -> dict[str, Any]:
    """The envelope but for one member."""
    return {key: value for key, value in META.items() if key != name}


def raw(params: str) -> bytes:
    """A request whose parameters are written by hand."""
    return f'{{"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {params}}}'.encode()


def sentinel(value: str) -> str:
    """The value as a header has it that cannot hold it as it is."""
    return f"=?base64?{base64.b64encode(value.encode()).decode()}?="


@pytest.mark.parametrize(
    ("body", "headers", "status", "code"),
    [
        # not JSON, or no JSON that can be read
        (b"", {}, 400, PARSE),
        (b"\xff\xfe", {}, 400, PARSE),
        (raw(f'{{"x": {"1" * 5000}}}'), {}, 400, PARSE),
        (raw(f'{{"x": NaN, "_meta": {json.dumps(META)}}}'), {}, 400, PARSE),
        (raw('{"x":' * 50_000), {}, 400, PARSE),
        # JSON, and no request
        (b"null", {}, 400, REQUEST),
        (b"[]", {}, 400, REQUEST),
        ({**message("tools/list"), "id": {}}, {}, 400, REQUEST),
        # types of the body
        (CALL, {"Content_Type": "text/plain"}, 400, REQUEST),
        (OLD_LIST, {**OLD, "Content_Type": "text/plain"}, 415, REQUEST),
        # the envelope
        (message("tools/list", meta=without(PROTOCOL)), {}, 400, PARAMS),
        (message("tools/list", meta=without(CAPABILITIES)), {}, 400, PARAMS),
        (message("tools/list", meta={**META, PROTOCOL: "2099-01-01"}), {}, 400, MISMATCH),
        (
            message("tools/list", meta={**META, PROTOCOL: "2099-01-01"}),
            {"MCP_Protocol_Version": "2099-01-01"},
            400,
            UNSUPPORTED,
        ),
        # headers that say something else than the body
        (message("tools/list"), {"MCP_Protocol_Version": ""}, 400, MISMATCH),
        (CALL, {"Mcp_Name": ""}, 400, MISMATCH),
        (CALL, {"Mcp_Name": "=?base64?!!!?="}, 400, MISMATCH),
        (CALL, {"Mcp_Name": "list_tasks, list_tasks"}, 400, MISMATCH),
        (message("tasks/get", meta=KNOWS, taskId="x"), {"Mcp_Name": "y"}, 400, MISMATCH),
        (message("tasks/get", meta=KNOWS, taskId="x"), {"Mcp_Name": "=?base64?x?="}, 400, MISMATCH),
        # what there is not
        (message("initialize"), {}, 404, METHOD),
        (message("logging/setLevel", level="info"), {}, 404, METHOD),
        (message("resources/subscribe", uri="test://static-text"), {}, 404, METHOD),
        (message("tasks/result", meta=KNOWS, taskId="x"), {}, 404, METHOD),
        (message("tasks/get", taskId="x"), {"Mcp_Name": "x"}, 400, CAPABILITY),
        # parameters
        (message("tools/list", cursor="next"), {}, 400, PARAMS),
        (message("prompts/list", cursor="next"), {}, 400, PARAMS),
        (message("resources/list", cursor="next"), {}, 400, PARAMS),
        (message("resources/templates/list", cursor="next"), {}, 400, PARAMS),
        (message("tools/call", name="list_tasks", arguments=[1]), {}, 400, PARAMS),
        (message("tools/call", name="list_tasks", arguments={}, inputResponses={"x": 5}), {}, 400, PARAMS),
        (message("prompts/get", name="nothing"), {}, 400, PARAMS),
        (
            message(
                "completion/complete", ref={"type": "ref/prompt", "name": "x"}, argument={"name": "a", "value": ""}
            ),
            {},
            400,
            PARAMS,
        ),
        (message("tasks/get", meta=KNOWS, taskId="a/b?c"), {"Mcp_Name": "a/b?c"}, 400, PARAMS),
        (message("subscriptions/listen", notifications=5), {}, 400, PARAMS),
        # who is called
        (CALL, {"Host": "elsewhere.example"}, 421, 42100),
        (CALL, {"Origin": "https://elsewhere.example"}, 403, 40300),
    ],
)
def test_what_is_wrong_is_told(api: Api, body: Any, headers: dict[str, str], status: int, code: int) -> None:
    answer = send(api, body, **headers)
    assert answer.status_code == status, answer.get_data(as_text=True)
    told = answer.get_json()
    assert (told["jsonrpc"], told["error"]["code"]) == ("2.0", code), told


def test_an_unknown_version_is_told_which_are_known(api: Api) -> None:
    body = message("tools/list", meta={**META, PROTOCOL: "2099-01-01"})
    data = send(api, body, MCP_Protocol_Version="2099-01-01").get_json()["error"]["data"]
    assert (data["requested"], VERSION in data["supported"]) == ("2099-01-01", True)


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        # each row: what may be left out, or said in another way
        (message("tools/list", meta=without("io.modelcontextprotocol/clientInfo")), {}),
        (CALL, {"Mcp_Name": sentinel("list_tasks")}),
        (CALL, {"Mcp_Name": " list_tasks "}),
        (CALL, {"Content_Type": "Application/JSON; charset=utf-8"}),
        (OLD_LIST, {**OLD, "Mcp_Session_Id": "long-forgotten"}),
    ],
)
def test_what_may_be_so_is_answered(api: Api, body: Any, headers: dict[str, str]) -> None:
    answer = send(api, body, **headers)
    assert answer.status_code == 200 and "result" in answer.get_json(), answer.get_data(as_text=True)


def test_the_name_of_a_task_may_be_written_in_base64(api: Api) -> None:
    answer = send(api, message("tasks/get", meta=KNOWS, taskId="nowhere"), Mcp_Name=sentinel("nowhere"))
    assert (answer.get_json()["error"]["code"], answer.get_json()["error"]["message"]) == (PARAMS, "Unknown task")


@pytest.mark.parametrize("body", [{"method": "notifications/cancelled"}, {"method": "notifications/nothing"}])
def test_a_notification_is_taken_without_a_word(api: Api, body: dict[str, str]) -> None:
    answer = send(api, {"jsonrpc": "2.0", **body, "params": {"_meta": META, "requestId": 1}})
    assert (answer.status_code, answer.get_data()) == (202, b"")


def test_an_old_client_with_an_unknown_version_hears_one_that_there_is(api: Api) -> None:
    hello = {"protocolVersion": "1999-01-01", "capabilities": {}, "clientInfo": {"name": "old", "version": "1"}}
    body = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello}
    answer = send(api, body, **{**OLD, "MCP_Protocol_Version": ""})
    assert (answer.status_code, answer.get_json()["result"]["protocolVersion"]) == (200, "2025-11-25")


def test_a_tool_that_breaks_is_an_error_that_says_nothing_of_it(api: Api) -> None:
    answer = send(api, message("tools/call", name="ext.conformance.job_that_crashes", arguments={}))
    assert answer.status_code == 200
    assert answer.get_json()["error"] == {"code": -32603, "message": "Internal error"}


def test_a_token_in_the_address_is_none(sqlite_url: str, tmp_path: Path) -> None:
    with serving(guarded_settings(sqlite_url, tmp_path)) as closed:
        answer = send(closed, message("tools/list"), path=f"{PATH}?access_token=oat_x")
        assert (answer.status_code, answer.get_json()["error"]["code"]) == (401, 40100)
        assert answer.headers["WWW-Authenticate"].startswith("Bearer ")


def test_a_name_that_is_not_allowed_is_misdirected_too(sqlite_url: str, tmp_path: Path) -> None:
    with serving(make_settings(sqlite_url, tmp_path, ORDINAUT_ALLOWED_HOSTS="localhost")) as api:
        answer = send(api, CALL, Host="elsewhere.example")
        assert (answer.status_code, answer.get_json()["error"]["code"]) == (421, 42100)

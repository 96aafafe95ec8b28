"""llm.complete against a service on loopback that speaks the OpenAI protocol."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from app.tools.llm import LanguageModel, llm_complete_tool
from ordinaut.tools import Tool
from tests.fakes.http_target import http_target
from tests.fakes.llm_server import LlmServer, Reply, completion, llm_server
from tests.fakes.tool_calls import tool_call
from tests.integration.tools.conftest import failure

KEY = "sk-canary-0123456789"
SCHEMA = {"type": "object", "required": ["ok"], "properties": {"ok": {"type": "boolean"}}}
ASK = {"prompt": "Is it?"}
ASK_JSON = {**ASK, "response_schema": SCHEMA}


@pytest.fixture
def server() -> Iterator[LlmServer]:
    with llm_server() as one:
        yield one


@pytest.fixture
def tool(server: LlmServer) -> Tool:
    return llm_complete_tool(LanguageModel(url=server.url, key=KEY, model="tiny"))


def test_an_answer_and_its_cost(tool: Tool, server: LlmServer) -> None:
    answer = tool.run(tool_call({**ASK, "system": "Be kind.", "temperature": 0, "max_tokens": 9}))
    assert answer == {
        "text": "Good morning",
        "json": None,
        "model": "tiny-1",
        "finish_reason": "stop",
        "usage": {"input_tokens": 12, "output_tokens": 3, "total_tokens": 15},
    }
    asked = server.asked[0]
    headers = asked.pop("headers")
    assert headers["authorization"] == f"Bearer {KEY}"
    assert headers["idempotency-key"] == "run-1:step-1"
    messages = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Is it?"}]
    expected = {"model": "tiny", "messages": messages, "temperature": 0, "max_tokens": 9}
    assert asked == {"path": "/v1/chat/completions", **expected}


def test_a_conversation_for_another_model(tool: Tool, server: LlmServer) -> None:
    messages = [{"role": "user", "content": "One"}, {"role": "assistant", "content": "Two"}]
    tool.run(tool_call({"model": "large", "messages": messages}))
    assert (server.asked[0]["model"], server.asked[0]["messages"]) == ("large", messages)


def test_an_answer_that_fits_the_schema_is_a_value(tool: Tool, server: LlmServer) -> None:
    server.reply = Reply(completion('{"ok": true}'))
    assert tool.run(tool_call(ASK_JSON))["json"] == {"ok": True}
    shape = {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA}}
    assert server.asked[0]["response_format"] == shape


@pytest.mark.parametrize(
    ("reply", "kind", "retryable"),
    [
        (completion('{"ok": "yes"}'), "answer_unfit", True),
        (completion("Sure!"), "answer_unfit", True),
        # the same words would be cut again
        (completion('{"ok": tr', "length"), "answer_unfit", False),
        (completion(None, refusal="I would rather not."), "answer_refused", False),
        (completion(None), "invalid_response", True),
        ({"choices": []}, "invalid_response", True),
        ("<html>", "invalid_response", True),
        ([1], "invalid_response", True),
    ],
)
def test_an_answer_that_will_not_do(tool: Tool, server: LlmServer, reply: Any, kind: str, retryable: bool) -> None:
    server.reply = Reply(reply)
    failed = failure(tool, ASK_JSON)
    assert (failed.type, failed.retryable) == (kind, retryable)
    # The step's retries are the only ones.
    assert len(server.asked) == 1


def test_what_does_not_fit_is_told(tool: Tool, server: LlmServer) -> None:
    server.reply = Reply(completion('{"ok": "yes"}'))
    details = failure(tool, ASK_JSON).details
    assert [one["pointer"] for one in details["problems"]] == ["/ok"]
    assert (details["answer_excerpt"], details["usage"]["total_tokens"]) == ('{"ok": "yes"}', 15)


@pytest.mark.parametrize(
    ("status", "retryable"),
    [(400, False), (401, False), (404, False), (408, True), (429, True), (500, True), (503, True)],
)
def test_statuses(tool: Tool, server: LlmServer, status: int, retryable: bool) -> None:
    server.reply = Reply({"error": {"message": f"{KEY} is no good"}}, status, {"Retry-After": "7"})
    failed = failure(tool, ASK)
    assert (failed.type, failed.retryable) == ("unexpected_status", retryable)
    assert (failed.details["status"], failed.details["retry_after_seconds"]) == (status, 7)
    assert "canary" not in f"{failed.message} {failed.details}"


def test_a_refused_key_is_not_repeated_in_part(tool: Tool, server: LlmServer) -> None:
    server.reply = Reply({"error": {"message": "Incorrect API key provided: sk-canary-01***"}}, 401)
    assert "body_excerpt" not in failure(tool, ASK).details


def test_a_redirect_is_not_followed(tool: Tool, server: LlmServer) -> None:
    with http_target() as other:
        server.reply = Reply("", 307, {"Location": other.url("/echo")})
        assert failure(tool, ASK).type == "unexpected_status"
    assert not other.received


def test_counts_that_are_not_given_are_null(tool: Tool, server: LlmServer) -> None:
    server.reply = Reply({**completion("Hm"), "usage": None, "model": 3})
    answer = tool.run(tool_call(ASK))
    assert (answer["model"], set(answer["usage"].values())) == (None, {None})


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({}, "`prompt` or `messages`"),
        ({**ASK, "messages": [{"role": "user", "content": "a"}]}, "`prompt` or `messages`"),
        ({**ASK, "response_schema": {"type": "canary"}}, "`response_schema`"),
        ({**ASK, "response_schema": {"$ref": "https://schemas.example/x"}}, "`response_schema`"),
    ],
)
def test_arguments_that_contradict(tool: Tool, server: LlmServer, arguments: dict[str, Any], says: str) -> None:
    failed = failure(tool, arguments)
    assert (failed.type, failed.retryable) == ("invalid_arguments", False)
    assert says in failed.message and "canary" not in failed.message
    assert not server.asked


def test_a_model_has_to_come_from_somewhere(server: LlmServer) -> None:
    tool = llm_complete_tool(LanguageModel(url=server.url))
    assert "ORDINAUT_LLM_MODEL" in failure(tool, ASK).message
    assert tool.run(tool_call({**ASK, "model": "tiny"}))["text"] == "Good morning"
    assert "authorization" not in server.asked[0]["headers"]


def test_without_a_service_it_says_what_is_missing() -> None:
    failed = failure(llm_complete_tool(None), ASK)
    assert (failed.type, failed.retryable) == ("not_configured", False)
    assert "ORDINAUT_LLM_BASE_URL" in failed.message


def test_the_key_is_not_in_what_is_printed() -> None:
    assert KEY not in repr(LanguageModel(url="https://a.example", key=KEY))

"""`webhook.send` against a real receiver."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from app.tools.http_safety import HttpPolicy
from app.tools.webhooks import webhook_send_tool
from ordinaut import Caller
from ordinaut.tools import Tool, ToolFailed
from tests.fakes.http_target import HttpTarget
from tests.fakes.tool_calls import tool_call
from tests.integration.tools.conftest import failure, loopback

KEY = b"0123456789abcdef0123456789abcdef"
STORED = {"SIGNING": "whsec_" + base64.b64encode(KEY).decode()}


def stored(names: Sequence[str]) -> Mapping[str, str]:
    return {name: STORED[name] for name in names if name in STORED}


@pytest.fixture(scope="module")
def tool() -> Tool:
    return webhook_send_tool(HttpPolicy.parse("127.0.0.1, a.example"), stored, resolve=loopback)


def arguments(target: HttpTarget, path: str = "/echo", **more: Any) -> dict[str, Any]:
    return {"url": target.url(path), "payload": {"type": "paid", "data": {"n": 1}}, "secret": "SIGNING", **more}


def test_a_message_is_signed_and_its_id_stays(tool: Tool, target: HttpTarget) -> None:
    outputs = [tool.run(tool_call(arguments(target, headers={"X-Shop": "7"}))) for _ in range(2)]
    first, second = (request["headers"] for request in target.received)
    assert first["webhook-id"] == second["webhook-id"] == outputs[0]["message_id"] == outputs[1]["message_id"]
    body = target.received[0]["body"]
    signed = f"{first['webhook-id']}.{first['webhook-timestamp']}.{body}".encode()
    expected = base64.b64encode(hmac.new(KEY, signed, hashlib.sha256).digest()).decode()
    assert first["webhook-signature"] == f"v1,{expected}"
    assert (json.loads(body), first["x-shop"]) == ({"type": "paid", "data": {"n": 1}}, "7")


def test_another_step_has_another_id(tool: Tool, target: HttpTarget) -> None:
    one = tool.run(tool_call(arguments(target)))
    other = tool.run(replace(tool_call(arguments(target)), idempotency_key="run-1:step-2"))
    assert one["message_id"] != other["message_id"]


FAILURES = [
    ("/status/500", {}, "unexpected_status", True),
    ("/status/410", {}, "unexpected_status", False),
    ("/redirect?to=/echo", {}, "unexpected_status", False),
    ("/hang", {"timeout_seconds": 0.2}, "timeout", True),
    ("/echo", {"secret": "MISSING"}, "invalid_arguments", False),
    ("/echo", {"url": "http://10.0.0.1/"}, "address_refused", False),
]


@pytest.mark.parametrize(("path", "more", "kind", "retryable"), FAILURES)
def test_how_it_fails(
    tool: Tool, target: HttpTarget, path: str, more: dict[str, Any], kind: str, retryable: bool
) -> None:
    failed = failure(tool, arguments(target, path, **more))
    assert (failed.type, failed.retryable) == (kind, retryable)


def test_it_takes_the_right_to_use_secrets(tool: Tool, target: HttpTarget) -> None:
    call = replace(tool_call(arguments(target)), caller=Caller("ana", frozenset({"tools:invoke"})))
    with pytest.raises(ToolFailed) as caught:
        tool.run(call)
    assert caught.value.type == "forbidden"
    assert target.received == []

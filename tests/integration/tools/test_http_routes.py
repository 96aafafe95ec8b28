"""Where http.request goes: redirects, names and addresses, kept connections."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from app.tools.http import http_request_tool
from app.tools.http_safety import HttpPolicy
from ordinaut.tools import Tool
from tests.fakes.http_target import HttpTarget, http_target
from tests.fakes.tool_calls import tool_call
from tests.integration.tools.conftest import failure


@pytest.mark.parametrize(
    ("method", "status", "arrives_as"),
    [
        ("GET", 302, "GET"),
        ("POST", 302, "GET"),
        ("POST", 303, "GET"),
        ("PUT", 303, "GET"),
        ("POST", 307, "POST"),
        ("POST", 308, "POST"),
        ("PUT", 301, "PUT"),
    ],
)
def test_redirects_are_followed_as_the_standard_says(
    tool: Tool, target: HttpTarget, method: str, status: int, arrives_as: str
) -> None:
    body = {} if method == "GET" else {"json": {"a": 1}}
    url = target.url(f"/redirect?status={status}&to=/echo")
    auth = {"type": "bearer", "token": "canary"}
    seen = tool.run(tool_call({"url": url, "method": method, "auth": auth, **body}))["body"]
    assert seen["method"] == arrives_as
    assert seen["body"] == ('{"a":1}' if arrives_as != "GET" else "")
    assert seen["headers"]["authorization"] == "Bearer canary"


def test_credentials_do_not_cross_to_another_host(tool: Tool, target: HttpTarget) -> None:
    url = target.url(f"/redirect?to={target.url('/echo', 'b.example')}", "a.example")
    headers = {"X-Api-Key": "canary", "Cookie": "canary", "Accept-Language": "ro"}
    auth = {"type": "bearer", "token": "canary"}
    seen = tool.run(tool_call({"url": url, "headers": headers, "auth": auth}))["body"]
    assert seen["headers"]["host"] == f"b.example:{target.port}"
    assert seen["headers"]["accept-language"] == "ro"
    assert "canary" not in str(seen)


@pytest.mark.parametrize(
    ("to", "kind"),
    [
        ("http://169.254.169.254/latest/meta-data/", "address_refused"),
        ("http://[::1]/", "address_refused"),
        ("//10.0.0.1/", "address_refused"),
        ("file:///etc/passwd", "invalid_url"),
        ("http://user:pw@b.example/", "invalid_url"),
    ],
)
def test_every_hop_is_checked_anew(tool: Tool, target: HttpTarget, to: str, kind: str) -> None:
    failed = failure(tool, {"url": target.url(f"/redirect?to={to}")})
    assert (failed.type, failed.retryable) == (kind, False)


def test_redirects_end_after_three(tool: Tool, target: HttpTarget) -> None:
    assert failure(tool, {"url": target.url("/loop")}).type == "redirect_refused"
    assert len(target.received) == 4


def test_a_body_is_not_carried_to_another_host(tool: Tool, target: HttpTarget) -> None:
    url = target.url(f"/redirect?status=307&to={target.url('/echo', 'b.example')}", "a.example")
    assert failure(tool, {"url": url, "method": "POST", "body": "secret"}).type == "redirect_refused"
    assert len(target.received) == 1


@pytest.mark.parametrize("extra", [{"expect_status": 302}, {"follow_redirects": False, "expect_status": "3xx"}])
def test_a_redirect_that_was_asked_for_is_the_answer(tool: Tool, target: HttpTarget, extra: dict[str, Any]) -> None:
    answer = tool.run(tool_call({"url": target.url("/redirect?to=/echo"), **extra}))
    assert (answer["status"], answer["headers"]["location"], answer["body"]) == (302, "/echo", None)


def test_a_name_is_looked_up_once_and_that_address_is_used(target: HttpTarget) -> None:
    """DNS that says the admitted address first and another later (rebinding) gains nothing."""
    answers = iter([["127.0.0.1"], ["127.0.0.2"]])
    looked_up: list[str] = []

    def resolve(host: str, port: int) -> Sequence[str]:
        looked_up.append(host)
        return next(answers)

    tool = http_request_tool(HttpPolicy.parse("127.0.0.1"), resolve=resolve)
    arguments = {"url": target.url("/echo", "rebind.example")}
    seen = tool.run(tool_call(arguments))["body"]
    assert (looked_up, seen["headers"]["host"]) == (["rebind.example"], f"rebind.example:{target.port}")
    # The kept connection does not help either: the second call checks the second answer.
    assert failure(tool, arguments).type == "address_refused"
    assert len(target.received) == 1


def test_public_first_andloopback_second_is_refused_on_the_second_hop() -> None:
    answers = iter([["8.8.8.8"], ["127.0.0.1"]])
    tool = http_request_tool(HttpPolicy(), resolve=lambda host, port: next(answers))
    # No time is left for the first, which is public: it is tried and not refused.
    first = failure(tool, {"url": "http://rebind.example/", "timeout_seconds": 0.01})
    assert first.type != "address_refused"
    assert failure(tool, {"url": "http://rebind.example/"}).type == "address_refused"


def test_the_next_address_is_tried_when_one_does_not_answer(target: HttpTarget) -> None:
    tool = http_request_tool(HttpPolicy.parse("a.example"), resolve=lambda host, port: ["::1", "127.0.0.1"])
    assert tool.run(tool_call({"url": target.url("/echo", "a.example")}))["status"] == 200


def test_proxies_of_the_environment_play_no_part(
    tool: Tool, target: HttpTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert tool.run(tool_call({"url": target.url("/echo")}))["status"] == 200


def test_connections_are_kept_for_repeatable_methods_only(target: HttpTarget) -> None:
    tool = http_request_tool(HttpPolicy.parse("127.0.0.1"))
    for method in ("GET", "GET", "POST", "POST"):
        tool.run(tool_call({"url": target.url("/echo"), "method": method}))
    clients = [tuple(one["client"]) for one in target.received]
    assert clients[0] == clients[1]
    assert len(set(clients)) == 3


def test_a_kept_connection_that_died_is_replaced() -> None:
    tool = http_request_tool(HttpPolicy.parse("127.0.0.1"))
    with http_target() as server:
        assert tool.run(tool_call({"url": server.url("/echo")}))["status"] == 200
        # A page that closes after its keep-alive answer; the next request arrives on a dead connection.
        assert failure(tool, {"url": server.url("/dies")}).type == "connect_error"
        assert [one["path"] for one in server.received] == ["/echo", "/dies", "/dies"]
        assert tool.run(tool_call({"url": server.url("/echo")}))["status"] == 200

"""http.request against a real server on loopback, which the policy admits."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import pytest

from app.tools.http import retry_after_seconds
from ordinaut import __version__
from ordinaut.tools import Tool
from tests.fakes.http_target import HttpTarget, http_target
from tests.fakes.tool_calls import Lines, tool_call
from tests.integration.tools.conftest import failure


def test_a_json_answer_is_parsed(tool: Tool, target: HttpTarget) -> None:
    answer = tool.run(
        tool_call(
            {
                "url": target.url("/echo?a=1#part"),
                "query": {"b": [1, "ă"], "c": True, "d": None},
                "headers": {"X-Count": 3, "accept": "text/csv"},
            }
        )
    )
    assert answer["status"] == 200
    assert answer["headers"]["content-type"] == "application/json"
    assert 0 <= answer["elapsed_ms"] < 5000
    seen = answer["body"]
    assert (seen["method"], seen["path"]) == ("GET", "/echo")
    assert seen["query"] == {"a": ["1"], "b": ["1", "ă"], "c": ["true"]}
    assert seen["headers"]["user-agent"] == f"Ordinaut/{__version__}"
    assert seen["headers"]["host"] == f"127.0.0.1:{target.port}"
    assert (seen["headers"]["x-count"], seen["headers"]["accept"]) == ("3", "text/csv")
    assert "idempotency-key" not in seen["headers"]


@pytest.mark.parametrize(
    ("extra", "body", "content_type", "key"),
    [
        ({"method": "POST", "json": {"a": "ă"}}, '{"a":"ă"}', "application/json", "run-1:step-1"),
        ({"method": "POST", "json": None}, "null", "application/json", "run-1:step-1"),
        ({"method": "PUT", "body": "ă"}, "ă", "text/plain; charset=utf-8", "run-1:step-1"),
        ({"method": "DELETE"}, "", None, "run-1:step-1"),
        # what the author sets wins
        (
            {
                "method": "PATCH",
                "body": "<a/>",
                "headers": {"content-type": "text/xml", "idempotency-key": "own"},
            },
            "<a/>",
            "text/xml",
            "own",
        ),
    ],
)
def test_bodies_and_idempotency_keys(
    tool: Tool, target: HttpTarget, extra: dict[str, Any], body: str, content_type: str | None, key: str
) -> None:
    seen = tool.run(tool_call({"url": target.url("/echo"), **extra}))["body"]
    assert seen["body"] == body
    assert seen["headers"].get("content-type") == content_type
    assert seen["headers"]["idempotency-key"] == key


@pytest.mark.parametrize(
    ("auth", "header"),
    [
        ({"type": "basic", "username": "ann", "password": "canary"}, "Basic YW5uOmNhbmFyeQ=="),
        ({"type": "bearer", "token": "canary"}, "Bearer canary"),
    ],
)
def test_credentials_are_sent_and_never_said(tool: Tool, target: HttpTarget, auth: dict[str, str], header: str) -> None:
    # The page says the header back, as a careless service does.
    failed = failure(tool, {"url": target.url("/status/403"), "auth": auth})
    assert target.received[0]["headers"]["authorization"] == header
    assert failed.details["body_excerpt"] == "no luck [redacted]"
    assert "canary" not in str(failed) + str(failed.details)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/chunked", "one two three"),
        ("/gzip?size=100000", "a" * 100_000),
        ("/body?type=application/json&text=[1,2]", [1, 2]),
        ("/body?type=application/problem%2Bjson;charset=utf-8&text={}", {}),
        ("/body?type=application/json", None),  # empty
        ("/body?type=application/json&text=" + "[" * 4 + "7" + "]" * 4, [[[[7]]]]),
        ("/body?type=text/html&text=<p>", "<p>"),
        ("/body?type=text/plain;charset=iso-8859-2&charset=iso-8859-2&text=%C5%9Fi", "şi"),
        ("/body?type=text/plain;charset=zlib_codec&text=x", "x"),  # no character set
        ("/body?type=text/plain&text=a%00b", "a\ufffdb"),
    ],
)
def test_bodies_come_as_values_or_text(tool: Tool, target: HttpTarget, path: str, body: Any) -> None:
    assert tool.run(tool_call({"url": target.url(path)}))["body"] == body


@pytest.mark.parametrize("text", ["ok", "NaN", "[" * 65 + "]" * 65, "[" * 5000])
def test_what_only_claims_to_be_json_stays_text_with_a_warning(tool: Tool, target: HttpTarget, text: str) -> None:
    lines = Lines()
    url = target.url(f"/body?type=application/json&text={text}")
    assert tool.run(tool_call({"url": url}, log=lines))["body"] == text
    assert [level for level, _ in lines.written] == ["warning"]


def test_cookies_of_the_answer_are_masked(tool: Tool, target: HttpTarget) -> None:
    answer = tool.run(tool_call({"url": target.url("/body?type=text/plain&text=x")}))
    assert answer["headers"]["set-cookie"] == "[redacted]"
    assert "canary" not in str(answer)


@pytest.mark.parametrize(
    ("path", "expect", "retryable"),
    [
        ("/status/404", "2xx", False),
        ("/status/408", "2xx", True),
        ("/status/425", "2xx", True),
        ("/status/429", "2xx", True),
        ("/status/500", "2xx", True),
        ("/status/503", [200, "4xx"], True),
        ("/status/200", "201-299", False),
        ("/status/200", 201, False),
    ],
)
def test_an_unexpected_status_is_an_error(
    tool: Tool, target: HttpTarget, path: str, expect: Any, retryable: bool
) -> None:
    failed = failure(tool, {"url": target.url(path), "expect_status": expect})
    assert (failed.type, failed.retryable) == ("unexpected_status", retryable)
    assert failed.details["status"] == int(path[-3:])
    assert failed.details["body_excerpt"] == "no luck "


@pytest.mark.parametrize("expect", [404, "4xx", "400-404", [200, "404-410"]])
def test_an_expected_status_is_an_answer(tool: Tool, target: HttpTarget, expect: Any) -> None:
    assert tool.run(tool_call({"url": target.url("/status/404"), "expect_status": expect}))["status"] == 404


def test_retry_after_is_handed_on(tool: Tool, target: HttpTarget) -> None:
    assert failure(tool, {"url": target.url("/status/429?retry_after=7")}).details["retry_after_seconds"] == 7


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0),
        ("120", 120),
        ("9" * 50, 86_400),
        ("Tue, 24 Nov 2026 12:01:00 GMT", 60),
        ("Tue, 24 Nov 2026 11:00:00 GMT", 0),  # past
        ("", None),
        ("soon", None),
        ("-5", None),
    ],
)
def test_retry_after_is_a_number_or_a_date(value: str, seconds: int | None) -> None:
    assert retry_after_seconds(value, datetime(2026, 11, 24, 12, tzinfo=UTC)) == seconds


@pytest.mark.parametrize(
    ("path", "kind", "retryable"),
    [
        ("/gzip?size=50000000", "response_too_large", False),  # 48 kB on the wire
        ("/large", "response_too_large", False),
        ("/many-headers", "response_too_large", False),
        ("/long-header", "response_too_large", False),
        ("/big-headers", "response_too_large", False),
        ("/gzip?size=1000&cut=9", "invalid_response", True),
        ("/brotli", "invalid_response", True),
        ("/noise", "invalid_response", True),
        ("/dies", "connect_error", True),
        ("/cut", "connect_error", True),
    ],
)
def test_answers_that_cannot_be_used(tool: Tool, target: HttpTarget, path: str, kind: str, retryable: bool) -> None:
    failed = failure(tool, {"url": target.url(path)})
    assert (failed.type, failed.retryable) == (kind, retryable), failed.message


@pytest.mark.parametrize("path", ["/hang", "/drip?part=head", "/drip?part=body"])
@pytest.mark.parametrize(("arguments", "seconds"), [({"timeout_seconds": 0.3}, 9.0), ({}, 0.3)])
def test_no_answer_outlasts_its_time(
    tool: Tool, target: HttpTarget, path: str, arguments: dict[str, Any], seconds: float
) -> None:
    started = time.monotonic()
    failed = failure(tool, {"url": target.url(path), **arguments}, seconds=seconds)
    assert (failed.type, failed.retryable) == ("timeout", True)
    assert time.monotonic() - started < 2


@pytest.mark.parametrize("path", ["/hang", "/drip?part=body", "/large"])
def test_a_stopped_run_stops_its_request(tool: Tool, target: HttpTarget, path: str) -> None:
    failed = failure(tool, {"url": target.url(path)}, should_stop=lambda: bool(target.received))
    assert failed.type == "stopped"


def test_nobody_listening_is_a_connect_error(tool: Tool) -> None:
    with http_target() as gone:
        url = gone.url("/")
    failed = failure(tool, {"url": url})
    assert (failed.type, failed.retryable) == ("connect_error", True)


def test_plain_http_behind_https_is_a_tls_error(tool: Tool, target: HttpTarget) -> None:
    assert failure(tool, {"url": target.url("/echo").replace("http:", "https:")}).type == "tls_error"


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "other.example"},
        {"hOST": "other.example"},
        {"Content-Length": "0"},
        {"Transfer-Encoding": "chunked"},
        {"Connection": "upgrade"},
        {"X": "a\r\nHost: b"},
        {"X": "a\nb"},
        {"X": "a\x00b"},
        {"X: y\r\nZ": "a"},
        {"": "a"},
        {"X": "ș"},
        {"X-A": "1", "x-a": "2"},
    ],
)
def test_headers_that_would_change_the_framing_are_refused(
    tool: Tool, target: HttpTarget, headers: dict[str, str]
) -> None:
    failed = failure(tool, {"url": target.url("/echo"), "headers": headers})
    assert (failed.type, failed.retryable) == ("invalid_arguments", False)
    assert target.received == []


@pytest.mark.parametrize(
    "extra",
    [
        {"json": 1, "body": "x"},
        {"auth": {"type": "bearer", "token": "x\r\ny"}},
        {"auth": {"type": "bearer", "token": "x"}, "headers": {"authorization": "y"}},
        {"json": "x" * 1_048_577},
    ],
)
def test_arguments_that_contradict_are_refused(tool: Tool, target: HttpTarget, extra: dict[str, Any]) -> None:
    failed = failure(tool, {"url": target.url("/echo"), "method": "POST", **extra})
    assert failed.type == "invalid_arguments"

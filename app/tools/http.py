"""`http.request`: one HTTP exchange with a service on the internet, or one the operator admits."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from app.domain.texts import t
from app.tools.http_arguments import is_secret_name, request_of, secrets_of
from app.tools.http_body import NotJson, is_json, parsed_json, text_of
from app.tools.http_client import HttpAnswer, HttpClient, HttpRequest
from app.tools.http_connection import Watch
from app.tools.http_safety import HttpPolicy, Resolver, system_addresses
from app.tools.http_schema import EXAMPLES, MAX_SECONDS, OUTPUT_SCHEMA, SCHEMA
from ordinaut.tools import Tool, ToolCall, ToolFailed

_MASK = "[redacted]"
_EXCERPT = 300
_MAX_RETRY_AFTER = 86_400
_RETRYABLE = frozenset({408, 425, 429})


def http_request_tool(policy: HttpPolicy, *, resolve: Resolver = system_addresses) -> Tool:
    """The tool `http.request`; its connections are kept from call to call.

    Args:
        policy: What may be reached beyond the public internet.
        resolve: Looks names up; tests bring their own.
    """
    client = HttpClient(policy=policy, resolve=resolve)

    def run(call: ToolCall) -> dict[str, Any]:
        return exchanged(client, call, request_of(call))

    return Tool(
        name="http.request",
        description=(
            t(
                "Sends an HTTP request and returns status, headers and body. A status outside "
                "`expect_status` is an error, and private addresses are refused unless the operator "
                "admits them."
            )
        ),
        schema=SCHEMA,
        output_schema=OUTPUT_SCHEMA,
        run=run,
        examples=EXAMPLES,
    )


def exchanged(client: HttpClient, call: ToolCall, request: HttpRequest) -> dict[str, Any]:
    """Send the request of a call; what `OUTPUT_SCHEMA` describes.

    Raises:
        ToolFailed: as `HttpClient.send`, and `unexpected_status`.
    """
    started = time.monotonic()
    seconds = min(call.arguments.get("timeout_seconds", MAX_SECONDS), MAX_SECONDS)
    answer = client.send(request, Watch(min(started + seconds, call.deadline), call.should_stop))
    if not request.expected(answer.status):
        raise _unexpected(answer, request, secrets_of(request, call.arguments))
    return {
        "status": answer.status,
        "headers": _shown(answer.headers),
        "body": _value(answer, call),
        "elapsed_ms": round((time.monotonic() - started) * 1000),
    }


def _value(answer: HttpAnswer, call: ToolCall) -> Any:
    if not answer.body:
        return None
    content_type = answer.headers.get("content-type", "")
    if is_json(content_type):
        try:
            return parsed_json(answer.body)
        except NotJson as error:
            # Services that answer a bare `ok` as JSON are common, and the effect has happened: no failure.
            call.log("warning", f"The answer says it is JSON but is {error}; it is kept as text")
    return text_of(answer.body, content_type)


def _shown(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: _MASK if is_secret_name(name) else value for name, value in headers.items()}


def _unexpected(answer: HttpAnswer, request: HttpRequest, secrets: list[str]) -> ToolFailed:
    details: dict[str, Any] = {"status": answer.status, "method": request.method, "host": answer.host}
    # Masked before it is cut, else half a credential at the edge would slip through.
    text = text_of(answer.body, answer.headers.get("content-type", ""))
    for secret in secrets:
        text = text.replace(secret, _MASK)
    if text:
        details["body_excerpt"] = text[:_EXCERPT]
    after = retry_after_seconds(answer.headers.get("retry-after", ""), datetime.now(UTC))
    if after is not None:
        details["retry_after_seconds"] = after
    return ToolFailed(
        t("{host} answered with status {status}", host=answer.host, status=answer.status),
        type="unexpected_status",
        retryable=answer.status >= 500 or answer.status in _RETRYABLE,
        details=details,
    )


def retry_after_seconds(value: str, now: datetime) -> int | None:
    """Seconds of a Retry-After (RFC 9110 10.2.3), number or date, a day at most; None for neither."""
    text = value.strip()
    if text.isascii() and text.isdigit():
        return min(int(text[:10]), _MAX_RETRY_AFTER)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return min(max(round((moment - now).total_seconds()), 0), _MAX_RETRY_AFTER)

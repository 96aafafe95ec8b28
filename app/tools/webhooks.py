"""`webhook.send`: one signed message to another service, and the same for what subscriptions send."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from app.domain.errors import InvalidInput
from app.domain.scopes import USE_SECRETS
from app.domain.signatures import signed_headers
from app.domain.texts import t
from app.domain.webhooks import EXCERPT, Attempt
from app.tools.http import exchanged, retry_after_seconds
from app.tools.http_arguments import request_of
from app.tools.http_body import text_of
from app.tools.http_client import HttpClient, HttpRequest
from app.tools.http_connection import Watch
from app.tools.http_safety import HttpPolicy, Resolver, parse_target, system_addresses
from app.tools.http_schema import MAX_SECONDS, OUTPUT_SCHEMA
from ordinaut import __version__
from ordinaut.tools import Tool, ToolCall, ToolFailed

Secrets = Callable[[Sequence[str]], Mapping[str, str]]
"""What stored secrets hold; those that do not exist are missing."""
MAX_ANSWER = 65_536
"""Bytes of a receiver's answer that are read: nobody needs them but people who look for a mistake."""

_SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["url", "payload", "secret"],
    "properties": {
        "url": {
            "type": "string",
            "minLength": 1,
            "maxLength": 8192,
            "description": "Absolute http or https URL without user name and password.",
        },
        "payload": {"type": "object", "description": "Sent as JSON; `type`, `timestamp` and `data` are customary."},
        "secret": {
            "type": "string",
            "pattern": "^[A-Za-z_][A-Za-z0-9_]{0,99}$",
            "description": "Name of the stored secret that signs it, `whsec_` and base64.",
        },
        "headers": {
            "type": "object",
            "maxProperties": 50,
            "additionalProperties": {"type": ["string", "number", "boolean"], "maxLength": 8192},
            "description": "Headers to send beside those of the signature.",
        },
        "timeout_seconds": {
            "type": "number",
            "exclusiveMinimum": 0,
            "maximum": MAX_SECONDS,
            "default": MAX_SECONDS,
            "description": "How long the whole exchange may take.",
        },
    },
}
_EXAMPLE: dict[str, Any] = {
    "url": "https://api.example.com/webhooks",
    "payload": {"type": "order.paid", "timestamp": "${now}", "data": {"order": 42}},
    "secret": "EXAMPLE_SIGNING",
}
_OUTPUT: dict[str, Any] = {
    **OUTPUT_SCHEMA,
    "required": [*OUTPUT_SCHEMA["required"], "message_id"],
    "properties": {
        **OUTPUT_SCHEMA["properties"],
        "message_id": {"type": "string", "description": "The `webhook-id`, the same on every attempt of the step."},
    },
}


def webhook_send_tool(policy: HttpPolicy, secrets: Secrets, *, resolve: Resolver = system_addresses) -> Tool:
    """The tool `webhook.send`; where it may send is where `http.request` may.

    Args:
        secrets: Looks up what signs.
    """
    client = HttpClient(policy=policy, resolve=resolve)

    def run(call: ToolCall) -> dict[str, Any]:
        secret = _secret(call, secrets)
        arguments = {name: value for name, value in call.arguments.items() if name not in ("payload", "secret")}
        arguments |= {"method": "POST", "json": call.arguments["payload"], "follow_redirects": False}
        plain = replace(call, arguments=arguments)
        request = request_of(plain)
        message_id = "msg_" + hashlib.sha256(call.idempotency_key.encode()).hexdigest()[:32]
        headers = {**request.headers, **signed_headers(message_id, request.body or b"", [secret], int(time.time()))}
        return {**exchanged(client, plain, replace(request, headers=headers)), "message_id": message_id}

    return Tool(
        name="webhook.send",
        description=t(
            "Sends a JSON message signed as Standard Webhooks says. Its id stays the same when the step is repeated; a "
            "status other than 2xx is an error, redirects are not followed, and private addresses are refused unless "
            "the operator admits them."
        ),
        schema=_SCHEMA,
        output_schema=_OUTPUT,
        run=run,
        idempotent=True,
        open_world=True,
        examples=(_EXAMPLE,),
    )


def _secret(call: ToolCall, secrets: Secrets) -> str:
    name = call.arguments["secret"]
    if not call.caller.may(USE_SECRETS):
        message = t("The agent may not use secrets: it lacks the scope {scope}", scope=USE_SECRETS)
        raise ToolFailed(message, type="forbidden", retryable=False)
    value = secrets([name]).get(name)
    if value is None:
        raise ToolFailed(t("There is no secret {name}", name=name), type="invalid_arguments", retryable=False)
    return value


# Subscriptions.


class WebhookPost:
    """See `app.domain.webhooks.Post`."""

    def __init__(self, policy: HttpPolicy, *, resolve: Resolver = system_addresses) -> None:
        self._client = HttpClient(policy=policy, resolve=resolve, max_body=MAX_ANSWER)

    def __call__(self, url: str, headers: Mapping[str, str], body: bytes, *, seconds: float) -> Attempt:
        """Send it; whatever the receiver does is an attempt."""
        at, started = datetime.now(UTC), time.monotonic()
        request = HttpRequest(method="POST", url=url, headers={**_OURS, **headers}, body=body, follow=False)
        error: str | None = None
        status, text, after = None, "", None
        try:
            answer = self._client.send(request, Watch(started + seconds, lambda: False))
            status, text = answer.status, text_of(answer.body, answer.headers.get("content-type", ""))
            after = retry_after_seconds(answer.headers.get("retry-after", ""), at)
        except ToolFailed as failure:
            error = str(failure.message)[:500]
        ms = round((time.monotonic() - started) * 1000)
        return Attempt(at=at, ms=ms, status_code=status, error=error, excerpt=text[:EXCERPT], retry_after=after)


_OURS = {
    "Accept": "*/*",
    "Accept-Encoding": "gzip",
    "Content-Type": "application/json",
    "User-Agent": f"Ordinaut/{__version__}",
}


def check_url(url: str) -> None:
    """Refuse what is no address to send to; whether it may be reached is found out when something is sent.

    Raises:
        InvalidInput: at `/url`.
    """
    try:
        parse_target(url)
    except ToolFailed as failure:
        raise InvalidInput.at("/url", failure.message) from None

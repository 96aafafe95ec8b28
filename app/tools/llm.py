"""`llm.complete`: an answer of a language model behind the OpenAI protocol."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson
from jsonschema_rs import Draft202012Validator

from app.domain.texts import t
from app.tools.http import retry_after_seconds
from app.tools.http_body import NotJson, parsed_json, text_of
from app.tools.http_client import HttpAnswer, HttpClient, HttpRequest
from app.tools.http_connection import Watch
from app.tools.http_safety import HttpPolicy, Resolver, parse_target, system_addresses
from app.tools.json_schemas import compiled
from app.tools.llm_answer import completion_of, json_answer
from app.tools.llm_schema import EXAMPLES, OUTPUT_SCHEMA, SCHEMA
from ordinaut import __version__
from ordinaut.tools import Tool, ToolCall, ToolFailed

_EXCERPT = 300
_MASK = "[redacted]"
_RETRYABLE = frozenset({408, 409, 425, 429})
_CREDENTIALS = (401, 403)


@dataclass(frozen=True, slots=True, kw_only=True)
class LanguageModel:
    """A service that speaks the OpenAI protocol; `url` is what stands before `/chat/completions`."""

    url: str
    key: str | None = field(default=None, repr=False)
    model: str | None = None


def llm_complete_tool(service: LanguageModel | None, *, resolve: Resolver = system_addresses) -> Tool:
    """`llm.complete`; the operator's service may be on a private address, and nothing else is called.

    Args:
        service: The operator's; None where none is set.
        resolve: Looks names up; tests bring their own.
    """
    client = HttpClient(policy=_policy(service), resolve=resolve)

    def run(call: ToolCall) -> dict[str, Any]:
        if service is None:
            message = t("No language model can be asked: the operator has to set ORDINAUT_LLM_BASE_URL")
            raise ToolFailed(message, type="not_configured", retryable=False)
        validator = _validator(call)
        answer = client.send(_request(service, call), Watch(call.deadline, call.should_stop))
        if answer.status != 200:
            raise _unexpected(answer, service)
        completion = completion_of(_parsed(answer))
        return {**completion, "json": json_answer(completion, validator) if validator else None}

    return Tool(
        name="llm.complete",
        description=t(
            "Asks the language model of this installation, and checks its answer against a schema if one is given."
        ),
        schema=SCHEMA,
        output_schema=OUTPUT_SCHEMA,
        run=run,
        open_world=True,
        examples=EXAMPLES,
    )


def _policy(service: LanguageModel | None) -> HttpPolicy:
    if service is None:
        return HttpPolicy()
    target = parse_target(service.url)
    return HttpPolicy(hosts=frozenset({(target.host, target.port)}))


def _request(service: LanguageModel, call: ToolCall) -> HttpRequest:
    headers = {
        "Accept": "application/json",
        "Accept-Encoding": "gzip",
        "Content-Type": "application/json",
        "Idempotency-Key": call.idempotency_key,
        "User-Agent": f"Ordinaut/{__version__}",
        **({"Authorization": f"Bearer {service.key}"} if service.key else {}),
    }
    body = orjson.dumps(_body(service, call.arguments))
    # A redirect is not followed: the operator named this address and no other.
    return HttpRequest(method="POST", url=f"{service.url}/chat/completions", headers=headers, body=body, follow=False)


def _body(service: LanguageModel, arguments: Mapping[str, Any]) -> dict[str, Any]:
    model = arguments.get("model", service.model)
    if model is None:
        raise _invalid(t("Give `model`: the operator has set no ORDINAUT_LLM_MODEL"))
    if ("prompt" in arguments) == ("messages" in arguments):
        raise _invalid(t("Give `prompt` or `messages`, one of the two"))
    system = [{"role": "system", "content": arguments["system"]}] if "system" in arguments else []
    asked = arguments.get("messages") or [{"role": "user", "content": arguments["prompt"]}]
    body: dict[str, Any] = {"model": model, "messages": [*system, *asked]}
    body.update({name: arguments[name] for name in ("temperature", "max_tokens") if name in arguments})
    if "response_schema" in arguments:
        shape = {"name": "answer", "schema": arguments["response_schema"]}
        body["response_format"] = {"type": "json_schema", "json_schema": shape}
    return body


def _validator(call: ToolCall) -> Draft202012Validator | None:
    schema = call.arguments.get("response_schema")
    if schema is None:
        return None
    try:
        return compiled(schema)
    except ValueError:
        # Without the library's words, which repeat the schema.
        raise _invalid(t("`response_schema` is no JSON Schema 2020-12 that can be used")) from None


def _parsed(answer: HttpAnswer) -> Any:
    try:
        return parsed_json(answer.body)
    except NotJson as error:
        message = t("The answer of {host} is {error}", host=answer.host, error=error)
        raise ToolFailed(message, type="invalid_response") from None


def _unexpected(answer: HttpAnswer, service: LanguageModel) -> ToolFailed:
    details: dict[str, Any] = {"status": answer.status, "host": answer.host}
    text = text_of(answer.body, answer.headers.get("content-type", "")).replace(service.key or _MASK, _MASK)
    # Who refuses a key likes to repeat a part of it.
    if text and answer.status not in _CREDENTIALS:
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


def _invalid(message: str) -> ToolFailed:
    return ToolFailed(message, type="invalid_arguments", retryable=False)

"""What a language model answered: taken apart, and checked against the schema that was asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jsonschema_rs import Draft202012Validator

from app.domain.texts import t
from app.tools.argument_problems import problems_of
from app.tools.http_body import NotJson, parsed_json
from ordinaut.tools import ToolFailed

_EXCERPT = 300
_MOST_PROBLEMS = 10


def completion_of(answer: Any) -> dict[str, Any]:
    """`text`, `model`, `finish_reason` and `usage` of a chat completion.

    Raises:
        ToolFailed: `invalid_response` when it is no chat completion, `answer_refused` when the model declines.
    """
    choice = _first(_member(answer, "choices"))
    message = _member(choice, "message")
    refusal, text = _text(_member(message, "refusal")), _text(_member(message, "content"))
    if refusal:
        details = {"refusal": refusal[:_EXCERPT]}
        raise ToolFailed(t("The model refuses to answer"), type="answer_refused", retryable=False, details=details)
    if text is None:
        raise ToolFailed(t("The service's answer is no chat completion with a text"), type="invalid_response")
    return {
        "text": text,
        "model": _text(answer.get("model")),
        "finish_reason": _text(choice.get("finish_reason")),
        "usage": _usage(answer.get("usage")),
    }


def json_answer(completion: Mapping[str, Any], validator: Draft202012Validator) -> Any:
    """The value of an answer that was to fit a schema.

    Raises:
        ToolFailed: `answer_unfit`; another attempt may be answered better, unless this one was cut for its length.
    """
    try:
        value = parsed_json(completion["text"].encode())
    except NotJson as error:
        raise _unfit(completion, t("The model's answer is {error}", error=error), []) from None
    problems = problems_of(validator.iter_errors(value), ())[:_MOST_PROBLEMS]
    if problems:
        first = t("The model's answer does not fit the schema: {problem}", problem=problems[0].message)
        listed = [{"pointer": one.pointer, "message": one.message} for one in problems]
        raise _unfit(completion, first, listed)
    return value


def _unfit(completion: Mapping[str, Any], message: str, problems: list[dict[str, str]]) -> ToolFailed:
    details = {
        "problems": problems,
        "answer_excerpt": completion["text"][:_EXCERPT],
        "finish_reason": completion["finish_reason"],
        "usage": completion["usage"],
    }
    whole = completion["finish_reason"] != "length"
    return ToolFailed(message, type="answer_unfit", retryable=whole, details=details)


def _usage(given: Any) -> dict[str, int | None]:
    names = {"input_tokens": "prompt_tokens", "output_tokens": "completion_tokens", "total_tokens": "total_tokens"}
    return {ours: _count(_member(given, theirs)) for ours, theirs in names.items()}


def _member(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else None


def _first(value: Any) -> Any:
    return value[0] if isinstance(value, list) and value else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None

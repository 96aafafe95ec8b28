"""What a refusal looks like, and bodies that most of these tests begin with."""

from __future__ import annotations

import time
from typing import Any

from tests.integration.api.conftest import Api

SOON = 2.0
"""Seconds of work that a refusal may take; the machine may be busy with something else besides."""


def refused(api: Api, method: str, path: str, *, status: int = 400, **options: Any) -> Any:
    """The error body of a request, after a look at its shape and its time."""
    began = time.thread_time()
    answer = api.send(method, path, **options)
    took = time.thread_time() - began
    assert answer.status_code == status, answer.get_data(as_text=True)[:500]
    assert took < SOON
    body = answer.get_json()
    assert set(body) == {"error", "message", "details", "request_id", "type", "title", "status", "instance"}
    assert body["status"] == status and body["request_id"] == answer.headers["X-Request-ID"]
    assert len(answer.data) < 20_000
    if status == 400:
        details = body["details"]
        assert details["field"] and details["issue"]
        assert details["errors"][0].keys() - {"detail"} == {"field", "pointer", "issue", "hint"}
    return body


def fields_of(body: Any) -> set[str]:
    return {one["field"] for one in body["details"]["errors"]}


SET = {"uses": "data.set", "with": {"value": 1}}
CRON = {"title": "A task", "schedule_kind": "cron", "schedule_expr": "0 9 * * *"}
NUMBERS = "9" * 5000


def steps(*pipeline: Any, **params: Any) -> dict[str, Any]:
    return {"title": "A task", "schedule_kind": "manual", "payload": {"params": params, "pipeline": list(pipeline)}}


def nested(depth: int, opening: str, closing: str) -> bytes:
    return (opening * depth + "1" + closing * depth).encode()

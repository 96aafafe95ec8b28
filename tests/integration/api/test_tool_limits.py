"""Limits of tools, over HTTP and through a worker."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.api.conftest import Api, make_settings, serving

LIMITS = '{"data.set": {"rate": "1/hour"}, "data.*": {"rate": "9/hour"}, "log.write": {"concurrency": 1}}'
SET = {"arguments": {"value": 1}}


@pytest.fixture
def limited(database_url: str, tmp_path: Path) -> Iterator[Api]:
    """The application with limits."""
    with serving(make_settings(database_url, tmp_path, ORDINAUT_TOOL_LIMITS=LIMITS)) as api:
        yield api


def test_a_direct_call_over_the_limit_is_told_when_to_come_back(limited: Api) -> None:
    limited.post("/tools/data.set/invoke", SET)
    answer = limited.send("POST", "/tools/data.set/invoke", expect=429, json=SET)
    body = answer.get_json()
    details = body["details"]
    assert (body["error"], details["tool"], details["limit"], details["window"]) == (
        "rate_limit_exceeded", "data.set", 1, "3600s",
    )  # fmt: skip
    assert answer.headers["Retry-After"] == str(details["retry_after_seconds"])
    assert 0 < details["retry_after_seconds"] <= 3600 and details["reset_at"].endswith("Z")
    transform = {"arguments": {"expression": "a", "data": {"a": 1}}}
    assert limited.post("/tools/data.transform/invoke", transform)["output"] == 1


def test_the_header_of_an_answer_that_is_no_refusal_is_not_there(limited: Api) -> None:
    answer = limited.send("POST", "/tools/data.set/invoke", expect=200, json=SET)
    assert "Retry-After" not in answer.headers


def test_calls_one_after_another_are_never_too_many_at_once(limited: Api) -> None:
    for _ in range(3):
        limited.post("/tools/log.write/invoke", {"arguments": {"message": "hi"}})


def test_a_run_and_a_direct_call_share_the_limit(limited: Api) -> None:
    limited.post("/tools/data.set/invoke", SET)
    run_id = limited.run(limited.task())
    limited.work()
    run = limited.get(f"/runs/{run_id}")
    assert (run["status"], run["attempt"]) == ("queued", 0)

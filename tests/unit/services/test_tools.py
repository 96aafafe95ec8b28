"""Calling tools directly, checking pipelines, previewing schedules."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import orjson
import pytest

from app.domain.errors import InvalidInput, NotFound, ScheduleInvalid, Unavailable, Unprocessable
from app.domain.json_size import json_problem
from app.services.schedules import ScheduleText
from app.services.tools import MAX_CALLS, ToolService
from app.tools.registry import ToolRegistry
from ordinaut import Tool
from tests.fakes.access import ANA
from tests.fakes.task_world import START, TaskWorld, some_tools


@pytest.fixture
def service() -> ToolService:
    return ToolService(tools=some_tools())


def test_a_tool_is_called_with_its_caller_and_its_log_kept(service: ToolService) -> None:
    called = service.invoke("test.echo", {"value": 3}, caller=ANA)
    assert called.output == {"value": 3, "caller": "ana"}
    assert called.logs == (("info", "echoing"),) and called.elapsed_ms >= 0


@pytest.mark.parametrize(
    ("name", "facts"),
    [
        ("test.fail", {"type": "bad_status", "retryable": True, "details": {"status": 503}}),
        ("test.slow", {"type": "timeout", "retryable": True, "details": {}}),
        ("test.odd", {"type": "invalid_output", "retryable": False, "details": {}}),
    ],
)
def test_a_tool_that_fails_is_unprocessable(service: ToolService, name: str, facts: dict[str, Any]) -> None:
    with pytest.raises(Unprocessable) as caught:
        service.invoke(name, {}, caller=ANA, timeout=0.05)
    assert caught.value.details == facts


def test_a_defect_in_a_tool_is_not_hidden(service: ToolService) -> None:
    with pytest.raises(ZeroDivisionError):
        service.invoke("test.broken", {}, caller=ANA)


@pytest.mark.parametrize(
    ("arguments", "pointer"),
    [({"value": "x"}, "/arguments/value"), ({"value": 1, "pad": "x" * 262_144}, "/arguments")],
)
def test_arguments_are_checked(service: ToolService, arguments: dict[str, Any], pointer: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        service.invoke("test.echo", arguments, caller=ANA)
    assert caught.value.problems[0].pointer == pointer
    with pytest.raises(NotFound):
        service.invoke("no.such", {}, caller=ANA)


def test_only_so_many_direct_calls_go_on_at_once_and_each_gives_its_place_back() -> None:
    gate = threading.Event()
    tool = Tool(name="t", description="Waits.", schema={"type": "object"}, run=lambda call: gate.wait(10))
    service = ToolService(tools=ToolRegistry([tool]))
    for _ in range(MAX_CALLS):
        with pytest.raises(Unprocessable):
            service.invoke("t", {}, caller=ANA, timeout=0.001)
    with pytest.raises(Unavailable):
        service.invoke("t", {}, caller=ANA)
    gate.set()
    for thread in threading.enumerate():
        if thread.name == "tool-t":
            thread.join(10)
    assert service.invoke("t", {}, caller=ANA).output is True


def test_pipelines_are_checked_and_their_schema_follows_the_tools() -> None:
    world = TaskWorld()
    report = world.tool_service.validate_pipeline([{"uses": "no.such"}], None)
    assert [problem.pointer for problem in report.errors] == ["/pipeline/0/uses"]
    before = world.tool_service.pipeline_schema()
    assert world.tool_service.pipeline_schema() is before
    world.tools.add(Tool(name="new.one", description="", schema={"type": "object"}, run=lambda call: None))
    assert b"new.one" in world.tool_service.pipeline_schema()
    assert orjson.loads(before)["$schema"].endswith("2020-12/schema")


def test_a_schedule_is_previewed_from_a_moment_on() -> None:
    world = TaskWorld()
    text = ScheduleText(kind="cron", expr="0 9 * * *", timezone="Europe/Chisinau")
    at = START.replace(hour=7) + timedelta(days=1)
    shown = world.schedules.preview(text, count=2, from_=at)
    assert shown.description == "Every day at 09:00"
    # the moment itself counts in
    assert [one.nominal for one in shown.occurrences] == [at, at + timedelta(days=1)]
    assert world.schedules.preview(ScheduleText(kind="manual", expr=None), count=2).occurrences == ()
    with pytest.raises(ScheduleInvalid):
        world.schedules.preview(ScheduleText(kind="cron", expr="x"), count=2)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"a": [1, 2.5, None, "ț"]}, None),
        # the six characters, not the one
        ({"a": "\\u0000"}, None),
        ({"a": "\x00"}, "NUL"),
        ({"a\x00": 1}, "NUL"),
        ({"a": "\\\x00"}, "NUL"),
        ({"a": 2**64}, "cannot be kept"),
        ({"a": "\ud800"}, "cannot be kept"),
        ("x" * 262_144, "too large"),
    ],
)
def test_what_json_can_keep(value: Any, words: str | None) -> None:
    issue = json_problem(value)
    assert (issue is None) if words is None else (issue is not None and words in issue)

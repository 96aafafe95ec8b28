"""Answers stay short, refusals give advice, waits end in time."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import orjson
import pytest

from app.domain.errors import Conflict, InvalidInput, NotFound, PreconditionFailed, Problem, Unavailable
from app.tools.registry import ToolRegistry
from app.tools.use_cases.answers import MAX_CHARACTERS, capped, fitting, next_cursor, seconds_left, start_of
from app.tools.use_cases.catalog import use_case_tools
from app.tools.use_cases.ports import UseCases
from app.tools.use_cases.refusals import advised
from app.tools.use_cases.waiting import waited
from ordinaut import Tool, ToolCall, ToolFailed
from tests.fakes.tool_calls import tool_call


def test_a_short_value_stays_as_it_is() -> None:
    assert capped({"a": 1}, "elsewhere") == {"a": 1}


def test_a_long_value_is_cut_with_a_mark() -> None:
    cut = capped({"text": "x" * 30_000}, "get_run has it")
    assert cut["truncated"] is True
    assert cut["characters"] > 30_000
    assert cut["hint"] == "get_run has it"
    assert len(orjson.dumps(cut)) < 3_000


def test_a_list_ends_where_the_room_does_and_begins_there_again() -> None:
    items = ["x" * 30_000] * 5
    shown = fitting(items, lambda one: one)
    assert len(shown) == 2
    assert sum(map(len, shown)) <= MAX_CHARACTERS
    assert next_cursor(0, 2, 5) == "2"
    assert next_cursor(2, 3, 5) is None
    # one that is too large by itself is shown all the same, or nobody would ever get past it
    assert len(fitting(["x" * 100_000], lambda one: one)) == 1


@pytest.mark.parametrize("cursor", ["-1", "abc", "", "99999999999999", "١"])
def test_only_cursors_of_ours_are_taken(cursor: str) -> None:
    with pytest.raises(InvalidInput):
        start_of({"cursor": cursor})


def test_a_wait_leaves_time_to_answer() -> None:
    assert seconds_left(tool_call({}, seconds=10), 240) <= 9
    assert seconds_left(tool_call({}, seconds=10), 2) == 2
    assert seconds_left(tool_call({}, seconds=0.5), 2) == 0


@dataclass
class _Runs:
    """Runs that have ended at the `ends_at`th look; `quick` looks come back before their time."""

    ends_at: int = 1_000
    quick: bool = False
    looks: list[float] = field(default_factory=list)

    def wait(self, run_id: str, *, caller: Any, timeout: float) -> Any:
        self.looks.append(timeout)
        if not self.quick:
            time.sleep(min(timeout, 0.01))
        return _Seen(len(self.looks) < self.ends_at)


@dataclass
class _Seen:
    timed_out: bool
    run: Any = None


def test_a_wait_ends_with_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.tools.use_cases.waiting.GLANCE_SECONDS", 0.01)
    runs: Any = _Runs(ends_at=3)
    assert waited(runs, "run", tool_call({}), 4).timed_out is False
    assert len(runs.looks) == 3


def test_a_wait_ends_when_it_is_told_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.tools.use_cases.waiting.GLANCE_SECONDS", 0.01)
    runs: Any = _Runs()
    assert waited(runs, "run", tool_call({}, should_stop=lambda: True), 4).timed_out is True
    assert len(runs.looks) == 1


def test_a_wait_in_a_process_that_stops_does_not_spin() -> None:
    runs: Any = _Runs(quick=True)
    assert waited(runs, "run", tool_call({}), 4).timed_out is True
    assert len(runs.looks) == 1


def _refusing(error: Exception, **places: str) -> ToolFailed:
    def run(call: ToolCall) -> Any:
        raise error

    tool = advised(Tool(name="test.no", description="No.", schema={"type": "object"}, run=run), places)
    with pytest.raises(ToolFailed) as failed:
        tool.run(tool_call({}))
    return failed.value


@pytest.mark.parametrize(
    ("error", "kind", "retryable", "advice"),
    [
        (NotFound("Task not found", task_id="t"), "not_found", False, "list_tasks"),
        (NotFound("Run not found", run_id="r", task_id="t"), "not_found", False, "list_runs"),
        (NotFound("There is no tool named x", tool="x"), "not_found", False, "list_tools"),
        (Conflict("A canceled task cannot be run"), "conflict", False, "present state"),
        (PreconditionFailed(), "precondition_failed", False, "get_task"),
        (Unavailable(), "unavailable", True, "Try again"),
    ],
)
def test_a_refusal_says_what_to_do_next(error: Exception, kind: str, retryable: bool, advice: str) -> None:
    failed = _refusing(error)
    assert (failed.type, failed.retryable) == (kind, retryable)
    assert advice in failed.message


def test_problems_stand_at_the_arguments_of_the_tool() -> None:
    problems = [Problem("/schedule_expr", "'schedule_expr' is odd", "Mend it"), Problem("/title", "'title' is blank")]
    failed = _refusing(InvalidInput(problems), schedule_expr="schedule")
    assert failed.message == "`schedule`: 'schedule' is odd (Mend it); `title`: 'title' is blank."
    assert [one["field"] for one in failed.details["errors"]] == ["schedule", "title"]


NAMES = {
    *("create_task", "list_tasks", "get_task", "update_task", "pause_task", "resume_task", "snooze_task"),
    *("cancel_task", "run_task_now", "list_runs", "get_run", "wait_for_run", "cancel_run", "retry_run"),
    *("preview_schedule", "validate_pipeline", "list_tools", "get_tool", "publish_event", "list_incidents"),
    *("list_approvals", "get_approval", "decide_approval"),
}


def _catalogue() -> list[Tool]:
    nobody: Any = None
    return use_case_tools(UseCases(tasks=nobody, runs=nobody, approvals=nobody, publish=nobody, tools=nobody))


def test_the_catalogue_is_whole() -> None:
    assert {tool.name for tool in _catalogue()} == NAMES


@pytest.mark.parametrize("tool", _catalogue(), ids=lambda tool: tool.name)
def test_each_tool_tells_what_an_assistant_needs(tool: Tool) -> None:
    registry = ToolRegistry([tool])
    assert tool.scope != "tools:invoke", "each use case has a scope of its own"
    assert 20 <= len(tool.description) <= 250
    assert tool.output_schema is not None
    assert all(shape.get("description") for shape in tool.schema["properties"].values())
    assert tool.examples
    assert not registry.argument_problems(tool.name, tool.examples[0])
    assert not (tool.read_only and (tool.destructive or tool.open_world))

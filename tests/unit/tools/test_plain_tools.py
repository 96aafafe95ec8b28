"""data.set, data.transform, log.write and tasks.create."""

from __future__ import annotations

from typing import Any

import pytest

from app.domain.errors import InvalidInput, Problem
from app.tools.data import data_set_tool, data_transform_tool
from app.tools.log import log_write_tool
from app.tools.tasks import tasks_create_tool
from ordinaut import Caller
from ordinaut.tools import ToolFailed
from tests.fakes.tool_calls import Lines, tool_call


@pytest.mark.parametrize("value", [None, False, 0, "", [], {"a": [1, {"b": 2.5}]}, "ă"])
def test_data_set_gives_back_its_value(value: Any) -> None:
    assert data_set_tool().run(tool_call({"value": value})) == value


@pytest.mark.parametrize(
    ("expression", "data", "result"),
    [
        ("a.b", {"a": {"b": 1}}, 1),
        ("a.c", {"a": {"b": 1}}, None),  # as in plain JMESPath
        ("items[?n > `1`].n", {"items": [{"n": 1}, {"n": 2}]}, [2]),
        ("length(@)", [1, 2, 3], 3),
    ],
)
def test_data_transform_evaluates(expression: str, data: Any, result: Any) -> None:
    assert data_transform_tool().run(tool_call({"expression": expression, "data": data})) == result


@pytest.mark.parametrize(
    ("expression", "data", "kind"),
    [
        ("a[", {}, "invalid_arguments"),
        ("nothing(@)", {}, "invalid_arguments"),
        ("(" * 400 + "a" + ")" * 400, {}, "invalid_arguments"),
        ("abs(@)", "text", "transform_failed"),
        # doubling thirty times would make gigabytes
        ("[@,@]" + " | [@,@]" * 30, "x", "transform_failed"),
    ],
)
def test_data_transform_is_bounded_and_says_why(expression: str, data: Any, kind: str) -> None:
    with pytest.raises(ToolFailed) as caught:
        data_transform_tool().run(tool_call({"expression": expression, "data": data}))
    assert (caught.value.type, caught.value.retryable) == (kind, False)


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("x" * 1_048_577, "value_too_large"),
        ("\ud800", "invalid_value"),
        (2**70, "invalid_value"),
        ({1: 2}, "invalid_value"),
    ],
)
def test_values_have_a_size_and_a_json_form(value: Any, kind: str) -> None:
    with pytest.raises(ToolFailed) as caught:
        data_set_tool().run(tool_call({"value": value}))
    assert caught.value.type == kind


def test_log_write_writes_and_returns_the_line() -> None:
    lines = Lines()
    run = log_write_tool().run
    assert run(tool_call({"message": "a"}, log=lines)) == {"level": "info", "message": "a"}
    assert run(tool_call({"message": "b", "level": "error"}, log=lines)) == {"level": "error", "message": "b"}
    assert lines.written == [("info", "a"), ("error", "b")]


def test_tasks_create_passes_the_fields_the_caller_and_the_key() -> None:
    seen: list[Any] = []

    def create(fields: dict[str, Any], *, caller: Caller, idempotency_key: str) -> dict[str, Any]:
        seen.append((fields, caller.agent_id, idempotency_key))
        return {**fields, "id": "t1", "status": "active", "next_run": None, "secret": "not shown"}

    fields = {"title": "T", "schedule_kind": "manual", "payload": {}}
    answer = tasks_create_tool(create).run(tool_call(fields))
    assert answer == {"id": "t1", "title": "T", "status": "active", "next_run": None}
    assert seen == [(fields, "agent-1", "run-1:step-1")]


def test_tasks_create_names_the_first_problem_and_lists_all() -> None:
    def create(fields: dict[str, Any], *, caller: Caller, idempotency_key: str) -> dict[str, Any]:
        raise InvalidInput([Problem("/schedule_expr", "never fires", "try 0 9 * * *"), Problem("/tags", "no")])

    with pytest.raises(ToolFailed) as caught:
        tasks_create_tool(create).run(tool_call({"title": "T"}))
    assert (caught.value.type, caught.value.retryable) == ("invalid_arguments", False)
    assert caught.value.message == "The task cannot be created at `schedule_expr`: never fires"
    assert [error["field"] for error in caught.value.details["errors"]] == ["schedule_expr", "tags"]

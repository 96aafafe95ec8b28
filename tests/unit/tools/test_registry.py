"""The registry finds tools by name and says everything that is wrong with their arguments."""

from __future__ import annotations

from typing import Any, cast

import pytest

from app.domain.clock import SystemClock
from app.domain.errors import NotFound
from app.tools.builtin import builtin_tools
from app.tools.http_safety import HttpPolicy
from app.tools.registry import ToolRegistry
from ordinaut import Caller
from ordinaut.tools import Tool


def _tool(name: str, schema: dict[str, Any] | None = None) -> Tool:
    return Tool(name=name, description="", schema=schema or {"type": "object"}, run=lambda call: None)


def _no_task(fields: dict[str, Any], *, caller: Caller, idempotency_key: str) -> dict[str, Any]:
    raise AssertionError("no task is made here")


@pytest.fixture(scope="module")
def registry() -> ToolRegistry:
    return ToolRegistry(
        builtin_tools(
            http_policy=HttpPolicy(),
            create_task=_no_task,
            publish=cast(Any, None),
            children=cast(Any, None),
            clock=SystemClock(),
        )
    )


def test_tools_come_sorted_and_by_name() -> None:
    registry = ToolRegistry([_tool("z.z"), _tool("a.b"), _tool("list_tasks")])
    assert registry.names() == ("a.b", "list_tasks", "z.z")
    assert [tool.name for tool in registry.all()] == ["a.b", "list_tasks", "z.z"]
    assert registry.get("a.b").name == "a.b"
    assert registry.get_schema("a.b") == {"type": "object"}
    assert registry.get_schema("a.c") is None


def test_an_unknown_name_is_not_found_and_close_ones_are_offered(registry: ToolRegistry) -> None:
    with pytest.raises(NotFound) as caught:
        registry.get("http.requests")
    assert caught.value.details == {"tool": "http.requests", "similar": ["http.request"]}
    with pytest.raises(NotFound):
        registry.argument_problems("os.system", {})


@pytest.mark.parametrize(
    ("name", "schema"),
    [
        ("a.b", {"type": "object"}),  # taken
        ("", {"type": "object"}),
        ("a..b", {"type": "object"}),
        ("a b", {"type": "object"}),
        ("a.b\n", {"type": "object"}),
        ("x" * 129, {"type": "object"}),
        ("c.d", {"type": "string"}),  # arguments are always an object
        ("c.d", {"type": "object", "properties": 3}),  # not a schema
        ("c.d", {"type": "object", "$ref": "https://schemas.example/x"}),  # nothing is fetched
        ("c.d", {"type": "object", "properties": {"a": {"pattern": "("}}}),
    ],
)
def test_a_tool_that_cannot_be_taken_in_is_a_value_error(name: str, schema: dict[str, Any]) -> None:
    registry = ToolRegistry([_tool("a.b")])
    with pytest.raises(ValueError, match=r"tool|schema"):
        registry.add(_tool(name, schema))
    assert registry.names() == ("a.b",)


def test_every_example_is_valid(registry: ToolRegistry) -> None:
    for tool in registry.all():
        assert tool.examples
        for example in tool.examples:
            assert registry.argument_problems(tool.name, example) == []


@pytest.mark.parametrize(
    ("tool", "arguments", "expected"),
    [
        ("http.request", {}, [("/url", "`url` is missing", "")]),
        # a near miss is pointed out, and all problems come at once
        (
            "http.request",
            {"urls": "x", "timeout_seconds": 31, "method": "BREW"},
            [
                (
                    "/method",
                    "`method` must be one of `GET`, `HEAD`, `OPTIONS`, `POST`, `PUT`, `PATCH`, `DELETE`",
                    "",
                ),
                ("/timeout_seconds", "`timeout_seconds` must be at most 30", ""),
                ("/url", "`url` is missing", ""),
                ("/urls", "`urls` is not known here", "Did you mean `url`?"),
            ],
        ),
        # of two forms, the one whose `type` was named is explained; the value is not repeated
        (
            "http.request",
            {"url": "http://a", "auth": {"type": "basic", "username": "u", "pasword": "canary"}},
            [
                ("/auth/password", "`auth.password` is missing", ""),
                ("/auth/pasword", "`auth.pasword` is not known here", ""),
            ],
        ),
        (
            "http.request",
            {"url": "http://a", "auth": {"type": "digest"}},
            [("/auth", "`auth` has none of the allowed forms", "")],
        ),
        (
            "http.request",
            {"url": "http://a", "expect_status": True},
            [("/expect_status", "`expect_status` must be a whole number or text or a list", "")],
        ),
        (
            "http.request",
            {"url": "http://a", "headers": {"X/Y~": None}},
            [("/headers/X~1Y~0", "`headers.X/Y~` must be text or a number or true or false", "")],
        ),
        ("log.write", {"message": 1}, [("/message", "`message` must be text", "")]),
        ("log.write", [], [("", "The whole of the arguments must be an object", "")]),
        # a boolean is no number, and an empty text is no title
        (
            "tasks.create",
            {"title": "", "schedule_kind": "manual", "payload": {}, "priority": True},
            [
                ("/priority", "`priority` must be a whole number", ""),
                ("/title", "`title` must not be empty", ""),
            ],
        ),
        (
            "tasks.create",
            {"title": "x", "schedule_kind": "manual", "payload": {}, "starts_at": "soon"},
            [("/starts_at", "`starts_at` must be a valid date-time", "")],
        ),
    ],
)
def test_problems_name_the_argument_and_the_rule(
    registry: ToolRegistry, tool: str, arguments: Any, expected: list[tuple[str, str, str]]
) -> None:
    problems = registry.argument_problems(tool, arguments)
    # `number` and the like come from the schema in its own order; only the words matter.
    assert [(one.pointer, _words(one.message), one.hint) for one in problems] == [
        (pointer, _words(message), hint) for pointer, message, hint in expected
    ]


def _words(message: str) -> list[str]:
    return sorted(message.split())


def test_a_pattern_of_a_stranger_cannot_hold_the_process() -> None:
    schema = {"type": "object", "properties": {"a": {"pattern": "^(?=(a+)+$)(a|aa)+$"}}}
    registry = ToolRegistry([_tool("x.y", schema)])
    assert registry.argument_problems("x.y", {"a": "a" * 60 + "!"}) != []


def test_every_argument_and_result_is_described(registry: ToolRegistry) -> None:
    for tool in registry.all():
        for schema in filter(None, (tool.schema, tool.output_schema)):
            assert all(shape.get("description") for shape in schema["properties"].values()), tool.name

"""`/tools`, `/pipelines`, `/schedules` and the schema for editors, over HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from app.schemas.tools import ToolOut
from tests.fakes.task_world import TaskWorld
from tests.unit.blueprints.test_tasks import make_client


@pytest.fixture
def client() -> Any:
    return make_client(TaskWorld())


def test_tools_are_listed_by_name(client: Any) -> None:
    page = client.get("/tools?limit=2&offset=1").json
    assert [tool["name"] for tool in page["items"]] == ["test.echo", "test.fail"]
    assert (page["total"], page["has_more"]) == (5, True)
    tool = client.get("/tools/test.echo").json
    assert tool == page["items"][0] and set(tool) == set(ToolOut.model_fields)
    assert tool["input_schema"]["required"] == ["value"]


def test_a_tool_is_called(client: Any) -> None:
    answer = client.post("/tools/test.echo/invoke", json={"arguments": {"value": 3}})
    body = answer.json
    assert answer.status_code == 200 and body.pop("elapsed_ms") >= 0
    assert body == {
        "tool": "test.echo",
        "output": {"value": 3, "caller": "local"},
        "logs": [{"level": "info", "message": "echoing"}],
    }


@pytest.mark.parametrize(
    ("name", "body", "status", "fact"),
    [
        ("no.such", {}, 404, ("tool", "no.such")),
        ("test.echo", {}, 400, ("field", "arguments.value")),
        ("test.echo", {"arguments": []}, 400, ("field", "arguments")),
        ("test.echo", {"timeout_seconds": 26}, 400, ("field", "timeout_seconds")),
        ("test.echo", {"timeout_seconds": 0}, 400, ("field", "timeout_seconds")),
        ("test.echo", {"args": {}}, 400, ("field", "args")),
        ("test.fail", {}, 422, ("type", "bad_status")),
        ("test.slow", {"timeout_seconds": 0.05}, 422, ("type", "timeout")),
        ("test.broken", {}, 500, ("error_type", "ZeroDivisionError")),
    ],
)
def test_a_call_that_fails_says_how(client: Any, name: str, body: Any, status: int, fact: tuple[str, Any]) -> None:
    answer = client.post(f"/tools/{name}/invoke", json=body)
    assert (answer.status_code, answer.json["details"][fact[0]]) == (status, fact[1])


def test_a_pipeline_is_checked_without_being_an_error(client: Any) -> None:
    answer = client.post("/pipelines/validate", json={"pipeline": [{"uses": "no.such"}], "params": {}})
    assert answer.status_code == 200 and answer.json["valid"] is False
    assert answer.json["errors"][0]["pointer"] == "/pipeline/0/uses"
    steps = [{"uses": "test.echo", "with": {"value": 1}}]
    assert client.post("/pipelines/validate", json={"pipeline": steps}).json == {
        "valid": True,
        "errors": [],
        "warnings": [],
    }
    # any shape of pipeline is an answer, any other member is not
    shapes: list[Any] = [None, 7, "x", {}]
    for pipeline in shapes:
        assert client.post("/pipelines/validate", json={"pipeline": pipeline}).json["valid"] is False
    assert client.post("/pipelines/validate", json={"steps": []}).status_code == 400


def test_the_schema_for_editors_has_a_tag(client: Any) -> None:
    answer = client.get("/schemas/pipeline.json")
    assert answer.status_code == 200 and answer.json["title"] == "Ordinaut pipeline"
    again = client.get("/schemas/pipeline.json", headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


def test_a_schedule_is_shown(client: Any) -> None:
    body = {
        "schedule_kind": "cron",
        "schedule_expr": "30 2 * * *",
        "timezone": "Europe/Paris",
        "count": 1,
        "from": "2027-03-28T00:00:00Z",
    }
    shown = client.post("/schedules/preview", json=body).json
    assert shown["description"] == "Every day at 02:30"
    assert shown["occurrences"][0]["local"] == "2027-03-28T03:00:00+02:00"
    assert "does not exist" in shown["occurrences"][0]["note"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "schedule_kind"),
        ({"schedule_kind": "cron"}, "schedule_expr"),
        ({"schedule_kind": "cron", "schedule_expr": "x"}, "schedule_expr"),
        ({"schedule_kind": "cron", "schedule_expr": "0 9 * * *", "timezone": "x"}, "timezone"),
        ({"schedule_kind": "cron", "schedule_expr": "0 9 * * *", "count": 0}, "count"),
        ({"schedule_kind": "cron", "schedule_expr": "0 9 * * *", "from": "x"}, "from"),
        ({"schedule_kind": "event", "schedule_expr": "x..y"}, "schedule_expr"),
        ({"schedule_kind": "weekly", "schedule_expr": "x"}, "schedule_kind"),
    ],
)
def test_a_schedule_that_cannot_be_shown_names_its_field(client: Any, body: Any, field: str) -> None:
    answer = client.post("/schedules/preview", json=body)
    assert (answer.status_code, answer.json["details"]["field"]) == (400, field)

"""Servers that the operator names, from the file to a pipeline's step, through the whole application."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from tests.integration.api.conftest import Api
from tests.integration.mcp.conftest import described


def steps(api: Api, *pipeline: dict[str, Any]) -> tuple[dict[str, Any], list[Any]]:
    """A run of these steps, and each step's output or kind of error."""
    task = api.task(payload={"pipeline": list(pipeline)}, max_retries=0)
    run_id = api.run(task)
    api.work()
    run = api.get(f"/runs/{run_id}")
    return run, [step["output"] if step["error"] is None else step["error"]["type"] for step in run["steps"]]


def test_a_server_that_was_asked_lends_its_tools(api: Api) -> None:
    (before,) = api.get("/mcp/servers")["items"]
    assert (before["name"], before["where"], before["tools"], before["checked_at"]) == (
        "fake",
        sys.executable,
        [],
        None,
    )
    api.get("/tools/fake.echo", expect=404)
    asked = api.post("/mcp/servers/fake/test")
    assert (
        asked["tools"] == ["fake.boom", "fake.die", "fake.echo", "fake.picture", "fake.pid", "fake.slow"]
        and asked["error"] is None
    )
    assert api.get("/mcp/servers/fake") == asked
    shown = api.get("/tools/fake.echo")
    assert (shown["idempotent"], shown["input_schema"]["required"]) == (True, ["text"])
    assert api.post("/tools/fake.echo/invoke", {"arguments": {"text": "Salut"}})["output"] == {"text": "Salut"}
    run, outputs = steps(
        api,
        {"id": "one", "uses": "fake.echo", "with": {"text": "Bună"}},
        {"id": "two", "uses": "fake.echo", "with": {"text": "${steps.one.text} ziua"}},
        {"id": "three", "uses": "fake.slow", "with": {"seconds": 0.3}},
        {"id": "four", "uses": "fake.boom"},
    )
    assert outputs == [{"text": "Bună"}, {"text": "Bună ziua"}, {"result": "done"}, "tool_error"]
    logs = api.get(f"/runs/{run['id']}/logs")["items"]
    assert "tick (1/3)" in [line["message"] for line in logs]


def test_arguments_are_checked_before_anything_is_saved_or_called(api: Api) -> None:
    api.post("/mcp/servers/fake/test")
    pipeline = [{"uses": "fake.echo", "with": {"words": 1}}, {"uses": "fake.nothing"}]
    refused = api.post(
        "/tasks", {"title": "x", "schedule_kind": "manual", "payload": {"pipeline": pipeline}}, expect=400
    )
    fields = [one["field"] for one in refused["details"]["errors"]]
    assert "payload.pipeline.1.uses" in fields and any(one.startswith("payload.pipeline.0.with") for one in fields)


def test_servers_come_change_and_go_with_their_file(api: Api, file: Path) -> None:
    api.post("/mcp/servers/fake/test")
    told = {"fake": described(FAKE_EXTRA="yes"), "other": {**described(), "tools": ["e*"]}}
    file.write_text(json.dumps(told), encoding="utf-8")
    assert "fake.extra" in api.post("/mcp/servers/fake/test")["tools"]
    assert api.post("/mcp/servers/other/test")["tools"] == ["other.echo"]
    (event,) = api.get("/events/stream/recent?topic=mcp.tools_changed")["items"]
    assert event["payload"] == {"server": "fake", "added": ["extra"], "changed": [], "removed": [], "tasks": []}
    api.post("/tools/fake.extra/invoke", {"arguments": {"level": 1}})
    file.write_text(json.dumps({"fake": described()}), encoding="utf-8")
    after = api.post("/mcp/servers/fake/test")
    assert list(after["drifted"]) == ["extra"] and "fake.extra" not in after["tools"]
    api.get("/tools/other.echo", expect=404)
    assert [one["name"] for one in api.get("/mcp/servers")["items"]] == ["fake"]
    file.write_text("{", encoding="utf-8")
    assert api.get("/tools/fake.echo")["name"] == "fake.echo"


def test_a_server_that_cannot_be_asked_keeps_its_tools(api: Api, file: Path) -> None:
    api.post("/mcp/servers/fake/test")
    file.write_text(json.dumps({"fake": {"command": "/nowhere/at/all"}}), encoding="utf-8")
    asked = api.post("/mcp/servers/fake/test")
    assert asked["error"].startswith("command_not_found") and "fake.echo" in asked["tools"]
    run, outputs = steps(api, {"id": "one", "uses": "fake.echo", "with": {"text": "x"}})
    assert (run["status"], outputs) == ("failed", ["command_not_found"])
    api.post("/mcp/servers/nobody/test", expect=404)


def test_secrets_are_put_in_when_a_server_is_started(api: Api, file: Path) -> None:
    api.send("PUT", "/secrets/EXTRA", json={"value": "yes"}, expect=200)
    file.write_text(json.dumps({"fake": described(FAKE_EXTRA="${secret:EXTRA}")}), encoding="utf-8")
    assert "fake.extra" in api.post("/mcp/servers/fake/test")["tools"]
    assert "EXTRA" not in json.dumps(api.get("/mcp/servers"))

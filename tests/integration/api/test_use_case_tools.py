"""The use cases of the platform, called as tools: directly and from pipelines."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.http.services import services
from ordinaut import Caller, ToolCall
from tests.fakes.tool_calls import tool_call
from tests.integration.api.conftest import Api, make_settings, serving

NOTE: dict[str, Any] = {"pipeline": [{"id": "note", "uses": "log.write", "with": {"message": "Hello ${params.name}"}}]}
NAMED: dict[str, Any] = {**NOTE, "params": {"name": "Ana"}}


def call(api: Api, tool: str, expect: int = 200, **arguments: Any) -> Any:
    """The output of a direct call, or the error body of a refusal."""
    body = api.post(f"/tools/{tool}/invoke", {"arguments": arguments}, expect=expect)
    return body["output"] if expect == 200 else body


def made(api: Api, **arguments: Any) -> str:
    """The id of a new task that greets every evening, but for what is given."""
    base = {"title": "Greeting", "schedule": "0 18 * * *", "payload": NAMED}
    return str(call(api, "create_task", **{**base, **arguments})["task_id"])


@pytest.mark.parametrize(
    ("schedule", "kind", "expr"),
    [
        # five fields, six, a macro
        ("0 18 * * *", "cron", "0 18 * * *"),
        ("*/10 0 9 * * MON-FRI", "cron", "*/10 0 9 * * MON-FRI"),
        ("@daily", "cron", "@daily"),
        # RFC 5545, with and without its name
        ("RRULE:FREQ=WEEKLY;BYDAY=MO", "rrule", "RRULE:FREQ=WEEKLY;BYDAY=MO"),
        ("FREQ=DAILY;BYHOUR=9", "rrule", "FREQ=DAILY;BYHOUR=9"),
        ("2126-05-17T09:00:00Z", "once", "2126-05-17T09:00:00Z"),
        ("event:shop.order.*", "event", "shop.order.*"),
        ("manual", "manual", None),
    ],
)
def test_create_task_tells_the_kind_of_its_schedule(api: Api, schedule: str, kind: str, expr: str | None) -> None:
    answer = call(api, "create_task", title="A task", schedule=schedule, payload=NAMED)
    assert answer["schedule_kind"] == kind
    assert answer["message"] == "Task created successfully"
    assert len(answer["next_runs"]) == {"manual": 0, "event": 0, "once": 1}.get(kind, 3)
    stored = api.get(f"/tasks/{answer['task_id']}")
    assert (stored["schedule_kind"], stored["schedule_expr"]) == (kind, expr)


def test_a_kind_that_is_given_wins(api: Api) -> None:
    answer = call(
        api, "create_task", title="A task", schedule="2126-01-01T00:00", schedule_kind="once", timezone="Asia/Tokyo"
    )
    assert answer["next_runs"][0]["nominal"] == "2125-12-31T15:00:00Z"
    refused = call(api, "create_task", 422, title="A task", schedule="0 9 * * *", schedule_kind="once")
    assert refused["details"]["details"]["errors"][0]["field"] == "schedule"


def test_an_empty_pipeline_is_warned_about_and_a_paused_task_does_not_fire(api: Api) -> None:
    answer = call(api, "create_task", title="Later", schedule="0 9 * * *", paused=True)
    assert answer["warnings"] == ["/payload/pipeline: The pipeline has no steps, so its runs do nothing."]
    assert api.get(f"/tasks/{answer['task_id']}")["status"] == "paused"


@pytest.mark.parametrize(
    ("arguments", "field", "says"),
    [
        # a sentence is no schedule
        ({"schedule": "every day at nine"}, "schedule", "preview_schedule"),
        # a cron expression whose hour does not exist
        ({"schedule": "0 25 * * *"}, "schedule", "hour must be 0-23"),
        ({"timezone": "Mars/Olympus"}, "timezone", "Mars/Olympus"),
        ({"payload": {"pipeline": [{"uses": "no.tool"}]}}, "payload.pipeline.0.uses", "no.tool"),
    ],
)
def test_a_task_that_cannot_be_is_refused_at_its_place(api: Api, arguments: Any, field: str, says: str) -> None:
    base = {"title": "A task", "schedule": "0 9 * * *", "payload": NAMED}
    refused = call(api, "create_task", 422, **{**base, **arguments})
    assert refused["details"]["type"] == "invalid_arguments"
    assert refused["details"]["retryable"] is False
    assert refused["details"]["details"]["errors"][0]["field"] == field
    assert says in refused["message"]


def test_list_and_get_tell_what_was_made(api: Api) -> None:
    first, second = made(api, tags=["evening"]), made(api, title="Other", schedule="@hourly")
    everything = call(api, "list_tasks")
    assert [one["task_id"] for one in everything["tasks"]] == [second, first]
    assert everything["next_cursor"] is None
    page = call(api, "list_tasks", limit=1)
    assert (page["tasks"][0]["task_id"], page["total"], page["next_cursor"]) == (second, 2, "1")
    rest = call(api, "list_tasks", limit=1, cursor=page["next_cursor"])
    assert rest["tasks"][0]["schedule"] == "Every day at 18:00"
    assert [one["task_id"] for one in call(api, "list_tasks", tag="evening")["tasks"]] == [first]
    assert call(api, "list_tasks", query="oth", status="active")["total"] == 1
    whole = call(api, "get_task", task_id=first)
    assert whole["task"]["payload"] == NAMED
    assert whole["last_run"] is None
    assert len(whole["next_runs"]) == 3
    stored = api.get(f"/tasks/{first}")
    missing = {name for name in stored if name not in whole["task"]} - {"id", "description_text"}
    assert not missing


def test_a_foreign_cursor_is_refused(api: Api) -> None:
    assert "cursor" in call(api, "list_tasks", 422, cursor="abc")["message"]


def test_update_says_what_changed_and_minds_the_version(api: Api) -> None:
    task = made(api)
    answer = call(api, "update_task", task_id=task, changes={"schedule": "30 8 * * 1-5", "tags": ["early"]})
    assert answer["changed"]["schedule_expr"] == {"before": "0 18 * * *", "after": "30 8 * * 1-5"}
    assert answer["changed"]["tags"] == {"before": [], "after": ["early"]}
    assert answer["task"]["version"] == 2
    late = call(api, "update_task", 422, task_id=task, changes={"title": "Late"}, expected_version=1)
    assert late["details"]["type"] == "precondition_failed"
    assert "get_task" in late["message"]
    wrong = call(api, "update_task", 422, task_id=task, changes={"schedule": "0 99 * * *"})
    assert wrong["details"]["details"]["errors"][0]["field"] == "changes.schedule"


def test_steering(api: Api) -> None:
    task = made(api)
    assert call(api, "pause_task", task_id=task)["status"] == "paused"
    assert call(api, "resume_task", task_id=task)["next_run"] is not None
    assert call(api, "snooze_task", task_id=task, delay_seconds=60, reason="Rest")["snoozed_until"] is not None
    neither = call(api, "snooze_task", 422, task_id=task)
    assert "delay_seconds" in neither["message"]
    unsure = call(api, "cancel_task", 422, task_id=task)
    assert unsure["details"]["type"] == "confirmation_required"
    assert call(api, "cancel_task", task_id=task, confirm=True)["status"] == "canceled"
    again = call(api, "resume_task", 422, task_id=task)
    assert again["details"]["type"] == "conflict"


def test_what_is_not_there_names_the_tool_that_finds_it(api: Api) -> None:
    asked: list[tuple[str, dict[str, Any], str]] = [
        ("get_task", {"task_id": "nobody"}, "list_tasks"),
        ("get_run", {"run_id": "nobody"}, "list_runs"),
        ("get_tool", {"name": "no.tool"}, "list_tools"),
    ]
    for tool, arguments, advice in asked:
        refused = call(api, tool, 422, **arguments)
        assert refused["details"]["type"] == "not_found"
        assert advice in refused["message"]


def test_runs_are_started_waited_for_looked_at_and_retried(api: Api) -> None:
    task = made(api)
    started = call(api, "run_task_now", task_id=task, inputs={"name": "Ion"}, idempotency_key="one")
    assert (started["status"], started["deduplicated"]) == ("queued", False)
    assert call(api, "run_task_now", task_id=task, inputs={"name": "Ion"}, idempotency_key="one")["deduplicated"]
    early = call(api, "wait_for_run", run_id=started["run_id"], timeout_seconds=0)
    assert early["timed_out"] is True
    assert call(api, "retry_run", 422, run_id=started["run_id"])["details"]["type"] == "conflict"
    api.work()
    ended = call(api, "wait_for_run", run_id=started["run_id"])
    assert (ended["timed_out"], ended["run"]["status"]) == (False, "succeeded")
    told = call(api, "get_run", run_id=started["run_id"], include=["steps", "output", "logs", "errors"], step="note")
    assert [step["id"] for step in told["steps"]] == ["note"]
    assert told["step"]["input"] == {"message": "Hello Ion"}
    assert told["logs"][0]["message"] == "Hello Ion"
    assert told["errors"] == []
    again = call(api, "retry_run", run_id=started["run_id"])
    assert again["run_id"] != started["run_id"]
    api.work()
    assert call(api, "get_run", run_id=again["run_id"], include=["logs"])["logs"][0]["message"] == "Hello Ion"
    assert [one["run_id"] for one in call(api, "list_runs", task_id=task)["runs"]] == [
        again["run_id"],
        started["run_id"],
    ]
    assert call(api, "list_runs", status="failed")["runs"] == []
    assert call(api, "list_runs", until="2020-01-01T00:00:00Z")["total"] == 0


def test_a_failed_run_is_retried_from_where_it_failed(api: Api) -> None:
    bad = {"id": "bad", "uses": "data.set", "with": {"value": "${steps.note.no}"}}
    task_id = made(api, payload={**NAMED, "pipeline": [*NOTE["pipeline"], bad]})
    run_id = call(api, "run_task_now", task_id=task_id)["run_id"]
    api.work()
    starts = {"failed": [True, False], "note": [False, False], None: [True, False]}
    for start, reused in starts.items():
        given: dict[str, Any] = {} if start is None else {"from_step": start}
        again = call(api, "retry_run", run_id=run_id, **given)["run_id"]
        api.work()
        assert [step["reused"] for step in api.get(f"/runs/{again}/steps")["steps"]] == reused
    assert "note, bad" in str(call(api, "retry_run", 422, run_id=run_id, from_step="other"))


def test_a_step_that_has_not_begun_is_named(api: Api) -> None:
    run = call(api, "run_task_now", task_id=made(api))["run_id"]
    api.work()
    assert "note" in call(api, "get_run", 422, run_id=run, step="nothing")["message"]


def test_a_run_is_canceled_once(api: Api) -> None:
    run = call(api, "run_task_now", task_id=made(api))["run_id"]
    assert call(api, "cancel_run", run_id=run)["status"] == "canceled"
    assert call(api, "cancel_run", 422, run_id=run)["details"]["type"] == "conflict"


def test_schedules_and_pipelines_are_checked_without_a_task(api: Api) -> None:
    seen = call(api, "preview_schedule", schedule="30 8 * * 1-5", timezone="Europe/Chisinau", count=2)
    assert (seen["schedule_kind"], len(seen["occurrences"])) == ("cron", 2)
    wish: Any = {"from": "2030-01-01T00:00:00Z", "count": 1}
    dated = call(api, "preview_schedule", schedule="@daily", **wish)
    assert dated["occurrences"][0]["nominal"] == "2030-01-01T00:00:00Z"
    good = call(api, "validate_pipeline", payload=NAMED)
    assert (good["valid"], good["missing_tools"]) == (True, [])
    bad = call(api, "validate_pipeline", payload={"pipeline": [{"uses": "no.tool"}]})
    assert (bad["valid"], bad["missing_tools"]) == (False, ["no.tool"])
    assert bad["errors"][0]["path"] == "/payload/pipeline/0/uses"


def test_tools_tell_of_tools(api: Api) -> None:
    listed = call(api, "list_tools", query="log")
    assert "log.write" in [one["name"] for one in listed["tools"]]
    assert [one["name"] for one in call(api, "list_tools", server="log")["tools"]] == ["log.write"]
    one = call(api, "get_tool", name="create_task")
    assert one["example_step"]["uses"] == "create_task"
    assert one["scope"] == "tasks:create"


def test_a_pipeline_makes_a_task_and_runs_it(api: Api) -> None:
    quiet = {"pipeline": [{"id": "note", "uses": "log.write", "with": {"message": "Hello"}}]}
    pipeline = [
        {"id": "make", "uses": "create_task", "with": {"title": "Child", "schedule": "manual", "payload": quiet}},
        {"id": "go", "uses": "run_task_now", "with": {"task_id": "${steps.make.task_id}"}},
        {"id": "look", "uses": "get_task", "with": {"task_id": "${steps.make.task_id}"}},
    ]
    parent = api.task(payload={"pipeline": pipeline})
    run = api.run(parent)
    api.work()
    told = call(api, "get_run", run_id=run, step="look")
    assert told["run"]["status"] == "succeeded", told
    child = told["step"]["output"]["task"]
    assert (child["title"], child["created_by"]) == ("Child", parent["created_by"])
    assert call(api, "list_runs", task_id=child["task_id"])["runs"][0]["status"] == "succeeded"


def test_an_event_starts_the_tasks_that_wait_for_it_once_for_each_key(api: Api) -> None:
    waiting = made(api, schedule="event:shop.order.*")
    first = call(api, "publish_event", topic="shop.order.paid", payload={"order": 42}, idempotency_key="42")
    assert first["triggered_tasks"] == [waiting]
    assert first["stream_id"] == first["event_id"]
    again = call(api, "publish_event", topic="shop.order.paid", payload={"order": 42}, idempotency_key="42")
    assert again["event_id"] == first["event_id"]
    assert call(api, "list_runs", task_id=waiting)["total"] == 1
    refused = call(api, "publish_event", 422, topic="task.created")
    assert refused["details"]["details"]["errors"][0]["field"] == "topic"


def test_a_caller_without_the_scope_of_a_tool_may_not_call_it(database_url: str, tmp_path: Path) -> None:
    with serving(make_settings(database_url, tmp_path, ORDINAUT_REQUIRE_SCOPES="true")) as api:
        body = {"arguments": {"title": "A task", "schedule": "@daily"}}
        narrow, wide = {"X-Scopes": "tools:invoke,tasks:read"}, {"X-Scopes": "tools:invoke,tasks:read,tasks:create"}
        refused = api.post("/tools/create_task/invoke", body, expect=403, headers=narrow)
        assert refused["details"]["required_scopes"] == ["tasks:create"]
        listed = api.post("/tools/list_tasks/invoke", {"arguments": {}}, headers=narrow)
        assert listed["output"]["total"] == 0
        assert api.post("/tools/create_task/invoke", body, headers=wide)["output"]["task_id"]


def test_a_step_that_is_done_again_makes_nothing_twice(api: Api) -> None:
    """A worker that dies after the call leaves a step to be done again, under the same key."""
    with api.app.app_context():
        tools = services().tools
    arguments: dict[str, Any] = {"title": "Once", "schedule": "manual", "payload": NAMED}
    task, same = (tools.get("create_task").run(_step_call(arguments))["task_id"] for _ in range(2))
    assert task == same
    wish = {"task_id": task}
    run, equal = (tools.get("run_task_now").run(_step_call(wish))["run_id"] for _ in range(2))
    assert run == equal


def _step_call(arguments: dict[str, Any]) -> ToolCall:
    return replace(tool_call(arguments), caller=Caller("local", frozenset({"admin"})))

"""Tools that start a run, each of a task of its own that is made when it is first called."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ordinaut import ExtensionContext, InputNeeded, RequestRefused, ToolCall, ToolFailed

from .asking import NAME, given
from .content import NOTHING, add_tool

SECONDS = {
    "type": "object",
    "properties": {"seconds": {"type": "number", "minimum": 0, "maximum": 3600}, "label": {"type": "string"}},
}
FILE = {"type": "object", "properties": {"filename": {"type": "string"}}}
Steps = list[dict[str, Any]]


def says(words: str) -> dict[str, Any]:
    """A step whose output is a block of text."""
    return {"id": "says", "uses": "data.set", "with": {"value": {"content": [{"type": "text", "text": words}]}}}


def asks(name: str) -> dict[str, Any]:
    """A step that waits for a decision, which the asking agent may make itself."""
    fields = {"name": {"type": "string"}, "confirm": {"type": "boolean"}}
    arguments = {"title": f"Go on with {name}?", "form": {"type": "object", "properties": fields}, "deny_self": False}
    return {"id": name, "uses": "orchestrator.request_approval", "with": arguments}


PIPELINES: dict[str, Steps] = {
    "slow_compute": [
        {"id": "wait", "uses": "flow.sleep", "with": {"seconds": "${params.seconds}"}},
        says("Computed ${params.label}"),
    ],
    "failing_job": [{"id": "fails", "uses": "ext.conformance.job_that_fails", "with": {}}],
    "protocol_error_job": [{"id": "crashes", "uses": "ext.conformance.job_that_crashes", "with": {}}],
    "confirm_delete": [asks("confirm"), says("Deleted")],
    "multi_input": [{"id": "both", "parallel": [[asks("first")], [asks("second")]]}, says("Both are in")],
    "test_tool_with_task": [says("Hello, ${params.name}!")],
}


def add_runs(context: ExtensionContext) -> None:
    """The tools of `tasks-*`."""

    def starter(name: str) -> Callable[..., Any]:
        return lambda **arguments: start(context, name, arguments)

    def with_task(call: ToolCall) -> dict[str, str]:
        """Asks for a name, then greets in a run."""
        answer = given(call.dialog, "user_name")
        if answer is None:
            raise InputNeeded({"user_name": NAME})
        return start(context, "test_tool_with_task", {"name": answer["name"]})

    def slow_compute(seconds: float = 0, label: str = "") -> dict[str, str]:
        """Takes its time."""
        return start(context, "slow_compute", {"seconds": seconds, "label": label})

    add_tool(context, "slow_compute", slow_compute, SECONDS, starts_run=True)
    add_tool(context, "failing_job", starter("failing_job"), starts_run=True, tasks_only=True)
    add_tool(context, "protocol_error_job", starter("protocol_error_job"), starts_run=True)
    add_tool(context, "confirm_delete", starter("confirm_delete"), FILE, starts_run=True)
    add_tool(context, "multi_input", starter("multi_input"), starts_run=True)
    add_tool(context, "test_tool_with_task", with_task, starts_run=True, tasks_only=True)
    context.tool_registry.register_tool("job_that_fails", fail, NOTHING)
    context.tool_registry.register_tool("job_that_crashes", crash, NOTHING, expose_to_mcp=True)


def start(context: ExtensionContext, name: str, params: Mapping[str, Any]) -> dict[str, str]:
    """A run of the tool's own task, which is made where it is not there yet."""
    task = {"title": f"The suite's {name}", "schedule_kind": "manual", "payload": {"pipeline": PIPELINES[name]}}
    made = context.api.put(f"/tasks/by-external-id/conformance-{name}", {**task, "max_retries": 0})
    begun = context.api.post(f"/tasks/{made.data['id']}/run_now", {"params": dict(params)}) if made.ok else made
    if not begun.ok:
        raise RequestRefused(begun.data["error"], begun.data["message"], **begun.data["details"])
    return {"run_id": begun.data["run_id"]}


def fail() -> None:
    """Fails on purpose."""
    raise ToolFailed("The job has failed", retryable=False)


def crash() -> None:
    """Breaks on purpose."""
    raise RuntimeError("The job is broken")

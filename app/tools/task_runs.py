"""`tasks.run`: a pipeline that runs another task, and waits for it if it likes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from app.domain.clock import SECOND
from app.domain.errors import Conflict, Forbidden, NotFound, Unprocessable
from app.domain.runs import NewRun, RunError
from app.domain.texts import t
from app.domain.waits import LONGEST_SECONDS, ChildWait, Parked, Resolution, Until
from ordinaut.callers import Caller
from ordinaut.tools import Tool, ToolCall, ToolFailed


class RunChildren(Protocol):
    """The use cases behind it; `app.services.child_runs.ChildRuns`."""

    def prepared(self, task_id: str, params: Mapping[str, Any] | None, *, caller: Caller, key: str) -> NewRun:
        """A run that is not stored yet."""

    def start(self, task_id: str, params: Mapping[str, Any] | None, *, caller: Caller, key: str) -> str:
        """Queue a run, once for each key; its id."""


_SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["task_id"],
    "properties": {
        "task_id": {"type": "string", "minLength": 1, "maxLength": 100, "description": "Which task."},
        "params": {"type": "object", "description": "Laid over the task's own params."},
        "wait": {"type": "boolean", "default": True, "description": "Whether to wait for its end."},
        "timeout_seconds": {
            "type": "number",
            "exclusiveMinimum": 0,
            "maximum": LONGEST_SECONDS,
            "description": "How long to wait at most; the child goes on.",
        },
    },
}
_OUTPUT_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["run_id", "status"],
    "properties": {
        "run_id": {"type": "string", "description": "The child's id."},
        "status": {"type": "string", "description": "`succeeded`, or `queued` when nobody waits."},
        "output": {"description": "What the child's last step gave."},
    },
}


def tasks_run_tool(children: RunChildren) -> Tool:
    """`tasks.run`; the child's failure is the step's."""

    def run(call: ToolCall) -> dict[str, Any]:
        given, key = call.arguments, call.idempotency_key
        task_id, params = given["task_id"], given.get("params")
        try:
            if not given.get("wait", True):
                run_id = children.start(task_id, params, caller=call.caller, key=key)
                return {"run_id": run_id, "status": "queued"}
            child = children.prepared(task_id, params, caller=call.caller, key=key)
        except (NotFound, Forbidden, Conflict, Unprocessable) as error:
            raise ToolFailed(error.message, type=error.code, retryable=False) from error
        raise Parked(ChildWait(child=child, until=_until(given.get("timeout_seconds"))))

    return Tool(
        name="tasks.run",
        description=t("Runs another task and waits for its end. The run holds no worker meanwhile."),
        schema=_SCHEMA,
        output_schema=_OUTPUT_SCHEMA,
        run=run,
        idempotent=True,
        scope="tasks:run",
        examples=({"task_id": "019f2a00-1111-7a42-9b0e-3f6c1d2e4a5b", "params": {"city": "Chișinău"}},),
    )


def _until(seconds: float | None) -> Until | None:
    if seconds is None:
        return None
    message = t("The run it waited for did not end within {seconds} s", seconds=f"{seconds:g}")
    return Until(delay_us=int(seconds * SECOND), then=Resolution(error=RunError(type="timeout", message=message)))

"""Runs as tasks of the protocol (extension `io.modelcontextprotocol/tasks`, SEP-2663): started, asked about, canceled.

A client that says it knows tasks gets one for `run_task_now` instead of waiting; its id is the run's. So it does for a
tool that says `starts_run`; then the id has the tool's name too, for the answer has the form of that tool. What a run
asks people (an approval) is input that the task requires; who may not decide it cannot give it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import mcp_types as types
from mcp.server import ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp_types import INTERNAL_ERROR, INVALID_PARAMS, MISSING_REQUIRED_CLIENT_CAPABILITY
from pydantic import ConfigDict, Field

from ordinaut import ApiAnswer, ExtensionContext, ToolInfo

from . import task_tools
from .catalogue import known_as, offered_tool
from .results import failed, succeeded

EXTENSION = "io.modelcontextprotocol/tasks"
STARTS = "run_task_now"
"""The tool whose call is answered with a task."""
SINCE = "2026-07-28"
POLL_MS = 1000
FORBIDDEN = 40301
STATES: Mapping[str, str] = {"succeeded": "completed", "failed": "completed", "canceled": "cancelled"}
"""Status of a run -> of its task; a failed run is a tool that failed, and a task that is complete."""
BROKEN = frozenset({"worker_lost", "internal_error"})
"""Types of errors that are the platform's own: then it is the task that has failed."""
CRASHED = "tool_crashed"
"""The same for a tool's own run: called without a task, the crash would be an error of the protocol."""
BETWEEN = ":"
Context = ServerRequestContext[Any, Any]


class TaskParams(types.RequestParams):
    """Which task; and for `tasks/update`, what it asked for."""

    model_config = ConfigDict(extra="allow")
    task_id: str = Field(alias="taskId")
    input_responses: dict[str, Any] = Field(default_factory=dict, alias="inputResponses")


class RunTasks:
    """The three requests, and the answer that begins one."""

    def __init__(self, context: ExtensionContext) -> None:
        self._context = context

    def wanted(self, asked: Context, tool: ToolInfo) -> bool:
        """Whether this call is to be answered with a task; MCPError where it must be and the client knows none."""
        if tool.tasks_only:
            _require_tasks(asked)
        return (tool.name == STARTS or tool.starts_run) and _knows_tasks(asked)

    def without_waiting(self, tool: ToolInfo) -> dict[str, Any]:
        """The arguments that make a call of the tool begin the run and no more."""
        return {"wait_seconds": 0} if tool.name == STARTS else {}

    def begun(self, run: Mapping[str, Any], tool: ToolInfo) -> dict[str, Any]:
        """The answer of a call whose run has been stored."""
        run_id = str(run["run_id"])
        own = tool.name != STARTS
        named = _Named(run_id + BETWEEN + known_as(tool), run_id, tool) if own else _Named(run_id, run_id, None)
        return {"resultType": "task", **self._view(named)}

    def result(self, run_id: str, tool: ToolInfo, version: str) -> types.CallToolResult:
        """What the call of a tool that has started this run is answered with, by now."""
        run = self._run(run_id)
        if run["status"] in STATES:
            return _result(run, tool, version)
        text = f"The run {run_id} is still {run['status']}: watch it with wait_for_run, read it with get_run."
        return types.CallToolResult(content=[types.TextContent(type="text", text=text)])

    async def get(self, asked: Context, params: TaskParams) -> dict[str, Any]:
        """How the task stands, with what it asks for or came to."""
        _require_tasks(asked)
        return {"resultType": "complete", **self._view(self._named(params.task_id), whole=True)}

    async def cancel(self, asked: Context, params: TaskParams) -> dict[str, Any]:
        """Ask the run to stop; one that has ended is left as it is."""
        _require_tasks(asked)
        answer = self._context.api.post(f"/runs/{self._named(params.task_id).run_id}/cancel")
        if not answer.ok and answer.status != 409:
            raise _refusal(answer)
        return {"resultType": "complete"}

    async def update(self, asked: Context, params: TaskParams) -> dict[str, Any]:
        """Decide the approvals that were answered; the rest stays open."""
        _require_tasks(asked)
        run = self._run(self._named(params.task_id).run_id)
        asked_for = {one["id"]: one for one in self._approvals(run["id"])}
        for key, response in params.input_responses.items():
            if key in asked_for:
                self._decide(asked_for[key], response if isinstance(response, Mapping) else {})
        return {"resultType": "complete"}

    def _decide(self, approval: Mapping[str, Any], response: Mapping[str, Any]) -> None:
        content = response.get("content") if isinstance(response.get("content"), dict) else {}
        given = dict(content or {})
        decision = given.pop("decision", None)
        if decision is None:
            options = approval["options"]
            decision = options[0] if response.get("action") == "accept" else options[-1]
        body = {"decision": decision, **({"form": given} if approval["form"] else {})}
        answer = self._context.api.post(f"/approvals/{approval['id']}/decide", body)
        if not answer.ok and answer.status != 409:
            raise _refusal(answer)

    def _named(self, task_id: str) -> _Named:
        run_id, _, name = task_id.partition(BETWEEN)
        tool = self._tool(name) if name else None
        if not run_id or set("/?") & set(run_id) or len(run_id) > 100 or (name and (not tool or not tool.starts_run)):
            raise MCPError(INVALID_PARAMS, "Unknown task")
        return _Named(task_id, run_id, tool)

    def _tool(self, name: str) -> ToolInfo | None:
        # A task may have lost its name since, and its run goes on.
        return task_tools.nameless(name) if name.startswith(task_tools.PREFIX) else offered_tool(self._context, name)

    def _run(self, run_id: str) -> Mapping[str, Any]:
        answer = self._context.api.get(f"/runs/{run_id}")
        if not answer.ok:
            raise _refusal(answer)
        run: Mapping[str, Any] = answer.data
        return run

    def _approvals(self, run_id: str) -> list[Mapping[str, Any]]:
        """Those that this caller may decide."""
        answer = self._context.api.get("/approvals", run_id=run_id, status="pending", limit=50)
        return list(answer.data["items"]) if answer.ok else []

    def _view(self, named: _Named, *, whole: bool = False) -> dict[str, Any]:
        run = self._run(named.run_id)
        asks = [] if run["status"] in STATES else self._approvals(run["id"])
        kinds = BROKEN | {CRASHED} if named.tool else BROKEN
        broken = run["status"] == "failed" and (run["error"] or {}).get("type") in kinds
        status = "failed" if broken else STATES.get(run["status"], "input_required" if asks else "working")
        view = {
            "taskId": named.task_id,
            "status": status,
            "statusMessage": f"The run is {run['status']}, attempt {run['attempt']} of {run['max_attempts']}",
            "createdAt": run["created_at"],
            "lastUpdatedAt": run["finished_at"] or run["started_at"] or run["created_at"],
            "ttlMs": None,
            "pollIntervalMs": POLL_MS,
        }
        if not whole:
            return view
        if status == "completed":
            result = _result(run, named.tool, SINCE) if named.tool else self._summary(run)
            # Null is a value inside of the data, and nothing around it.
            told = result.model_dump(by_alias=True, mode="json", exclude_none=True, exclude={"structured_content"})
            data = {} if result.structured_content is None else {"structuredContent": result.structured_content}
            return {**view, "result": {**told, **data, "resultType": "complete"}}
        return {**view, **_unfinished(run, status, asks)}

    def _summary(self, run: Mapping[str, Any]) -> types.CallToolResult:
        """What `run_task_now` is answered with for a run that has ended."""
        data = {
            "run_id": run["id"],
            "task_id": run["task_id"],
            "status": run["status"],
            "success": run["success"],
            "output": run["output"],
            "error": run["error"],
            "message": f"The run has ended: {run['status']}",
            "deduplicated": False,
        }
        result = succeeded(data, self._context.tool_registry.get_tool(STARTS), SINCE)
        result.is_error = not run["success"]
        return result


@dataclass(frozen=True, slots=True)
class _Named:
    """A task's id, taken apart; `tool` is the one that started the run, but for `run_task_now`."""

    task_id: str
    run_id: str
    tool: ToolInfo | None


def _result(run: Mapping[str, Any], tool: ToolInfo, version: str) -> types.CallToolResult:
    """The answer of a tool whose run has ended."""
    if run["success"]:
        return succeeded(run["output"], replace(tool, output_schema=None), version)
    error = run["error"] or {}
    return failed(str(error.get("message") or f"The run has ended: {run['status']}"))


def _unfinished(run: Mapping[str, Any], status: str, asks: list[Mapping[str, Any]]) -> dict[str, Any]:
    if status == "input_required":
        return {"inputRequests": {one["id"]: _elicitation(one) for one in asks}}
    if status == "failed":
        return {"error": {"code": INTERNAL_ERROR, "message": str(run["error"]["message"])}}
    return {}


def _elicitation(approval: Mapping[str, Any]) -> dict[str, Any]:
    """What is asked, as a form: the decision, and what its own form asks for."""
    schema = approval["form"] or {"type": "object", "properties": {}}
    decision = {"type": "string", "enum": approval["options"], "title": "Decision"}
    properties = {"decision": decision, **schema.get("properties", {})}
    required = ["decision", *schema.get("required", [])]
    wanted = {"type": "object", "properties": properties, "required": required}
    message = approval["message"] or approval["title"]
    return {
        "method": "elicitation/create",
        "params": {"mode": "form", "message": message, "requestedSchema": wanted},
    }


def _knows_tasks(asked: Context) -> bool:
    capabilities = asked.session.client_capabilities
    extensions = (capabilities.extensions if capabilities else None) or {}
    return EXTENSION in extensions and asked.protocol_version >= SINCE


def _require_tasks(asked: Context) -> None:
    if not _knows_tasks(asked):
        needed: dict[str, Any] = {"requiredCapabilities": {"extensions": {EXTENSION: {}}}}
        raise MCPError(MISSING_REQUIRED_CLIENT_CAPABILITY, "Missing required client capability", needed)


def _refusal(answer: ApiAnswer) -> MCPError:
    if answer.status == 404:
        return MCPError(INVALID_PARAMS, "Unknown task")
    code = FORBIDDEN if answer.status in (401, 403) else INVALID_PARAMS
    return MCPError(code, str(answer.data.get("message", "")), answer.data)

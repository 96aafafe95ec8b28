"""A server over HTTP whose tools become tasks, which take their time and ask for things; told about at `/seen`."""

from __future__ import annotations

import sys
import time
import uuid
from typing import Any

import mcp_types as types
import uvicorn
from mcp import MCPError
from mcp.server import Server, ServerRequestContext
from pydantic import ConfigDict, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

FORM = {
    "type": "object",
    "properties": {"account": {"type": "string", "enum": ["main", "travel"]}},
    "required": ["account"],
}
NUMBER = {"type": "object", "properties": {"number": {"type": "integer"}}, "required": ["number"]}
Context = ServerRequestContext[Any, Any]


class TaskParams(types.RequestParams):
    """Which task."""

    model_config = ConfigDict(extra="allow")
    task_id: str = Field(alias="taskId")
    input_responses: dict[str, Any] = Field(default_factory=dict, alias="inputResponses")


class Work:
    """One task: how long it works before it asks, and after; what it asks."""

    def __init__(self, arguments: dict[str, Any]) -> None:
        self.id = str(uuid.uuid4())
        self.asks: dict[str, Any] = arguments.get("asks", {})
        self.seconds: float = arguments.get("seconds", 0.0)
        self.ttl_ms: int | None = arguments.get("ttl_ms")
        self.fails: bool = arguments.get("fails", False)
        # No caller of ours can send NUL, but a server can.
        self.says: str = arguments.get("says", "Which {key}?").replace("\N{SYMBOL FOR NULL}", "\0")
        self.answers: dict[str, Any] = {}
        self.updates = 0
        self.canceled = False
        self.since = time.monotonic()

    @property
    def status(self) -> str:
        """As the protocol has it."""
        if self.canceled:
            return "cancelled"
        if self.asks.keys() - self.answers.keys():
            return "input_required"
        if time.monotonic() < self.since + self.seconds:
            return "working"
        return "failed" if self.fails else "completed"

    def answer(self, responses: dict[str, Any]) -> None:
        """Take what was asked for; work begins anew."""
        self.updates += 1
        self.answers.update({key: one for key, one in responses.items() if key in self.asks})
        self.since = time.monotonic()

    def view(self) -> dict[str, Any]:
        """For `tasks/get`."""
        view: dict[str, Any] = {"taskId": self.id, "status": self.status, "pollIntervalMs": 100, "ttlMs": self.ttl_ms}
        if self.status == "input_required":
            view["inputRequests"] = {
                key: elicitation(self.says.format(key=key), schema)
                for key, schema in self.asks.items()
                if key not in self.answers
            }
        if self.status == "completed":
            said = {key: [one["action"], one.get("content")] for key, one in self.answers.items()}
            view["result"] = answer({"answers": said})
        if self.status == "failed":
            view["error"] = {"code": types.INTERNAL_ERROR, "message": "It broke"}
        return view


def elicitation(message: str, schema: Any) -> dict[str, Any]:
    """A question; one whose schema is a text sends people there."""
    where = {"mode": "url", "url": schema} if isinstance(schema, str) else {"mode": "form", "requestedSchema": schema}
    return {"method": "elicitation/create", "params": {"message": message, **where}}


def answer(data: Any) -> dict[str, Any]:
    """The result of a call."""
    return {"content": [], "structuredContent": data, "isError": False, "resultType": "complete"}


WORKS: dict[str, Work] = {}
CALLS: list[dict[str, Any]] = []


async def list_tools(asked: Context, params: Any) -> types.ListToolsResult:
    """`work` becomes a task; `ask` asks in place of an answer, as often as it is told to."""
    return types.ListToolsResult(
        tools=[
            types.Tool(name=name, description=name, input_schema={"type": "object"})
            for name in ("work", "ask", "sample")
        ]
    )


async def call_tool(asked: Context, params: types.CallToolRequestParams) -> Any:
    """See `list_tools`."""
    arguments = params.arguments or {}
    given = {key: one.model_dump(exclude_none=True) for key, one in (params.input_responses or {}).items()}
    CALLS.append({"tool": params.name, "state": params.request_state, "given": given})
    if params.name == "work":
        work = Work(arguments)
        WORKS[work.id] = work
        return {"resultType": "task", **work.view()}
    if params.name == "sample":
        message = {"role": "user", "content": {"type": "text", "text": "Guess"}}
        wanted = {"method": "sampling/createMessage", "params": {"messages": [message], "maxTokens": 5}}
        return {"resultType": "input_required", "inputRequests": {"guess": wanted}}
    done = int(params.request_state or "0") + bool(given)
    if done < arguments.get("times", 1):
        asks = {"account": elicitation("Which account?", FORM)}
        return {"resultType": "input_required", "inputRequests": asks, "requestState": str(done)}
    return answer({"account": given["account"].get("content"), "action": given["account"]["action"], "times": done})


def of(params: TaskParams) -> Work:
    """The task, or the protocol's refusal."""
    if params.task_id not in WORKS:
        raise MCPError(types.INVALID_PARAMS, "Unknown task")
    return WORKS[params.task_id]


async def get(asked: Context, params: TaskParams) -> dict[str, Any]:
    """How it stands."""
    return {"resultType": "complete", **of(params).view()}


async def update(asked: Context, params: TaskParams) -> dict[str, Any]:
    """What it asked for."""
    of(params).answer(params.input_responses)
    return {"resultType": "complete"}


async def cancel(asked: Context, params: TaskParams) -> dict[str, Any]:
    """Nobody wants it."""
    of(params).canceled = True
    return {"resultType": "complete"}


async def seen(request: Request) -> JSONResponse:
    """What has happened here."""
    works = [
        {"id": one.id, "status": one.status, "updates": one.updates, "canceled": one.canceled} for one in WORKS.values()
    ]
    return JSONResponse({"works": works, "calls": CALLS})


class Door:
    """Lets nobody to the server while it is closed."""

    def __init__(self, inner: ASGIApp) -> None:
        self._inner = inner
        self._open = True

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if path in ("/open", "/close"):
            self._open = path == "/open"
            await Response(status_code=204)(scope, receive, send)
        elif path == "/mcp" and not self._open:
            await Response(status_code=503)(scope, receive, send)
        else:
            await self._inner(scope, receive, send)


def main() -> None:
    """On the port that is given."""
    server: Server[Any] = Server("tasks", version="1", on_list_tools=list_tools, on_call_tool=call_tool)
    for method, handler in (("tasks/get", get), ("tasks/update", update), ("tasks/cancel", cancel)):
        server.add_request_handler(method, TaskParams, handler)
    app = server.streamable_http_app(stateless_http=True, json_response=True)
    app.router.routes.append(Route("/seen", seen))
    uvicorn.run(Door(app), host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")


if __name__ == "__main__":
    main()

"""An extension for tests: routes of every kind, tools plain and async, streams, sockets and files."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from flask import Blueprint, Response, jsonify, request, url_for

from ordinaut import (
    Capability,
    Extension,
    ExtensionContext,
    ExtensionInfo,
    RequestRefused,
    ToolCall,
    ToolFailed,
)

TEXT = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}


class Teapot(Exception):
    """Answered by a handler of the blueprint's own."""


class Lab(Extension):
    """See the module."""

    def info(self) -> ExtensionInfo:
        """Who it is."""
        return ExtensionInfo(id="lab", name="Lab", version="3.2.1", description="Everything")

    def requested_capabilities(self) -> set[Capability]:
        """More than it is granted."""
        return set(Capability)

    def setup(self, context: ExtensionContext) -> Blueprint:
        """Routes, sockets and tools."""
        page = Blueprint("anything", __name__, static_folder=None)
        add_views(page, context)
        add_failures(page, context)
        add_streams(page, context)
        add_rude_sockets(context)
        add_tools(context)
        return page

    def health(self) -> dict[str, str]:
        """One check."""
        return {"kettle": "healthy"}


def add_views(page: Blueprint, context: ExtensionContext) -> None:
    """Plain requests."""

    @page.get("/")
    def index() -> dict[str, str]:
        addresses = {"item": url_for(".item", number=7), "tasks": url_for("tasks.list_tasks")}
        return {"text": "Salut", **addresses, "named": url_for("anything.index", x=1)}

    @page.route("/items/<int:number>", methods=["GET", "POST"])
    def item(number: int) -> dict[str, Any]:
        return {"number": number, "method": request.method}

    @page.get("/slow")
    async def slow() -> dict[str, str]:
        return {"text": "async"}

    @page.get("/who")
    def who() -> dict[str, Any]:
        caller = context.routes.caller()
        return {"agent": caller.agent_id, "scopes": sorted(caller.scopes)}

    @page.post("/api")
    def through() -> dict[str, Any]:
        body = request.get_json()
        answer = context.api.request(
            body["method"], body["path"], query=body.get("query"), json=body.get("json"), headers=body.get("headers")
        )
        return {"status": answer.status, "ok": answer.ok, "data": answer.data, "headers": dict(answer.headers)}

    @page.get("/tool/<name>")
    def tool(name: str) -> dict[str, Any]:
        return {"output": context.tool_registry.invoke(name, {"text": request.args.get("text", "x")})}

    @page.after_request
    def mark(response: Response) -> Response:
        response.headers["X-Lab"] = "yes"
        return response


def add_failures(page: Blueprint, context: ExtensionContext) -> None:
    """Every way to fail."""

    @page.get("/boom")
    def boom() -> dict[str, str]:
        raise RuntimeError("secret detail")

    @page.get("/refused")
    def refused() -> dict[str, str]:
        raise RequestRefused("bad_request", field="schedule_expr", issue="Not a schedule")

    @page.get("/odd")
    def odd() -> dict[str, str]:
        raise RequestRefused("no_such_code", "what is this")

    @page.get("/denied")
    def denied() -> dict[str, str]:
        context.background.list_tasks()
        return {}

    @page.get("/teapot")
    def teapot() -> dict[str, str]:
        raise Teapot

    @page.errorhandler(Teapot)
    def short(_: Teapot) -> tuple[Response, int]:
        return jsonify(short="and stout"), 418


def add_streams(page: Blueprint, context: ExtensionContext) -> None:
    """Server-sent events and WebSockets."""

    @page.get("/ticks")
    def ticks() -> Response:
        def frames() -> Iterator[str | None]:
            for number in range(10_000):
                yield None if number % 2 else f"data: {number}\n\n"
                time.sleep(0.2)

        response: Response = context.routes.event_stream(frames())
        return response

    @context.routes.websocket("/echo/<room>")
    def echo(socket: Any, room: str) -> None:
        for message in socket:
            socket.send_json({"room": room, "message": message})

    @page.get("/broken")
    def broken() -> Response:
        def frames() -> Iterator[str]:
            yield "data: 1\n\n"
            raise RuntimeError("in the middle")

        response: Response = context.routes.event_stream(frames())
        return response


def add_rude_sockets(context: ExtensionContext) -> None:
    """Sockets that do not end as they should."""

    @context.routes.websocket("/crash")
    def crash(socket: Any) -> None:
        raise RuntimeError(socket.receive())

    @context.routes.websocket("/exit")
    async def leave(socket: Any) -> None:
        raise SystemExit(socket.receive() and 3)

    @context.routes.websocket("/deaf")
    def deaf(socket: Any) -> None:
        socket.receive()


def add_tools(context: ExtensionContext) -> None:
    """Tools, plain and async."""

    def shout(text: str) -> dict[str, str]:
        """Say it louder."""
        return {"text": text.upper()}

    async def whisper(text: str, call: ToolCall) -> dict[str, Any]:
        call.log("info", f"whispering {text}")
        return {"text": text.lower(), "key": bool(call.idempotency_key)}

    def fail(text: str) -> None:
        raise ToolFailed(f"No {text}", type="out_of_tea", retryable=False)

    def flood(characters: int) -> dict[str, str]:
        """Say much."""
        return {"text": "x" * characters}

    size = {"type": "object", "properties": {"characters": {"type": "integer"}}, "required": ["characters"]}
    context.tool_registry.register_tool("flood", flood, size, expose_to_mcp=True)
    context.tool_registry.register_tool("shout", shout, TEXT)
    context.tool_registry.register_tool("whisper", whisper, TEXT, description="Say it softly", idempotent=True)
    context.tool_registry.register_tool("fail", fail, TEXT)


def get_extension() -> Extension:
    """The entry of every extension."""
    return Lab()

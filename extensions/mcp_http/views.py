"""The routes: who we are, which tools there are, calling one, and what happens meanwhile."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from flask import Blueprint, Response, request

from ordinaut import ExtensionContext, RequestRefused, ToolInfo

from .bodies import json_object, last_event_id, text_member
from .calls import invoked
from .endpoint import Endpoint
from .schemas import document
from .stream import GLANCE_SECONDS, PATTERN, frames

SERVER = "ordinaut-mcp-http"
CAPABILITIES = ("handshake", "list_tools", "invoke", "schema", "sse")
WATCHING = "events:read"
"""What a caller must hold to watch: the same as at `/events/stream`, which tells the same."""


def make_blueprint(context: ExtensionContext, version: str) -> Blueprint:
    """All routes, over the context's registry of tools."""
    pages = Blueprint("mcp_http", __name__)
    _add_introductions(pages, context, version)
    _add_tools(pages, context)
    _add_calls(pages, context)
    _add_protocol(pages, Endpoint(context, version))

    @pages.get("/sse")
    def stream() -> Response:
        """Events of tasks and runs as they happen; `Last-Event-ID` resumes."""
        _require(context, WATCHING)
        # Listening begins here, before the client is told that the stream is open.
        events = context.events.listen(PATTERN, last_event_id(), idle_seconds=GLANCE_SECONDS)
        answer: Response = context.routes.event_stream(frames(events))
        return answer

    return pages


def _add_introductions(pages: Blueprint, context: ExtensionContext, version: str) -> None:
    @pages.get("/meta")
    def meta() -> dict[str, Any]:
        """Which server this is and what it can do."""
        return {"server": SERVER, "version": version, "capabilities": list(CAPABILITIES)}

    @pages.post("/handshake")
    def handshake() -> dict[str, Any]:
        """A name for the conversation. It is no credential: nothing is kept under it but a line in the log."""
        client = json_object().get("client")
        if not isinstance(client, Mapping):
            raise RequestRefused("bad_request", field="client", issue="'client' must be an object")
        name = text_member(client, "client.name", most=200)
        release = text_member(client, "client.version", most=100, default="")
        session_id = f"sess-{uuid4()}"
        context.logger.info("mcp_http handshake: client %r version %r session %s", name, release, session_id)
        return {"server": {"name": SERVER, "version": version}, "session_id": session_id}


def _add_protocol(pages: Blueprint, endpoint: Endpoint) -> None:
    @pages.post("/mcp")
    def mcp() -> Response:
        """The Model Context Protocol over Streamable HTTP."""
        return endpoint.answer()

    @pages.route("/mcp", methods=["GET", "DELETE", "PUT", "PATCH"])
    def nothing() -> Response:
        """There are no standing streams and no sessions to end."""
        return endpoint.only_post()

    @pages.after_request
    def in_its_words(response: Response) -> Response:
        return endpoint.in_its_words(response) if request.path.endswith("/mcp") else response


def _add_tools(pages: Blueprint, context: ExtensionContext) -> None:
    @pages.get("/tools")
    def list_tools() -> dict[str, Any]:
        """The tools that the caller may call."""
        return {"tools": [_shown(context, tool) for tool in _callable(context)]}

    @pages.get("/schema")
    def schema() -> dict[str, Any]:
        """JSON Schema of what is sent and answered here, tool by tool."""
        return document(_callable(context))

    @pages.get("/tools/<name>/schema")
    def tool_schema(name: str) -> dict[str, Any]:
        """One tool, with the schema of its answer."""
        tool = context.tool_registry.get_tool(name)
        return {**_shown(context, tool), "output": tool.output_schema}


def _add_calls(pages: Blueprint, context: ExtensionContext) -> None:
    @pages.post("/invoke")
    def invoke() -> dict[str, Any]:
        """Call a tool in the caller's name."""
        body = json_object(known=("tool", "parameters"))
        return invoked(context, text_member(body, "tool", most=128), body.get("parameters"))

    @pages.post("/tools/<name>")
    def invoke_by_name(name: str) -> dict[str, Any]:
        """The same, with the tool's name in the address."""
        return invoked(context, name, json_object(known=("parameters",)).get("parameters"))


def _callable(context: ExtensionContext) -> list[ToolInfo]:
    caller = context.routes.caller()
    return [tool for tool in context.tool_registry.list_tools() if caller.may(tool.scope)]


def _shown(context: ExtensionContext, tool: ToolInfo) -> dict[str, Any]:
    return {
        "name": tool.name,
        "description": context.translate(tool.description),
        "parameters": dict(tool.parameters),
    }


def _require(context: ExtensionContext, scope: str) -> None:
    caller = context.routes.caller()
    if not caller.may(scope):
        raise RequestRefused("forbidden", required_scopes=[scope], granted_scopes=sorted(caller.scopes))

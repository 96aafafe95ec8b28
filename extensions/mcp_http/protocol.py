"""The platform as a server of the Model Context Protocol, through the official SDK."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import Any

import mcp_types as types
from mcp.server import Server, ServerRequestContext
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings
from mcp.shared.exceptions import MCPError
from mcp_types import INTERNAL_ERROR, INVALID_PARAMS

from ordinaut import Dialog, ExtensionContext, RequestRefused, ToolFailed, ToolInfo

from . import task_tools
from .catalogue import known_as, offered, offered_tool
from .confirming import confirmed
from .dialogs import Dialogs
from .news import Subscriptions
from .pages import require_first
from .prompts import Completions, Prompts
from .resources import Resources
from .results import broken, failed, refused, succeeded
from .run_tasks import EXTENSION, RunTasks, TaskParams
from .sessions import add_session_requests
from .waits import LONGEST, Waiting, waits

NAME = "ordinaut-mcp-http"
INSTRUCTIONS = (
    "Ordinaut schedules and runs pipelines of tools. Find a task before you make one (list_tasks), and check with "
    "preview_schedule and validate_pipeline before create_task. Times carry a zone: ask the user for theirs when they "
    "name a clock time. A run goes on after your call: watch it with wait_for_run, read it with get_run. An approval "
    "needs the user's own word: never decide one without it."
)
TOOLS_TTL_MS = 60_000
Context = ServerRequestContext[Any, Any]


class Protocol:
    """An ASGI application for one request at a time; see `bridge.serve`."""

    def __init__(self, context: ExtensionContext, version: str) -> None:
        self._context = context
        self._dialogs = Dialogs(context, NAME)
        self._resources, self._tasks = Resources(context, self._dialogs), RunTasks(context)
        prompts = Prompts(context, self._dialogs)
        self._server: Server[Any] = Server(
            NAME,
            version=version,
            title="Ordinaut",
            instructions=INSTRUCTIONS,
            on_list_tools=self._list_tools,
            on_call_tool=self._call_tool,
            get_tool_input_schema=self._input_schema,
            on_list_resources=self._resources.listed,
            on_list_resource_templates=self._resources.templates,
            on_read_resource=self._resources.read,
            on_list_prompts=prompts.listed,
            on_get_prompt=prompts.got,
            on_completion=Completions(context).complete,
            on_subscriptions_listen=Subscriptions(context, self._resources).listen,
        )
        self._server.middleware.append(self._dialogs.boundary)
        add_session_requests(self._server, self._resources)
        self._server.extensions[EXTENSION] = {}
        for method, handler in (
            ("tasks/get", self._tasks.get),
            ("tasks/update", self._tasks.update),
            ("tasks/cancel", self._tasks.cancel),
        ):
            self._server.add_request_handler(method, TaskParams, handler)

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Answer one request; nothing is left of it afterwards."""
        host = dict(scope["headers"]).get(b"host", b"").decode("latin-1")
        manager = StreamableHTTPSessionManager(
            self._server,
            stateless=True,
            json_response=scope["state"]["plain"],
            security_settings=TransportSecuritySettings(
                # The platform has looked at the host; pages of other sites have no business here.
                allowed_hosts=[host],
                allowed_origins=[f"{scope['scheme']}://{host}"],
            ),
        )
        async with manager.run():
            await manager.handle_request(scope, receive, send)

    async def _list_tools(self, _: Context, params: types.PaginatedRequestParams | None) -> types.ListToolsResult:
        require_first(params)
        caller = self._context.routes.caller()
        shown = [self._shown(tool) for tool in offered(self._context) if caller.may(tool.scope)]
        return types.ListToolsResult(tools=shown, ttl_ms=TOOLS_TTL_MS, cache_scope="private")

    async def _call_tool(self, asked: Context, params: types.CallToolRequestParams) -> Any:
        tool = offered_tool(self._context, params.name)
        if tool is None:
            raise MCPError(INVALID_PARAMS, f"Unknown tool: {params.name}")
        try:
            return await self._answer(asked, params, tool)
        except ToolFailed as failure:
            return broken(failure)
        except RequestRefused as refusal:
            return refused(refusal)
        except MCPError:
            raise
        except RecursionError:
            return failed("The arguments are nested too deeply")
        except Exception as error:
            # A request boundary: the log has the rest.
            self._context.logger.exception("mcp_http: %s crashed", params.name)
            raise MCPError(INTERNAL_ERROR, "Internal error") from error

    async def _answer(self, asked: Context, params: types.CallToolRequestParams, tool: ToolInfo) -> Any:
        arguments = params.arguments or {}
        if self._tasks.wanted(asked, tool):
            arguments = {**arguments, **self._tasks.without_waiting(tool)}
        elif waits(tool.name, arguments):
            output = await getattr(self._waiting(asked), tool.name)(arguments)
            return succeeded(output, tool, asked.protocol_version)

        def work(dialog: Dialog) -> Any:
            if task_tools.is_task(tool):
                return task_tools.begun(self._context, tool, arguments)
            invoke = partial(self._context.tool_registry.invoke, tool.name, dialog=dialog)
            return confirmed(self._context, tool, dialog, invoke)(arguments)

        output = await self._dialogs.held(asked, params, work)
        if isinstance(output, types.InputRequiredResult):
            return output
        if self._tasks.wanted(asked, tool):
            return self._tasks.begun(output, tool)
        if tool.starts_run:
            await self._waiting(asked).ended(output["run_id"], LONGEST)
            return self._tasks.result(output["run_id"], tool, asked.protocol_version)
        return succeeded(output, tool, asked.protocol_version)

    def _waiting(self, asked: Context) -> Waiting:
        async def report(seconds: float, message: str) -> None:
            await asked.session.report_progress(round(seconds, 1), None, message)

        return Waiting(self._invoke, report)

    async def _invoke(self, name: str, arguments: Mapping[str, Any]) -> Any:
        # In a thread, so that the loop goes on to hear of a client that leaves; it keeps the request in sight.
        return await asyncio.to_thread(self._context.tool_registry.invoke, name, arguments)

    def _input_schema(self, name: str) -> Mapping[str, Any] | None:
        tool = offered_tool(self._context, name)
        return None if tool is None else tool.parameters

    def _shown(self, tool: ToolInfo) -> types.Tool:
        name = known_as(tool)
        title = name.rpartition(".")[2].replace("_", " ").capitalize()
        # The answer of a tool that starts a run is the run's, and blocks are no data.
        promised = None if tool.starts_run or tool.returns_content else tool.output_schema
        return types.Tool(
            name=name,
            title=title,
            description=self._context.translate(tool.description),
            input_schema=dict(tool.parameters),
            output_schema=None if promised is None else dict(promised),
            annotations=types.ToolAnnotations(
                title=title,
                read_only_hint=tool.read_only,
                destructive_hint=tool.destructive,
                idempotent_hint=tool.idempotent,
                open_world_hint=tool.open_world,
            ),
        )

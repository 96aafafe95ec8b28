"""`POST /ext/mcp_http/mcp`: Streamable HTTP for assistants, in both eras of the protocol.

The protocol itself is the official SDK's. Here is what belongs to HTTP: who may call, what a refusal looks like to a
client that speaks JSON-RPC, and how the SDK's application is served from a view.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from flask import Response, request
from werkzeug.datastructures import Headers

from ordinaut import ExtensionContext

from .bridge import Answer, Gone, serve
from .catalogue import lacking, offered_tool
from .headers import MODERN, misfit

WAITING = frozenset({"run_task_now", "wait_for_run"})
"""Tools whose calls may take minutes."""
TASK_METHODS = frozenset({"tasks/get", "tasks/update", "tasks/cancel"})
PARSE_ERROR = -32700
MISDIRECTED = 421
CLIENT_LEFT = 499
"""What proxies log for a client that did not wait; nobody ever sees it."""


class Endpoint:
    """The view, and what is made of every answer at its address.

    Args:
        version: Of the server, as it introduces itself.
    """

    def __init__(self, context: ExtensionContext, version: str) -> None:
        self._context = context
        self._version = version

    def answer(self) -> Response:
        """Answer one POST."""
        body = request.get_data()
        try:
            asked = _Asked.of(body)
        except RecursionError:
            return _error(400, PARSE_ERROR, "The body is nested too deeply", None)
        except NoJson:
            return _error(400, PARSE_ERROR, "The body has a number that JSON does not know", None)
        if (refused := self._refused(asked)) is not None:
            return refused
        plain = asked.answered_plainly(request.headers, talks=self._talks(asked))
        try:
            answer = serve(self._protocol, request.environ, body, plain=plain, caller=self._context.routes.caller())
        except Gone:
            return Response(status=CLIENT_LEFT)
        return self._response(answer)

    def only_post(self) -> Response:
        """405 for every other method."""
        response = _error(405, 40500, self._context.translate("Messages are sent by POST"), None)
        response.headers["Allow"] = "POST"
        return response

    def in_its_words(self, response: Response) -> Response:
        """Refusals of the platform as JSON-RPC errors, the way of a client to hear more than their status.

        The code is the status and two digits, outside of what JSON-RPC keeps for itself.
        """
        refusal = response.get_json(silent=True) if response.is_json and response.status_code >= 400 else None
        if not isinstance(refusal, dict) or "jsonrpc" in refusal:
            return response
        required = refusal.get("details", {}).get("required_scopes")
        if response.status_code == 403 and required:
            response.headers["WWW-Authenticate"] = insufficient(*required, *refusal["details"]["granted_scopes"])
        if refusal.get("details", {}).get("field") == "Host":
            response.status_code = MISDIRECTED
        told = _error(response.status_code, response.status_code * 100, refusal.get("message", ""), None, refusal)
        response.data, response.content_type = told.data, told.content_type
        return response

    @cached_property
    def _protocol(self) -> Any:
        # Here, and not above: a process that no assistant talks to has no use for the SDK's 30 MB.
        protocol = importlib.import_module(f"{__package__}.protocol")
        return protocol.Protocol(self._context, self._version)

    def _refused(self, asked: _Asked) -> Response | None:
        """What is wrong with the headers; 403 for a tool that the token may not call, with the scopes to ask for."""
        if (wrong := misfit(request.headers, version=asked.version, task=asked.task)) is not None:
            return _error(wrong.status, wrong.code, wrong.message, asked.id)
        if asked.tool is None:
            return None
        tool = offered_tool(self._context, asked.tool)
        if tool is None or not (scopes := lacking(self._context, tool)):
            return None
        caller = self._context.routes.caller()
        needs = self._context.translate("{tool} needs {scope}", tool=asked.tool, scope=" ".join(scopes))
        details = {"required_scopes": scopes, "granted_scopes": sorted(caller.scopes)}
        response = _error(403, 40301, needs, asked.id, details)
        response.headers["WWW-Authenticate"] = insufficient(*scopes, *caller.scopes)
        return response

    def _talks(self, asked: _Asked) -> bool:
        """Whether the tool may have something to say while it works, or is waited for: extensions' and tasks."""
        tool = None if asked.tool is None else offered_tool(self._context, asked.tool)
        return tool is not None and (tool.starts_run or tool.name.startswith("ext."))

    def _response(self, answer: Answer) -> Response:
        if answer.body is not None:
            return Response(answer.body, answer.status, answer.headers)
        try:
            response: Response = self._context.routes.event_stream(answer.rest)
        except BaseException:
            answer.close()  # there is no slot for it: nothing of what has begun may go on
            raise
        response.call_on_close(answer.close)
        response.status_code = answer.status
        response.headers.extend([pair for pair in answer.headers if pair[0].lower() not in response.headers])
        return response


class NoJson(ValueError):
    """The body is JSON but for a word in the place of a number."""


def _refuse(word: str) -> None:
    raise NoJson(word)


class _Asked:
    """What the view has to know of a body before the SDK reads it; anything may be in there."""

    def __init__(self, message: Any) -> None:
        whole: Mapping[str, Any] = message if isinstance(message, dict) else {}
        params = whole.get("params")
        self._params: Mapping[str, Any] = params if isinstance(params, dict) else {}
        meta = self._params.get("_meta")
        self._meta: Mapping[str, Any] = meta if isinstance(meta, dict) else {}
        version = self._meta.get("io.modelcontextprotocol/protocolVersion")
        self.version = version if isinstance(version, str) else None
        name = self._params.get("name") if whole.get("method") == "tools/call" else None
        self.tool = name if isinstance(name, str) else None
        task = self._params.get("taskId") if whole.get("method") in TASK_METHODS else None
        self.task = task if isinstance(task, str) else None
        found = whole.get("id")
        self.id = found if isinstance(found, str | int) and not isinstance(found, bool) else None

    @classmethod
    def of(cls, body: bytes) -> _Asked:
        """What else is no JSON the SDK refuses.

        Raises:
            RecursionError: The body is nested too deeply.
            NoJson: It has `NaN` or `Infinity`, which the SDK would take.
        """
        try:
            return cls(json.loads(body, parse_constant=_refuse))
        except NoJson:
            raise
        except ValueError:
            return cls(None)

    def answered_plainly(self, headers: Headers, *, talks: bool) -> bool:
        """Whether JSON is the answer rather than a stream: to old clients that want no news of progress.

        A call that waits is answered with a stream where it may be: routers cut what is silent for half a minute, and
        a process that is to stop ends its streams at once.
        """
        if "text/event-stream" not in headers.get("Accept", ""):
            return True
        old = headers.get("MCP-Protocol-Version", "") < MODERN
        return old and "progressToken" not in self._meta and self.tool not in WAITING and not talks


def insufficient(*scopes: str) -> str:
    """What a client is told that may not go on: all it has to hold to do so, with what it holds (RFC 6750, section 3).

    Clients ask for these words and no others, and would lose what they had.
    """
    needed = " ".join(sorted(set(scopes)))
    return f'Bearer realm="ordinaut", error="insufficient_scope", scope="{needed}"'


def _error(status: int, code: int, message: str, request_id: Any, data: Any = None) -> Response:
    error = {"code": code, "message": message, **({} if data is None else {"data": data})}
    body = json.dumps({"jsonrpc": "2.0", "id": request_id, "error": error}, ensure_ascii=False)
    return Response(body, status, mimetype="application/json")

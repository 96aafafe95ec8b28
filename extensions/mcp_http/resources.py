"""What assistants can read without a call: guides, and tasks and runs by their address."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mcp_types as types
from mcp.server import ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS

from ordinaut import ApiAnswer, ExtensionContext, RequestRefused, ToolFailed

from .dialogs import Dialogs
from .pages import require_first

GUIDES: Mapping[str, str] = {
    "pipelines": "How the steps of a task are written",
    "schedules": "Kinds of schedules, with an example each",
    "templates": "What ${…} in the arguments of a step can say",
}
FOLDER = Path(__file__).parent / "guides"
SCHEME = "ordinaut://"
GUIDES_TTL_MS = 600_000
NEWEST = 50
OLD_CODE = -32002
"""What an unknown resource had for a code before 2026-07-28."""
Context = ServerRequestContext[Any, Any]


class Resources:
    """The requests about resources."""

    def __init__(self, context: ExtensionContext, dialogs: Dialogs) -> None:
        self._context = context
        self._dialogs = dialogs

    async def listed(self, _: Context, params: types.PaginatedRequestParams | None) -> types.ListResourcesResult:
        """The guides, the newest tasks that the caller may see, and what extensions offer to read."""
        require_first(params)
        guides = [_resource(f"docs/{name}", name, text, "text/markdown") for name, text in GUIDES.items()]
        found = self._context.api.get("/tasks", limit=NEWEST)
        tasks = [
            _resource(f"tasks/{one['id']}", one["title"], str(one["description_text"]), "application/json")
            for one in (found.data["items"] if found.ok else ())
        ]
        others = [
            types.Resource(uri=one.uri, name=one.name, description=one.description, mime_type=one.mime_type)
            for one in self._offered(template=False)
        ]
        return types.ListResourcesResult(resources=[*guides, *tasks, *others], ttl_ms=0, cache_scope="private")

    async def templates(
        self, _: Context, params: types.PaginatedRequestParams | None
    ) -> types.ListResourceTemplatesResult:
        """Tasks, runs and logs by id, and those of extensions."""
        require_first(params)
        shapes = (
            ("tasks/{task_id}", "task", "A task: its schedule, its steps, its policies"),
            ("runs/{run_id}", "run", "A run with its steps, their input, output and errors"),
            ("runs/{run_id}/logs", "run_logs", "The newest log lines of a run"),
        )
        templates = [
            types.ResourceTemplate(uri_template=SCHEME + uri, name=name, description=text, mime_type="application/json")
            for uri, name, text in shapes
        ]
        templates += [
            types.ResourceTemplate(
                uri_template=one.uri, name=one.name, description=one.description, mime_type=one.mime_type
            )
            for one in self._offered(template=True)
        ]
        return types.ListResourceTemplatesResult(
            resource_templates=templates, ttl_ms=GUIDES_TTL_MS, cache_scope="private"
        )

    async def read(self, asked: Context, params: types.ReadResourceRequestParams) -> Any:
        """One of them; what the caller may not see is not there."""
        uri = str(params.uri)
        if not uri.startswith(SCHEME):
            return await self._read_offered(asked, params)
        root, _, rest = uri.removeprefix(SCHEME).partition("/")
        if root == "docs" and rest in GUIDES:
            text = (FOLDER / f"{rest}.md").read_text(encoding="utf-8")
            return _contents(uri, text, "text/markdown", GUIDES_TTL_MS, "public")
        found = self._found(uri)
        if found is None or not found.ok:
            raise _unknown(asked, uri)
        return _contents(uri, json.dumps(found.data, ensure_ascii=False), "application/json", 0, "private")

    async def _read_offered(self, asked: Context, params: types.ReadResourceRequestParams) -> Any:
        uri = str(params.uri)
        try:
            found = await self._dialogs.held(
                asked, params, lambda dialog: self._context.assistants.read_resource(uri, dialog)
            )
        except RequestRefused as refused:
            raise _unknown(asked, uri) from refused
        except ToolFailed as failure:
            raise MCPError(INVALID_PARAMS, failure.message) from failure
        if isinstance(found, types.InputRequiredResult):
            return found
        info, value = found
        if isinstance(value, bytes):
            blob = types.BlobResourceContents(uri=uri, mime_type=info.mime_type, blob=b64encode(value).decode())
            return types.ReadResourceResult(contents=[blob], ttl_ms=0, cache_scope="private")
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        return _contents(uri, text, info.mime_type, 0, "private")

    def _offered(self, *, template: bool) -> list[Any]:
        caller = self._context.routes.caller()
        listed = self._context.assistants.list_resources()
        return [one for one in listed if one.template is template and caller.may(one.scope)]

    def require(self, asked: Context, uri: str) -> None:
        """MCPError where there is nothing the caller may read at that address."""
        offered = any(uri == one.uri for one in self._offered(template=False))
        if not offered and not self.readable(uri):
            raise _unknown(asked, uri)

    def readable(self, uri: str) -> bool:
        """Whether the caller may read it now."""
        found = self._found(uri)
        return uri in (f"{SCHEME}docs/{name}" for name in GUIDES) or (found is not None and found.ok)

    def _found(self, uri: str) -> ApiAnswer | None:
        """What the API answers; None for what is none of ours."""
        root, _, rest = uri.removeprefix(SCHEME).partition("/")
        path = _path(root, rest)
        return self._context.api.get(path) if path and uri.startswith(SCHEME) else None


def _unknown(asked: Context, uri: str) -> MCPError:
    code = INVALID_PARAMS if asked.protocol_version >= "2026-07-28" else OLD_CODE
    return MCPError(code, "Resource not found", {"uri": uri})


def _path(root: str, rest: str) -> str | None:
    """The address in the API; None for what is none of ours."""
    name, _, part = rest.partition("/")
    if root not in ("tasks", "runs") or not name or "?" in rest or (part and (root, part) != ("runs", "logs")):
        return None
    return f"/{root}/{rest}"


def _resource(path: str, name: str, text: str, mime_type: str) -> types.Resource:
    return types.Resource(uri=SCHEME + path, name=name, description=text, mime_type=mime_type)


def _contents(uri: str, text: str, mime_type: str, ttl_ms: int, scope: Any) -> types.ReadResourceResult:
    content = types.TextResourceContents(uri=uri, mime_type=mime_type, text=text)
    return types.ReadResourceResult(contents=[content], ttl_ms=ttl_ms, cache_scope=scope)
